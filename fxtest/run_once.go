package fxtest

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/workerfx/workerfx"
)

// RunOnce runs a worker once, as a pool would: with its middleware and options, a name, a logger and a tracer in the
// context, and a panic as a failure. It returns the report. A run that fails does not fail the test.
//
// The run begins at once, whatever the worker's deferred start, schedule, number of replicas and [workerfx.WithAfter] say,
// and there is no second attempt. The test fails if the worker has a bad option, or if its run does not end within 5s, or
// 48h inside of a synctest bubble; [workerfx.WithRunTimeout] ends the context of a run before that. If the test fails
// later, it shows the report and the last log lines.
func RunOnce(tb TB, w workerfx.Worker, opts ...workerfx.Option) workerfx.Execution {
	tb.Helper()
	a := &App{tb: tb, logs: &logbook{}, reported: new(bool)}
	var err error
	if a.Pool, err = a.poolOf(w, opts); err != nil {
		tb.Fatalf("fxtest.RunOnce: %v", err)
		return workerfx.Execution{}
	}
	tb.Cleanup(a.reportFailure)
	worker := a.Pool.Executions()[0].Worker
	if err := a.Pool.Start(context.Background()); err != nil {
		tb.Fatalf("fxtest.RunOnce: %v", err)
		return workerfx.Execution{}
	}
	defer a.stopPool()
	return a.awaitOnlyRun(worker)
}

// awaitOnlyRun waits for the end of the worker's run. The status is that of a worker that has no other run, also for a
// schedule and for a run that was stuck.
func (a *App) awaitOnlyRun(worker string) workerfx.Execution {
	a.tb.Helper()
	e := a.await(worker, "the end of the run", func(e workerfx.Execution) bool { return !e.FinishedAt.IsZero() })
	switch {
	case e.Err != nil:
		e.Status, e.NextRunAt = workerfx.StatusError, time.Time{}
	case e.Status == workerfx.StatusWaiting:
		e.Status, e.NextRunAt = workerfx.StatusSuccess, time.Time{}
	}
	return e
}

// poolOf returns a pool with the worker, which runs once.
func (a *App) poolOf(w workerfx.Worker, opts []workerfx.Option) (*workerfx.Pool, error) {
	once, after, err := runOnceOptions(w, opts)
	if err != nil {
		return nil, err
	}
	pool, err := workerfx.NewPool(workerfx.WithLogger(zerolog.New(a.logs)),
		workerfx.WithTracerProvider(newTracerProvider(tracetest.NewSpanRecorder())),
		workerfx.WithConfig(workerfx.Config{Except: after})) // nobody waits for a worker that is excluded
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Compact(slices.Sorted(slices.Values(after))) { // the option may name one twice
		if err := pool.Add(workerfx.NewWorker(name, doNothing)); err != nil {
			return nil, err
		}
	}
	return pool, pool.Add(w, once...)
}

// runOnceOptions returns opts with what makes the worker run at once and only once, and the names of the workers that it
// comes after.
func runOnceOptions(w workerfx.Worker, opts []workerfx.Option) (once []workerfx.Option, after []string, err error) {
	once = slices.Concat(opts, []workerfx.Option{
		workerfx.WithMaxAttempts(1), workerfx.WithBackoff(workerfx.StaticBackoff{Sleep: never}), // for a run that was stuck
		workerfx.WithDeferredStart(0), workerfx.WithReplicaLimits(0, 0), workerfx.WithReplicas(1),
	})
	probe, err := workerfx.NewPool()
	if err == nil {
		err = probe.Add(w, opts...)
	}
	if err != nil {
		return nil, nil, err
	}
	settings, err := probe.Settings(probe.Executions()[0].Worker)
	for _, setting := range settings {
		switch {
		case setting.Name == "schedule" && setting.Value != "":
			once = append(once, workerfx.WithSchedule(noTicks{}), workerfx.WithStartImmediately())
		case setting.Name == "after" && setting.Value != "":
			after = strings.Split(setting.Value, ", ")
		}
	}
	return once, after, err
}

// never is longer than any test.
const never = 365 * 24 * time.Hour

// noTicks is a schedule without ticks.
type noTicks struct{}

// Next returns the zero time: there is no tick.
func (noTicks) Next(time.Time) time.Time { return time.Time{} }

func doNothing(context.Context) error { return nil }

// stopPool stops the pool of RunOnce. The test fails if the worker ignores that.
func (a *App) stopPool() {
	ctx, cancel := context.WithTimeout(context.Background(), defaultTimeout)
	defer cancel()
	if err := a.Pool.Stop(ctx); err != nil {
		a.tb.Errorf("fxtest.RunOnce: %v", err)
	}
	a.awaitStragglers()
}
