package queue

import (
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/workerfx/workerfx"
)

// defaultBuckets are the upper bounds of the histogram of the times of jobs, in seconds: from a short job to an hour.
var defaultBuckets = []float64{0.005, 0.025, 0.1, 0.5, 1, 5, 30, 60, 600, 3600}

// register makes the histogram of the times of jobs, with the prefix of the pool's metrics. If another app used the
// registry before, its histogram is used.
func (a *appQueue) register(registerer prometheus.Registerer, config workerfx.Config) error {
	buckets := defaultBuckets
	if len(config.Metrics.Buckets) > 0 {
		buckets = make([]float64, len(config.Metrics.Buckets))
		for i, bound := range config.Metrics.Buckets {
			buckets[i] = bound.Seconds()
		}
	}
	var labels prometheus.Labels
	if config.Name != "" {
		labels = prometheus.Labels{"pool": config.Name}
	}
	durations := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: config.Metrics.Namespace, Subsystem: config.Metrics.Subsystem,
		Name: "worker_job_duration_seconds", Help: "How long the attempts of the worker's jobs took, by their kind.",
		ConstLabels: labels, Buckets: buckets,
	}, []string{"worker", "kind", "status"})
	err := registerer.Register(durations)
	if before, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); ok {
		if durations, ok = before.ExistingCollector.(*prometheus.HistogramVec); ok {
			err = nil
		}
	}
	if err != nil {
		return fmt.Errorf("queue: register metrics: %w", err)
	}
	a.durations = durations
	return nil
}

// observe counts how long an attempt took. The time of an interrupted attempt means nothing.
func (a *attempt) observe(took time.Duration, how ending) {
	if a.app.durations == nil || how == interrupted {
		return
	}
	status := "success"
	if how.isFailure() {
		status = "error"
	}
	a.app.durations.WithLabelValues(a.worker, a.info.Kind, status).Observe(took.Seconds())
}
