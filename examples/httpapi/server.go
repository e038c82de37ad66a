package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/rs/zerolog"
	"go.uber.org/fx"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/dashboard"
	"github.com/workerfx/workerfx/health"
)

// NewHandler serves the API, probes, metrics, and the page of the workers. The page is read-only.
func NewHandler(orders *Orders, pool *workerfx.Pool, registry *prometheus.Registry) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /orders", func(w http.ResponseWriter, r *http.Request) {
		item := r.URL.Query().Get("item")
		if item == "" {
			http.Error(w, "item must not be empty", http.StatusBadRequest)
			return
		}
		if err := orders.Accept(r.Context(), item); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusAccepted)
	})
	probes := health.Handler(pool)
	mux.Handle("GET /livez", probes)
	mux.Handle("GET /readyz", probes)
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{EnableOpenMetrics: true}))
	mux.Handle("/workers/", http.StripPrefix("/workers", dashboard.Handler(pool)))
	return mux
}

// Server is the HTTP server of the app.
type Server struct {
	http     http.Server
	listener net.Listener
}

// NewServer makes a server that starts after the workers, and stops before them.
func NewServer(lifecycle fx.Lifecycle, listen address, handler http.Handler, log zerolog.Logger, shutdown fx.Shutdowner) *Server {
	s := &Server{http: http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}}
	lifecycle.Append(fx.Hook{
		OnStart: func(ctx context.Context) (err error) {
			if s.listener, err = (&net.ListenConfig{}).Listen(ctx, "tcp", string(listen)); err != nil {
				return err
			}
			log.Info().Stringer("address", s.listener.Addr()).Msg("serving")
			go func() {
				if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
					log.Err(err).Msg("the server has ended")
					_ = shutdown.Shutdown(fx.ExitCode(1))
				}
			}()
			return nil
		},
		OnStop: s.http.Shutdown, // it answers the requests that it has
	})
	return s
}
