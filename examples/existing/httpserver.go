package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/workerfx/workerfx"
)

// HTTPServer runs an http.Server as a worker. The server has two methods, one that works and one that stops it. Such types
// become a worker with [workerfx.Go].
type HTTPServer struct{ server http.Server }

// NewHTTPServer makes a server that says hello.
func NewHTTPServer(listen string) *HTTPServer {
	hello := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("hello\n")) })
	return &HTTPServer{http.Server{Addr: listen, Handler: hello, ReadHeaderTimeout: 5 * time.Second}}
}

// Name is the worker's name.
func (*HTTPServer) Name() string { return "http" }

// shutdownTimeout is how long requests may take when the worker stops.
const shutdownTimeout = 5 * time.Second

// Run serves until the worker stops. It is ready when the port is open.
func (s *HTTPServer) Run(ctx context.Context) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.server.Addr)
	if err != nil {
		return err
	}
	workerfx.CtxLogger(ctx).Info().Stringer("address", listener.Addr()).Msg("serving")
	workerfx.Ready(ctx)
	err = workerfx.Go(ctx, func(context.Context) error {
		if err := s.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return err // the run has failed
		}
		return nil
	})
	if err != nil {
		return err
	}
	<-ctx.Done()
	finish, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	return errors.Join(s.server.Shutdown(finish), ctx.Err())
}
