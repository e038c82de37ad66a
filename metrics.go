package workerfx

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// The values of the label "status".
const (
	statusStarted   = "started"
	statusRestarted = "restarted"
	statusSuccess   = "success"
	statusError     = "error"
)

// defaultBuckets are the upper bounds of the histogram of run times: from a short job to an hour.
var defaultBuckets = []time.Duration{
	5 * time.Millisecond, 25 * time.Millisecond, 100 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 5 * time.Second, 30 * time.Second, time.Minute, 10 * time.Minute, time.Hour,
}

// collector reads the records of a pool's workers when Prometheus collects, so that metrics cost a run nothing. It
// describes no metrics before: so a pool with the label "pool" and a pool without it can share a registry.
type collector struct {
	pool *Pool

	executions, duration, running, replicas, panics, lastSuccess, nextRun, jobs, missed, stuck, failed, notReady *prometheus.Desc
}

func newCollector(p *Pool, config MetricsConfig, pool string) *collector {
	var labels prometheus.Labels
	if pool != "" {
		labels = prometheus.Labels{fieldPool: pool}
	}
	desc := func(name, help string, more ...string) *prometheus.Desc {
		fqName := prometheus.BuildFQName(config.Namespace, config.Subsystem, name)
		return prometheus.NewDesc(fqName, help, append([]string{fieldWorker}, more...), labels)
	}
	return &collector{
		pool:        p,
		executions:  desc("worker_executions_total", "Runs of the worker: started, restarted after a failure, ended in success or error.", "status"),
		duration:    desc("worker_execution_duration_seconds", "How long the worker's finished runs took.", "status"),
		running:     desc("worker_running", "Replicas of the worker that are running now."),
		replicas:    desc("worker_replicas", "Replicas of the worker that the pool keeps."),
		panics:      desc("worker_panics_total", "Runs of the worker that panicked."),
		lastSuccess: desc("worker_last_success_timestamp_seconds", "When a run of the worker last succeeded."),
		jobs:        desc("worker_jobs_total", "Jobs of a worker that handles many in one run, by how they ended.", "status"),
		stuck:       desc("worker_stuck", "Replicas of the worker that missed their heartbeat or outlasted their run timeout."),
		failed:      desc("worker_failed", "Replicas of the worker that failed for good."),
		notReady:    desc("worker_not_ready", "Replicas of the worker that should be ready, and are not."),
		missed:      desc("worker_missed_ticks_total", "Ticks of the worker's schedule that were missed."),
		nextRun:     desc("worker_next_run_timestamp_seconds", "When the worker, which is waiting, runs next."),
	}
}

// Describe sends nothing: see collector.
func (*collector) Describe(chan<- *prometheus.Desc) {}

// Collect sends the metrics of every worker.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	if c.pool.config.Metrics.Children == ChildrenParent {
		for name, sum := range familyTotals(c.pool) {
			c.collectWorker(out, name, sum)
		}
		return
	}
	for _, e := range c.pool.sorted() {
		c.collectWorker(out, e.name, totalsOf(e))
	}
}

func (c *collector) collectWorker(out chan<- prometheus.Metric, name string, sum *totals) {
	send := func(desc *prometheus.Desc, kind prometheus.ValueType, value float64, more ...string) {
		out <- prometheus.MustNewConstMetric(desc, kind, value, append([]string{name}, more...)...)
	}
	send(c.executions, prometheus.CounterValue, float64(sum.runs), statusStarted)
	send(c.executions, prometheus.CounterValue, float64(sum.restarts), statusRestarted)
	send(c.executions, prometheus.CounterValue, float64(sum.successes), statusSuccess)
	send(c.executions, prometheus.CounterValue, float64(sum.failures), statusError)
	send(c.running, prometheus.GaugeValue, float64(sum.running))
	send(c.replicas, prometheus.GaugeValue, float64(sum.replicas))
	send(c.failed, prometheus.GaugeValue, float64(sum.failed))
	send(c.panics, prometheus.CounterValue, float64(sum.panics))
	if sum.expectsReady {
		send(c.notReady, prometheus.GaugeValue, float64(sum.notReady))
	}
	if sum.hasTicks {
		send(c.missed, prometheus.CounterValue, float64(sum.missed))
	}
	if sum.mayBeStuck {
		send(c.stuck, prometheus.GaugeValue, float64(sum.stuck))
	}
	if sum.hasJobs {
		send(c.jobs, prometheus.CounterValue, float64(sum.jobs), statusSuccess)
		send(c.jobs, prometheus.CounterValue, float64(sum.failedJobs), statusError)
	}
	if sum.lastSuccess != 0 {
		send(c.lastSuccess, prometheus.GaugeValue, sum.lastSuccess.seconds())
	}
	if sum.nextRun != 0 {
		send(c.nextRun, prometheus.GaugeValue, sum.nextRun.seconds())
	}
	c.collectDuration(out, name, statusSuccess, sum.good)
	c.collectDuration(out, name, statusError, sum.bad)
}

func (c *collector) collectDuration(out chan<- prometheus.Metric, worker, status string, h *histogram) {
	if h == nil {
		return
	}
	buckets := make(map[float64]uint64, len(c.pool.buckets))
	var total uint64
	for i, bound := range c.pool.buckets {
		total += h.counts[i]
		buckets[bound.Seconds()] = total
	}
	total += h.counts[len(c.pool.buckets)]
	out <- prometheus.MustNewConstHistogram(c.duration, total, h.sum.Seconds(), buckets, worker, status)
}

func (i instant) seconds() float64 { return float64(i) / float64(time.Second) }

// slot is a pool's place in a registry. It has no metrics of its own, but it is described: so a second pool of the
// same name is an error when it registers, and not at the first scrape. A pool of the same name may take the slot
// of a pool that has stopped.
type slot struct {
	desc  *prometheus.Desc
	taken atomic.Pointer[collector]
}

func newSlot(c *collector, config Config) *slot {
	name := prometheus.BuildFQName(config.Metrics.Namespace, config.Metrics.Subsystem, "worker_pool")
	s := &slot{desc: prometheus.NewDesc(name, "A pool of workers.", nil, prometheus.Labels{fieldPool: config.Name})}
	s.taken.Store(c)
	return s
}

func (s *slot) Describe(out chan<- *prometheus.Desc) { out <- s.desc }
func (*slot) Collect(chan<- prometheus.Metric)       {}

// free makes the slot empty.
func (s *slot) free() { s.taken.Store(nil) }

// slotMetrics are the metrics of the pool in the slot.
type slotMetrics struct{ *slot }

func (slotMetrics) Describe(chan<- *prometheus.Desc) {}

func (s slotMetrics) Collect(out chan<- prometheus.Metric) {
	if c := s.taken.Load(); c != nil {
		c.Collect(out)
	}
}

// register puts a pool's metrics into a registry. It fails if the registry has a pool of the same name that has not
// stopped.
func register(registerer prometheus.Registerer, c *collector, config Config) (*slot, error) {
	s := newSlot(c, config)
	err := registerer.Register(s)
	if err == nil {
		if err = registerer.Register(slotMetrics{s}); err != nil {
			registerer.Unregister(s)
		}
	} else if taken, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); ok {
		s, err = takeOver(taken.ExistingCollector, c)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: register metrics: %w", config.poolTitle(), err)
	}
	return s, nil
}

// takeOver puts a pool into the slot of a pool that has stopped.
func takeOver(existing prometheus.Collector, c *collector) (*slot, error) {
	s, ok := existing.(*slot)
	if ok {
		before := s.taken.Load()
		if (before == nil || before.pool.hasStopped()) && s.taken.CompareAndSwap(before, c) {
			return s, nil
		}
	}
	return nil, errors.New("the registry has the metrics of a pool of this name already: give each pool its own Config.Name")
}
