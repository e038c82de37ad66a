package main

import (
	"context"
	"errors"
	"fmt"
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
	"github.com/workerfx/workerfx/queue"
)

// newHandler serves metrics, probes, and a page with the workers and the jobs of the queue. The page changes nothing.
func newHandler(registry *prometheus.Registry, pool *workerfx.Pool, client *queue.Client) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{EnableOpenMetrics: true}))
	probes := health.Handler(pool) // the queue is ready while its database can be reached
	mux.Handle("GET /livez", probes)
	mux.Handle("GET /readyz", probes)
	page := dashboard.Handler(pool, dashboard.WithSection(queue.Section(client)))
	mux.Handle("/workers/", http.StripPrefix("/workers", page))
	return mux
}

// serve serves the handler while the app runs, if the flags name an address.
func serve(lifecycle fx.Lifecycle, c config, handler http.Handler, log zerolog.Logger) {
	if c.listen == "" {
		return
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	lifecycle.Append(fx.Hook{
		OnStart: func(ctx context.Context) error {
			listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.listen)
			if err != nil {
				return fmt.Errorf("no place for /metrics: %w; -listen names another address", err)
			}
			log.Info().Str("url", fmt.Sprintf("http://%s/metrics", listener.Addr())).Msg("serving metrics, and a page at /workers/")
			go func() {
				if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
					log.Error().Err(err).Msg("metrics are no longer served")
				}
			}()
			return nil
		},
		OnStop: func(context.Context) error { return server.Close() }, // at once, a scrape can be repeated
	})
}
