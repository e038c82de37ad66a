package queue

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	"github.com/workerfx/workerfx"
)

// defaultBuckets are the upper bounds of the histogram of the times of jobs, in seconds: from a short job to an hour.
var defaultBuckets = []float64{0.005, 0.025, 0.1, 0.5, 1, 5, 30, 60, 600, 3600}

// registerMetrics makes the metrics of the app's queues, with the prefix of the pool's metrics.
func (a *appQueue) registerMetrics(registerer prometheus.Registerer, config workerfx.Config) error {
	var labels prometheus.Labels
	if config.Name != "" {
		labels = prometheus.Labels{"pool": config.Name}
	}
	err := a.registerDurations(registerer, &config.Metrics, labels)
	if err == nil {
		a.collector, err = registerJobs(registerer, newJobsCollector(a, &config.Metrics, labels))
	}
	if err == nil {
		err = a.takeCollector()
	}
	if err != nil {
		return fmt.Errorf("queue: register metrics: %w", err)
	}
	return nil
}

// registerDurations makes the histogram of the times of jobs. If another app used the registry before, its histogram is
// used.
func (a *appQueue) registerDurations(registerer prometheus.Registerer, config *workerfx.MetricsConfig, labels prometheus.Labels) error {
	buckets := defaultBuckets
	if len(config.Buckets) > 0 {
		buckets = make([]float64, len(config.Buckets))
		for i, bound := range config.Buckets {
			buckets[i] = bound.Seconds()
		}
	}
	durations := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: config.Namespace, Subsystem: config.Subsystem,
		Name: "worker_job_duration_seconds", Help: "How long the attempts of the worker's jobs took, by their kind.",
		ConstLabels: labels, Buckets: buckets,
	}, []string{"worker", "kind", "status"})
	err := registerer.Register(durations)
	if before, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); ok {
		if durations, ok = before.ExistingCollector.(*prometheus.HistogramVec); ok {
			err = nil
		}
	}
	a.durations = durations
	return err
}

// jobsCollector counts the jobs in the database when Prometheus collects, but not more often than [statsCache] allows. It
// has no metrics while the database is not open, or does not answer for a minute.
type jobsCollector struct {
	app       atomic.Pointer[appQueue]
	jobs, due *prometheus.Desc
}

func newJobsCollector(a *appQueue, config *workerfx.MetricsConfig, labels prometheus.Labels) *jobsCollector {
	desc := func(name, help string, labelNames ...string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName(config.Namespace, config.Subsystem, name), help, labelNames, labels)
	}
	c := &jobsCollector{
		jobs: desc("worker_queue_jobs", "Jobs of the queue in the database, by state.", "queue", "state"),
		due:  desc("worker_queue_oldest_due_seconds", "For how long the oldest job of the queue that waits has been due.", "queue"),
	}
	c.app.Store(a)
	return c
}

// Describe sends the descriptions of the metrics.
func (c *jobsCollector) Describe(out chan<- *prometheus.Desc) {
	out <- c.jobs
	out <- c.due
}

// Collect sends the metrics of each queue. A queue that had jobs keeps its metrics.
func (c *jobsCollector) Collect(out chan<- prometheus.Metric) {
	app := c.app.Load()
	if !app.opened.Load() {
		return
	}
	for queue, n := range app.stats.get(context.Background()).queues {
		for _, state := range states {
			out <- prometheus.MustNewConstMetric(c.jobs, prometheus.GaugeValue, float64(n.jobs[state]), queue, string(state))
		}
		out <- prometheus.MustNewConstMetric(c.due, prometheus.GaugeValue, n.due.Seconds(), queue)
	}
}

var errTwoQueues = errors.New("the registry has the metrics of another queue already: give each app its own Config.Name")

// registerJobs registers the collector. If an earlier app has registered one, it returns that collector.
func registerJobs(registerer prometheus.Registerer, c *jobsCollector) (*jobsCollector, error) {
	err := registerer.Register(c)
	taken, ok := errors.AsType[prometheus.AlreadyRegisteredError](err)
	if !ok {
		return c, err
	}
	before, ok := taken.ExistingCollector.(*jobsCollector)
	if !ok {
		return nil, err
	}
	return before, nil
}

// takeCollector makes the registered collector that of this app. It fails if another app that runs has it.
func (a *appQueue) takeCollector() error {
	if a.collector == nil {
		return nil
	}
	if other := a.collector.app.Load(); other != a && other.opened.Load() {
		return errTwoQueues
	}
	a.collector.app.Store(a)
	return nil
}

// observe counts how long an attempt took, with the trace of its span as an exemplar if it is sampled. The time of an
// interrupted attempt means nothing.
func (a *attempt) observe(ctx context.Context, took time.Duration, how outcome) {
	if a.app.durations == nil || how == interrupted {
		return
	}
	status := "success"
	if how.isFailure() {
		status = "error"
	}
	observer := a.app.durations.WithLabelValues(a.worker, a.info.Kind, status)
	span := trace.SpanContextFromContext(ctx)
	if exemplars, ok := observer.(prometheus.ExemplarObserver); ok && span.IsSampled() {
		exemplars.ObserveWithExemplar(took.Seconds(), prometheus.Labels{"trace_id": span.TraceID().String()})
		return
	}
	observer.Observe(took.Seconds())
}
