package queue_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/queue"
)

func TestTimesOfJobsAreMeasuredByKindAndOutcome(t *testing.T) {
	onBoth(t, func(t *testing.T, db testDB) {
		a := startApp(t, db, fx.Supply(workerfx.Config{Name: "shop", Metrics: workerfx.MetricsConfig{Namespace: "acme", Buckets: []time.Duration{time.Second}}}),
			handle(func(_ context.Context, job *queue.Job[mail]) error {
				switch {
				case job.Args.To == "nobody":
					return queue.Discard(errBoom)
				case job.Attempt == 1:
					return errBoom
				}
				return nil
			}, atOnce))
		a.enqueue(t, mail{To: "nobody"})
		a.enqueue(t, mail{To: "somebody"})
		require.NoError(t, a.client.Drain(within(t)))
		const name = "acme_worker_job_duration_seconds"
		labels := []string{"pool", "shop", "worker", "queue/default", "kind", "mail", "status"}
		eventually(t, "the second attempt succeeded", func() bool { return a.MetricExists(name, append(labels, "success")...) })
		require.EqualValues(t, 1, a.Metric(name, append(labels, "success")...))
		require.EqualValues(t, 2, a.Metric(name, append(labels, "error")...))
	})
}

func TestAppGoesOnWithTheMetricsOfTheOneBefore(t *testing.T) {
	registry, db := prometheus.NewRegistry(), newSQLite(t)
	for range 2 {
		app := fx.New(fx.NopLogger, workerfx.Module, db.module(),
			handle(func(context.Context, *queue.Job[mail]) error { return nil }),
			fx.Supply(fx.Annotate(registry, fx.As(new(prometheus.Registerer)))))
		require.NoError(t, app.Start(within(t)))
		require.NoError(t, app.Stop(within(t)))
	}
}

func TestRegistryThatRefusesTheMetricsOfJobsIsAnErrorOfNew(t *testing.T) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(prometheus.NewGauge(prometheus.GaugeOpts{Name: "worker_job_duration_seconds"}))
	err := errorOf(queue.Module(newSQLite(t).Database), fx.Supply(registry),
		handle(func(context.Context, *queue.Job[mail]) error { return errors.ErrUnsupported }))
	require.ErrorContains(t, err, "queue: register metrics:")
	require.ErrorContains(t, err, "worker_job_duration_seconds")
}
