package queue_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
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

func TestJobsInTheDatabaseAreMeasuredByQueueAndState(t *testing.T) {
	onBoth(t, func(t *testing.T, db testDB) {
		a := startApp(t, db) // it only enqueues
		a.enqueue(t, mail{To: "now"})
		a.enqueue(t, mail{To: "long ago"}, queue.Queue("old"))
		a.enqueue(t, mail{To: "later"}, queue.In(time.Hour))
		a.enqueue(t, mail{To: "never"}, queue.In(time.Hour), queue.Queue("other"))
		past := "now() - interval '5 minutes'"
		if db.isSQLite() {
			past = "strftime('%Y-%m-%d %H:%M:%f', 'now', '-5 minutes')"
		}
		db.exec(t, `UPDATE river_job SET scheduled_at = `+past+` WHERE queue = 'old'`)
		count := func(of string, state queue.State) float64 {
			return a.Metric("worker_queue_jobs", "queue", of, "state", string(state))
		}
		require.EqualValues(t, 1, count("default", queue.StateAvailable))
		require.EqualValues(t, 1, count("default", queue.StateScheduled))
		require.EqualValues(t, 0, count("default", queue.StateDiscarded))
		require.EqualValues(t, 1, count("old", queue.StateAvailable))
		require.InDelta(t, 300, a.Metric("worker_queue_oldest_due_seconds", "queue", "old"), 60)
		require.EqualValues(t, 0, a.Metric("worker_queue_oldest_due_seconds", "queue", "other"))
		a.RequireStop()
		require.False(t, a.MetricExists("worker_queue_jobs", "queue", "default"), "the database is closed")
	})
}

func TestAQueueThatNobodyWorksIsWarnedAbout(t *testing.T) {
	t.Parallel()
	db := newSQLite(t)
	a := startApp(t, db, handle(func(context.Context, *queue.Job[mail]) error { return nil }))
	a.enqueue(t, mail{To: "nobody"}, queue.Queue("orphans"))
	db.exec(t, `UPDATE river_job SET scheduled_at = strftime('%Y-%m-%d %H:%M:%f', 'now', '-5 minutes')`)
	eventually(t, "the log warns", func() bool {
		for _, l := range a.Logs() {
			if l.Fields["queue"] == "orphans" && l.Level == zerolog.WarnLevel {
				return true
			}
		}
		return false
	})
}

func TestTimesOfSampledAttemptsHaveTheirTraceAsExemplar(t *testing.T) {
	db := newSQLite(t)
	var registry *prometheus.Registry
	a := startApp(t, db, handle(func(context.Context, *queue.Job[mail]) error { return nil }), fx.Populate(&registry))
	a.enqueue(t, mail{To: "somebody"})
	require.NoError(t, a.client.Drain(within(t)))
	traces := make(map[string]bool)
	for _, span := range a.Spans() {
		traces[span.SpanContext().TraceID().String()] = true
	}
	found := ""
	eventually(t, "there is an exemplar", func() bool {
		families, err := registry.Gather()
		require.NoError(t, err)
		for _, family := range families {
			for _, bucket := range family.GetMetric()[0].GetHistogram().GetBucket() {
				for _, label := range bucket.GetExemplar().GetLabel() {
					found = label.GetValue()
				}
			}
		}
		return found != ""
	})
	require.Contains(t, traces, found)
}

func TestTwoAppsOnOneRegistryAreAnError(t *testing.T) {
	registry := prometheus.NewRegistry()
	app := func() *fx.App {
		return fx.New(fx.NopLogger, fx.Supply(registry), newSQLite(t).module(), fx.Invoke(func(*queue.Client) {}))
	}
	first, second := app(), app() // before one of them is started
	require.NoError(t, first.Start(t.Context()))
	require.ErrorContains(t, second.Start(t.Context()), "the registry has the metrics of another queue already")
	require.NoError(t, first.Stop(t.Context()))

	third := app()
	require.NoError(t, fx.New(fx.NopLogger, fx.Supply(registry), newSQLite(t).module(), fx.Invoke(func(*queue.Client) {})).Err(), "made and never started")
	require.NoError(t, third.Start(t.Context()))
	require.NoError(t, third.Stop(t.Context()))
}
