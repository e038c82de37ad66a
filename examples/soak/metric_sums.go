package main

import (
	"github.com/prometheus/client_golang/prometheus"
)

// figures are a worker's metrics.
type figures struct {
	started, restarted, succeeded, failed int64
	timed                                 int64 // runs in the histograms
	running, replicas, stuck              int64
	panics, jobs, failedJobs, missed      int64
}

// metricSums checks that the metrics agree with each other, and with what they were before.
type metricSums struct {
	lasting      map[string]bool // workers whose counters never begin again
	before       map[string]figures
	inconsistent *faults
}

func newMetricSums(lasting map[string]bool, inconsistent *faults) *metricSums {
	return &metricSums{lasting: lasting, inconsistent: inconsistent}
}

// check gathers the metrics, and returns the sums over all workers.
func (b *metricSums) check(registry prometheus.Gatherer) (sum figures) {
	now, err := gather(registry)
	if err != nil {
		b.inconsistent.addf("gather: %v", err)
		return sum
	}
	for worker, f := range now {
		if why := f.contradiction(); why != "" {
			b.inconsistent.addf("%s: %s: %+v", worker, why, f)
		}
		if before, ok := b.before[worker]; ok && b.lasting[worker] && f.isBehind(before) {
			b.inconsistent.addf("%s: counters went back: from %+v to %+v", worker, before, f)
		}
		sum.add(f)
	}
	b.before = now
	return sum
}

// contradiction says which figures cannot be true at once.
func (f *figures) contradiction() string {
	switch ended := f.succeeded + f.failed; {
	case ended+f.running > f.started:
		return "more runs ended or under way than started"
	case f.restarted > f.failed:
		return "more runs after a failure than failures"
	case f.panics > f.failed:
		return "more panics than failures"
	case f.timed > ended:
		return "more runs timed than ended"
	case f.stuck > f.running:
		return "more replicas stuck than running"
	case f.replicas < 1:
		return "no replica"
	}
	return ""
}

// isBehind tells whether a counter is lower than it was.
func (f *figures) isBehind(before figures) bool {
	return f.started < before.started || f.restarted < before.restarted || f.succeeded < before.succeeded ||
		f.failed < before.failed || f.timed < before.timed || f.panics < before.panics ||
		f.jobs < before.jobs || f.failedJobs < before.failedJobs || f.missed < before.missed
}

func (f *figures) add(o figures) {
	f.started += o.started
	f.restarted += o.restarted
	f.succeeded += o.succeeded
	f.failed += o.failed
	f.panics += o.panics
	f.jobs += o.jobs
	f.failedJobs += o.failedJobs
	f.missed += o.missed
}

// gather returns the metrics of all workers in a registry.
func gather(registry prometheus.Gatherer) (map[string]figures, error) {
	families, err := registry.Gather()
	workers := make(map[string]figures)
	for _, family := range families {
		for _, m := range family.GetMetric() {
			var worker, status string
			for _, label := range m.GetLabel() {
				switch label.GetName() {
				case "worker":
					worker = label.GetValue()
				case "status":
					status = label.GetValue()
				}
			}
			f := workers[worker]
			if field := f.field(family.GetName(), status); field != nil {
				*field += int64(m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount()))
				workers[worker] = f
			}
		}
	}
	return workers, err
}

// field is where a metric belongs, or nil.
func (f *figures) field(metric, status string) *int64 {
	switch metric {
	case "worker_executions_total":
		return map[string]*int64{"started": &f.started, "restarted": &f.restarted, "success": &f.succeeded, "error": &f.failed}[status]
	case "worker_execution_duration_seconds":
		return &f.timed
	case "worker_running":
		return &f.running
	case "worker_replicas":
		return &f.replicas
	case "worker_stuck":
		return &f.stuck
	case "worker_panics_total":
		return &f.panics
	case "worker_missed_ticks_total":
		return &f.missed
	case "worker_jobs_total":
		return map[string]*int64{"success": &f.jobs, "error": &f.failedJobs}[status]
	}
	return nil
}
