package workerfx

import (
	"errors"
	"fmt"
	"slices"
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

	executions, duration, running, replicas, panics, lastSuccess, nextRun, jobs, missed, stuck *prometheus.Desc
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
		missed:      desc("worker_missed_ticks_total", "Ticks of the worker's schedule that passed while a run was under way."),
		nextRun:     desc("worker_next_run_timestamp_seconds", "When the worker, which is waiting, runs next."),
	}
}

// Describe sends nothing: see collector.
func (*collector) Describe(chan<- *prometheus.Desc) {}

// Collect sends the metrics of every worker.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	for _, e := range c.pool.sorted() {
		c.collectWorker(out, e)
	}
}

func (c *collector) collectWorker(out chan<- prometheus.Metric, e *entry) {
	sum := totalsOf(e)
	send := func(desc *prometheus.Desc, kind prometheus.ValueType, value float64, more ...string) {
		out <- prometheus.MustNewConstMetric(desc, kind, value, append([]string{e.name}, more...)...)
	}
	send(c.executions, prometheus.CounterValue, float64(sum.runs), statusStarted)
	send(c.executions, prometheus.CounterValue, float64(sum.restarts), statusRestarted)
	send(c.executions, prometheus.CounterValue, float64(sum.successes), statusSuccess)
	send(c.executions, prometheus.CounterValue, float64(sum.failures), statusError)
	send(c.running, prometheus.GaugeValue, float64(sum.running))
	send(c.replicas, prometheus.GaugeValue, float64(sum.replicas))
	send(c.panics, prometheus.CounterValue, float64(sum.panics))
	if e.schedule != nil {
		send(c.missed, prometheus.CounterValue, float64(sum.missed))
	}
	if e.heartbeat > 0 || e.runTimeout > 0 {
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
	c.collectDuration(out, e.name, statusSuccess, sum.good)
	c.collectDuration(out, e.name, statusError, sum.bad)
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

// totals are the sums over a worker's replicas.
type totals struct {
	runs, restarts, successes, failures, panics int64
	jobs, failedJobs, missed                    int64

	hasJobs              bool
	running, replicas    int
	stuck                int
	lastSuccess, nextRun instant
	good, bad            *histogram
}

// totalsOf are the sums over the replicas of a worker. Replicas that are gone count, too.
func totalsOf(e *entry) totals {
	e.pool.mu.Lock()
	defer e.pool.mu.Unlock()
	var sum totals
	if e.retired != nil {
		sum = *e.retired
		sum.running, sum.stuck, sum.nextRun = 0, 0, 0
	}
	sum.replicas = int(e.wanted)
	for r := range e.replicas() {
		sum.add(r)
	}
	return sum
}

// add adds a replica. The pool's lock is held.
func (t *totals) add(r *replica) {
	m := &r.machine
	if m.IsRunning() {
		t.running++
	}
	t.runs += m.Runs
	t.restarts += m.Restarts
	t.successes += m.Successes
	t.failures += m.Failures
	t.missed += m.MissedTicks
	t.lastSuccess = max(t.lastSuccess, r.record.succeeded)
	if next := instantOf(m.NextRun()); t.nextRun == 0 || next != 0 && next < t.nextRun {
		t.nextRun = next
	}
	if h := r.record.history; h != nil {
		t.panics += h.panics
		if h.stuck != nil {
			t.stuck++
		}
		if h.jobs != nil {
			t.hasJobs = true
			t.jobs += h.jobs.succeeded.Load()
			t.failedJobs += h.jobs.failed.Load()
		}
		t.good = t.good.plus(h.good)
		t.bad = t.bad.plus(h.bad)
	}
}

// histogram counts runs by how long they took, with a count for each bucket and one for longer runs. A nil histogram has
// counted nothing.
type histogram struct {
	sum    time.Duration
	counts []uint64
}

// observe counts a run. It returns h, or a new histogram if h is nil.
func (h *histogram) observe(took time.Duration, buckets []time.Duration) *histogram {
	if h == nil {
		h = &histogram{counts: make([]uint64, len(buckets)+1)}
	}
	i := 0
	for i < len(buckets) && took > buckets[i] {
		i++
	}
	h.counts[i]++
	h.sum += took
	return h
}

// plus returns a new histogram with the counts of both, or nil if both are nil.
func (h *histogram) plus(o *histogram) *histogram {
	if o == nil {
		return h
	}
	sum := &histogram{sum: o.sum, counts: slices.Clone(o.counts)}
	if h != nil {
		sum.sum += h.sum
		for i, n := range h.counts {
			sum.counts[i] += n
		}
	}
	return sum
}

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
		return nil, fmt.Errorf("pool %q: register metrics: %w", config.Name, err)
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
