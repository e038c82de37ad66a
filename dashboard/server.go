package dashboard

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/workerfx/workerfx"
)

// Config says where [Module] serves the page. The zero value serves it at http://127.0.0.1:8090/.
type Config struct {
	// Listen is the address; the default is 127.0.0.1:8090. Port 0 is any free port. An address that other machines can
	// reach, such as ":8090", is an error unless Public is set.
	Listen string `json:"listen,omitempty" yaml:"listen,omitempty" mapstructure:"listen,omitempty"`
	// Prefix is in front of all paths, such as "/workers". The default is none.
	Prefix string `json:"prefix,omitempty" yaml:"prefix,omitempty" mapstructure:"prefix,omitempty"`
	// Public allows an address that other machines can reach. The page has no login: something in front of it must.
	// Without Public, requests for other hosts than this machine are refused, so that no web site can read the page
	// through the user's browser.
	Public bool `json:"public,omitempty" yaml:"public,omitempty" mapstructure:"public,omitempty"`
}

const defaultListen = "127.0.0.1:8090"

// The server's timeouts. A stream of changes has its own for each write.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 10 * time.Second
	writeTimeout      = 30 * time.Second // longer than an action may take
	idleTimeout       = time.Minute
)

// complete sets defaults and checks the configuration.
func (c *Config) complete() error {
	if c.Listen == "" {
		c.Listen = defaultListen
	}
	c.Prefix = strings.TrimSuffix(c.Prefix, "/")
	if c.Prefix != "" && (!isPlain(c.Prefix) || (&url.URL{Path: c.Prefix}).EscapedPath() != c.Prefix) {
		return fmt.Errorf("dashboard: prefix %q: must begin with /, and be a path as in a URL, such as /workers", c.Prefix)
	}
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return fmt.Errorf("dashboard: listen %q: %w", c.Listen, err)
	}
	if !c.Public && !isLoopback(host) {
		return fmt.Errorf("dashboard: listen %q: other machines can reach this address; use 127.0.0.1, or set Public and put a login in front of it", c.Listen)
	}
	return nil
}

// isLoopback tells whether a host is this machine itself.
func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && ip.Unmap().IsLoopback()
}

// Server is the server of [Module].
type Server struct {
	config Config
	logger zerolog.Logger
	http   *http.Server
	url    string
	served chan struct{} // closed when the server has ended
}

func newServer(pool *workerfx.Pool, config Config, opts []Option, logger zerolog.Logger) (*Server, error) {
	if err := config.complete(); err != nil {
		return nil, err
	}
	h, err := newHandler(pool, opts)
	if err != nil {
		return nil, err
	}
	s := &Server{config: config, logger: logger, served: make(chan struct{})}
	page := http.StripPrefix(config.Prefix, h)
	if !config.Public {
		page = LocalOnly(page)
	}
	s.http = &http.Server{
		Handler:           page,
		ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxBody,
	}
	h.shutdowns.register(s.http)
	return s, nil
}

// URL returns the address of the page, such as "http://127.0.0.1:8090/". It is empty before the start.
func (s *Server) URL() string { return s.url }

// LocalOnly refuses requests for other hosts than this machine, such as localhost and 127.0.0.1. Put it around [Handler] on
// a server that only this machine can reach: a web site can give its own name this machine's address, and then read what
// is here through the user's browser. [Module] does so by itself.
func LocalOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		if !isLoopback(host) {
			http.Error(w, "this page is for its own machine (Config.Public of the dashboard opens it)", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// start listens and serves.
func (s *Server) start(ctx context.Context) error {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", s.config.Listen)
	if err != nil {
		return fmt.Errorf("dashboard: listen %q: %w", s.config.Listen, err)
	}
	s.url = "http://" + listener.Addr().String() + s.config.Prefix + "/"
	s.logger.Info().Str("url", s.url).Msg("dashboard is served")
	go func() {
		defer close(s.served)
		if err := s.http.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.logger.Err(err).Msg("dashboard has ended")
		}
	}()
	return nil
}

// stop waits for the requests under way, until ctx ends.
func (s *Server) stop(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(fmt.Errorf("dashboard: stop: %w", err), s.http.Close())
	}
	<-s.served
	return err
}
