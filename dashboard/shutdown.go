package dashboard

import (
	"net/http"
	"sync"
)

// shutdowns tells streams of changes when their server shuts down. A server waits for all of its requests then, and a
// stream would go on for ever.
type shutdowns struct {
	mu      sync.Mutex // guards servers
	servers map[*http.Server]chan struct{}
}

// of returns a channel that is closed when the server of a request shuts down, or nil if the server is not known.
func (s *shutdowns) of(r *http.Request) <-chan struct{} {
	if server, ok := r.Context().Value(http.ServerContextKey).(*http.Server); ok {
		return s.register(server)
	}
	return nil
}

// register returns a channel that is closed when a server shuts down. It must be called before that: a server calls only
// functions that it knows then.
func (s *shutdowns) register(server *http.Server) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	shutdown := s.servers[server]
	if shutdown == nil {
		shutdown = make(chan struct{})
		server.RegisterOnShutdown(sync.OnceFunc(func() { close(shutdown) }))
		if s.servers == nil {
			s.servers = make(map[*http.Server]chan struct{})
		}
		s.servers[server] = shutdown
	}
	return shutdown
}
