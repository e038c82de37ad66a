package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/workerfx/workerfx"
)

// server is the worker that serves the API.
type server struct {
	address string
	handler http.Handler
}

// newServer makes the server a worker, so that the pool starts and stops it in order.
func newServer(c config, o *Orders) workerfx.Worker {
	return workerfx.With(&server{address: c.listen, handler: newAPI(o)},
		workerfx.WithName("api"),
		workerfx.WithAfter("packer"), // it starts after the packer, and stops before it: there is always somebody to accept orders
		workerfx.WithReadiness(),     // the start of the app waits for it
		workerfx.WithEssential(),     // the app ends when it fails
	)
}

// Run serves until the worker is asked to stop. Then it answers the requests under way.
func (s *server) Run(ctx context.Context) error {
	draining := workerfx.Draining(ctx) // a stop closes it at once; ctx ends later, to cut off what takes too long
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", s.address)
	if err != nil {
		return fmt.Errorf("flag -listen: %w", err)
	}
	// A server that was shut down cannot serve again. So each run has its own.
	web := &http.Server{Handler: s.handler, ReadTimeout: 20 * time.Second, IdleTimeout: time.Minute}
	if err := workerfx.Go(ctx, func(context.Context) error { return serve(web, listener) }); err != nil {
		return errors.Join(err, listener.Close())
	}
	log := workerfx.CtxLogger(ctx)
	log.Info().Str("url", fmt.Sprintf("http://%s/orders", listener.Addr())).Msg("API is served")
	workerfx.Ready(ctx)
	select {
	case <-draining:
	case <-ctx.Done(): // serve has failed
	}
	log.Info().Msg("API stops: no new connections, requests under way are answered")
	if err := web.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("requests took too long and were cut off: %w", err), web.Close())
	}
	return nil
}

// serve returns nil when the server is shut down.
func serve(web *http.Server, listener net.Listener) error {
	if err := web.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
