package main

import (
	"context"
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
)

// adminModule serves what only operators may see. It is no worker: it is there before the first worker starts, and
// until the last one has stopped, so that one can watch both.
var adminModule = fx.Module("admin", fx.Provide(newAdmin, fx.Private), fx.Invoke(serveAdmin))

// newAdmin returns the handler of probes, metrics and the page.
func newAdmin(pool *workerfx.Pool, registry *prometheus.Registry, logs *dashboard.Logs) http.Handler {
	mux := http.NewServeMux()
	probes := health.Handler(pool)
	mux.Handle("GET /livez", probes)
	mux.Handle("GET /readyz", probes)
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{EnableOpenMetrics: true}))
	mux.Handle("/workers/", http.StripPrefix("/workers", dashboard.Handler(pool, dashboard.WithLogs(logs))))
	return mux
}

// serveAdmin serves the handler while the app runs.
func serveAdmin(lifecycle fx.Lifecycle, c config, handler http.Handler, log zerolog.Logger) {
	web := &http.Server{Handler: handler, ReadTimeout: 10 * time.Second}
	lifecycle.Append(fx.StartStopHook(
		func(ctx context.Context) error {
			listener, err := new(net.ListenConfig).Listen(ctx, "tcp", c.admin)
			if err != nil {
				return fmt.Errorf("flag -admin: %w", err)
			}
			log.Info().Str("url", fmt.Sprintf("http://%s/workers/", listener.Addr())).Msg("page is served")
			go func() {
				if err := serve(web, listener); err != nil {
					log.Err(err).Msg("page is no longer served")
				}
			}()
			return nil
		},
		web.Close, // at once: those who scrape or look can try again
	))
}
