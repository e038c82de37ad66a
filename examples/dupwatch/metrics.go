package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/rs/zerolog"
	"go.uber.org/fx"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/dashboard"
)

// metrics are dupwatch's own. The pool registers its metrics beside them. Counters go on from pass to pass,
// gauges are about the last complete one.
type metrics struct {
	files, bytes, unreadable, passes prometheus.Counter
	sets, wasted                     prometheus.Gauge
}

func newMetrics(registry *prometheus.Registry) *metrics {
	register := promauto.With(registry)
	counter := func(name, help string) prometheus.Counter {
		return register.NewCounter(prometheus.CounterOpts{Namespace: "dupwatch", Name: name, Help: help})
	}
	gauge := func(name, help string) prometheus.Gauge {
		return register.NewGauge(prometheus.GaugeOpts{Namespace: "dupwatch", Name: name, Help: help})
	}
	return &metrics{
		files:      counter("files_scanned_total", "Regular files found."),
		bytes:      counter("bytes_hashed_total", "Bytes of files read and hashed."),
		unreadable: counter("unreadable_total", "Files and directories skipped because they could not be read or changed meanwhile."),
		passes:     counter("passes_total", "Complete passes."),
		sets:       gauge("duplicate_sets", "Sets of files with the same content in the last complete pass."),
		wasted:     gauge("wasted_bytes", "Bytes in all files but one of each set in the last complete pass."),
	}
}

// passed counts a complete pass.
func (m *metrics) passed(s *summary) {
	m.passes.Inc()
	m.sets.Set(float64(len(s.sets)))
	m.wasted.Set(float64(s.wasted()))
}

// serveMetrics serves /metrics, and a page with the workers at /workers/, while the app runs, unless the flags say that
// nobody wants it. The page is read-only.
func serveMetrics(lifecycle fx.Lifecycle, c config, registry *prometheus.Registry, pool *workerfx.Pool, logger zerolog.Logger) {
	if c.listen == "" {
		return
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.Handle("/workers/", http.StripPrefix("/workers", dashboard.Handler(pool)))
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	lifecycle.Append(fx.Hook{
		OnStart: func(ctx context.Context) error {
			var listening net.ListenConfig
			listener, err := listening.Listen(ctx, "tcp", c.listen)
			if err != nil {
				return fmt.Errorf("no place for /metrics: %w; -listen names another address", err)
			}
			logger.Info().Str("url", fmt.Sprintf("http://%s/metrics", listener.Addr())).Msg("serving metrics")
			logger.Info().Str("url", fmt.Sprintf("http://%s/workers/", listener.Addr())).Msg("serving a page with the workers")
			go func() {
				if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
					logger.Error().Err(err).Msg("metrics are no longer served")
				}
			}()
			return nil
		},
		OnStop: func(context.Context) error { return server.Close() }, // at once, a scrape can be repeated
	})
}
