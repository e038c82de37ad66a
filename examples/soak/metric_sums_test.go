package main

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
)

func TestFiguresThatCannotBeTrueAtOnce(t *testing.T) {
	good := figures{started: 10, restarted: 3, succeeded: 5, failed: 4, timed: 9, running: 1, replicas: 1, panics: 2}
	require.Empty(t, good.contradiction())

	for want, spoil := range map[string]func(f *figures){
		"more runs ended or under way than started": func(f *figures) { f.running = 2 },
		"more runs after a failure than failures":   func(f *figures) { f.restarted = 5 },
		"more panics than failures":                 func(f *figures) { f.panics = 5 },
		"more runs timed than ended":                func(f *figures) { f.timed = 10 },
		"more replicas stuck than running":          func(f *figures) { f.stuck = 2 },
		"no replica":                                func(f *figures) { f.replicas = 0 },
	} {
		bad := good
		spoil(&bad)
		require.Contains(t, bad.contradiction(), want)
	}
}

func TestCountersOfLastingWorkersNeverGoBack(t *testing.T) {
	registry := prometheus.NewRegistry()
	jobs := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "worker_jobs_total"}, []string{"worker", "status"})
	replicas := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "worker_replicas"}, []string{"worker"})
	registry.MustRegister(jobs, replicas)
	var wrong faults
	b := newMetricSums(map[string]bool{"stays": true}, &wrong)
	for _, worker := range []string{"stays", "comes and goes"} {
		replicas.WithLabelValues(worker).Set(1)
		jobs.WithLabelValues(worker, "success").Set(7)
		jobs.WithLabelValues(worker, "error").Set(2)
	}

	sum := b.check(registry)
	require.Equal(t, figures{jobs: 14, failedJobs: 4}, sum)
	jobs.WithLabelValues("comes and goes", "success").Set(1)
	b.check(registry)
	require.Empty(t, wrong.examples())

	jobs.WithLabelValues("stays", "success").Set(6)
	b.check(registry)
	require.Len(t, wrong.examples(), 1)
	require.Contains(t, wrong.examples()[0], "stays: counters went back")
}

func TestMetricsThatCannotBeGatheredAreAFault(t *testing.T) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(broken{})
	var wrong faults

	newMetricSums(nil, &wrong).check(registry)

	require.Len(t, wrong.examples(), 1)
	require.Contains(t, wrong.examples()[0], "mishap")
}

// broken is a collector that has no metrics to give.
type broken struct{}

func (broken) Describe(chan<- *prometheus.Desc) {}

func (broken) Collect(out chan<- prometheus.Metric) {
	out <- prometheus.NewInvalidMetric(prometheus.NewInvalidDesc(errMishap), errMishap)
}
