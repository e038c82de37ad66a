package fxtest

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.uber.org/fx"
	fxapp "go.uber.org/fx/fxtest"

	"github.com/workerfx/workerfx"
)

// TB is the part of *testing.T, *testing.B and *testing.F that an [App] needs.
type TB interface {
	fxapp.TB // Logf, Errorf, FailNow

	Helper()
	Cleanup(func())
	Fatalf(format string, args ...any)
}

// App is an Fx app under test. Methods that can end the test must be called from the test's goroutine, as
// [testing.T.FailNow]: those whose names begin with Await, Metric or Require, and Trigger. Other methods may be called
// from any goroutine. All results are copies.
type App struct {
	*fxapp.App

	// Pool is the app's pool.
	Pool *workerfx.Pool

	tb       TB
	timeout  time.Duration // 0 = the default
	reported *bool         // a failure has shown the reports and the last log lines
	logs     *logbook
	spans    *tracetest.SpanRecorder
	registry *prometheus.Registry
}

// New makes an app of opts, and of what the package comment lists. It does not start the app. The test fails if the
// app cannot be made. The app is stopped when the test is over. The test fails if a worker does not stop. If the test
// fails, it shows the reports on all workers and the last log lines.
func New(tb TB, opts ...fx.Option) *App {
	tb.Helper()
	a := &App{tb: tb, reported: new(bool), logs: &logbook{}, spans: tracetest.NewSpanRecorder()}
	own := newTracerProvider(a.spans)
	a.App = fxapp.New(tb,
		supplement(opts, a.logs, own),
		fx.Options(opts...),
		fx.Invoke(func(pool *workerfx.Pool, tracers *sdktrace.TracerProvider, registry *prometheus.Registry) {
			a.Pool, a.registry = pool, registry
			if tracers != own {
				tracers.RegisterSpanProcessor(a.spans)
			}
		}),
	)
	tb.Cleanup(a.stopAndReport)
	return a
}

// stopAndReport stops the app if it runs. If the test has failed, it first logs what the workers did.
func (a *App) stopAndReport() {
	a.reportFailure()
	ctx, cancel := context.WithTimeout(context.Background(), a.StopTimeout())
	defer cancel()
	if err := a.Stop(ctx); err != nil {
		a.tb.Errorf("application didn't stop cleanly: %v", err)
	}
	a.awaitStragglers()
}

// RequireStart starts the app, and fails the test if it cannot be started. It returns the app.
func (a *App) RequireStart() *App {
	a.tb.Helper()
	a.App.RequireStart()
	return a
}

// Within returns the same app with another limit for the waits of Trigger and of the methods that begin with Await. The
// default, also for 0, is 5s, or 48h inside of a synctest bubble. With a negative limit they look once.
func (a *App) Within(limit time.Duration) *App {
	other := *a
	other.timeout = limit
	return &other
}
