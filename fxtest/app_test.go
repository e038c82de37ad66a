package fxtest_test

import (
	"bytes"
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/fx"
	"go.uber.org/fx/fxevent"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/fxtest"
)

// mailer is a worker as an app has them, and needs a logger to be made. Its server is down.
type mailer struct{}

func newMailer(*zerolog.Logger) *mailer { return &mailer{} }

func (*mailer) Run(ctx context.Context) error {
	_, span := workerfx.CtxTracer(ctx).Start(ctx, "dial")
	defer span.End()
	workerfx.CtxLogger(ctx).Info().Str("server", "localhost").Msg("server is down")
	return errBoom
}

func TestAppRunsAndStops(t *testing.T) {
	inAndOutOfBubble(t, func(t *testing.T) {
		app := fxtest.New(t,
			workerfx.ProvideWorker(func() workerfx.Worker { return workerfx.NewWorker("server", untilStopped) }),
			workerfx.ProvideWorker(func() workerfx.Worker {
				return workerfx.NewWorker("job", func(context.Context) error { return nil })
			}),
		)
		require.Equal(t, workerfx.StatusPending, app.AwaitStatus("job", workerfx.StatusPending).Status)
		app.RequireStart()
		app.AwaitStatus("server", workerfx.StatusRunning)
		app.AwaitStatus("job", workerfx.StatusSuccess)
		require.EqualValues(t, 1, app.Metric("worker_executions_total", "worker", "job", "status", "success"))
		require.Len(t, app.Pool.Executions(), 2)

		app.RequireStop()
		app.AwaitStatus("server", workerfx.StatusStopped)
	})
}

func TestAppIsStoppedWithTheTest(t *testing.T) {
	var app *fxtest.App
	worker := workerfx.ProvideWorker(func() workerfx.Worker { return workerfx.NewWorker("server", untilStopped) })
	t.Run("test", func(t *testing.T) {
		app = fxtest.New(t, worker).RequireStart()
		app.AwaitStatus("server", workerfx.StatusRunning)
	})
	app.AwaitStatus("server", workerfx.StatusStopped)
}

func TestCleanupAfterFailedStart(t *testing.T) {
	inAndOutOfBubble(t, func(t *testing.T) {
		tb := &fakeTB{}
		failure := tb.run(func() {
			fxtest.New(tb,
				workerfx.ProvideWorker(func() workerfx.Worker { return workerfx.NewWorker("server", untilStopped) }),
				fx.Invoke(func(lc fx.Lifecycle) { lc.Append(fx.StartHook(func() error { return errBoom })) }),
			).RequireStart()
		})
		require.Equal(t, "application didn't start cleanly: boom\n", failure)
	})
}

func TestAppThatCannotBeMadeFailsTheTest(t *testing.T) {
	tb := &fakeTB{}
	failure := tb.run(func() {
		fxtest.New(tb, workerfx.ProvideWorker(newMailer, workerfx.WithMaxAttempts(-1)))
	})
	require.Contains(t, failure, "max attempts")
	require.Empty(t, tb.cleanups)
}

func TestWorkerThatDoesNotStopFailsTheTest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		tb := &fakeTB{}
		failure := tb.run(func() {
			stubborn := func(context.Context) error { <-release; return nil }
			fxtest.New(tb, workerfx.ProvideWorker(func() workerfx.Worker { return workerfx.NewWorker("stubborn", stubborn) })).
				RequireStart().AwaitRuns("stubborn", 1)
		})
		close(release)
		require.Contains(t, failure, "application didn't stop cleanly")
		require.Contains(t, failure, "stubborn")
	})
}

func TestWaitWithinBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := fxtest.New(t, workerfx.ProvideWorker(func() workerfx.Worker {
			return workerfx.NewWorker("brief", func(ctx context.Context) error {
				workerfx.Wait(ctx, time.Hour)
				return nil
			}, workerfx.WithEssential())
		})).RequireStart()
		require.Equal(t, 1, (<-app.Wait()).ExitCode)
	})
}

// main's options: the app has its own logger, tracer provider and registry, and the module.
func wholeApp(t *testing.T) fx.Option {
	t.Helper()
	never := func() { t.Error("what the test replaces was made") }
	return fx.Options(
		fx.Module("base", workerfx.Module,
			fx.Provide(
				func() *zerolog.Logger { never(); return nil },
				func() (trace.TracerProvider, *sdktrace.TracerProvider) { never(); return nil, nil },
				func() (*prometheus.Registry, prometheus.Registerer) { never(); return nil, nil },
			)),
		fx.Supply(zerolog.Nop()),
		workerfx.ProvideWorker(newMailer, workerfx.WithName("mailer")),
		fx.Invoke(func(logger *zerolog.Logger, registerer prometheus.Registerer, tracers trace.TracerProvider) error {
			logger.Info().Msg("app made")
			_, span := tracers.Tracer("app").Start(t.Context(), "make")
			span.End()
			gauge := prometheus.NewGauge(prometheus.GaugeOpts{Name: "app_made", Help: "1 once the app is made."})
			gauge.Set(1)
			return registerer.Register(gauge)
		}),
	)
}

func TestWholeAppIsRecorded(t *testing.T) {
	inAndOutOfBubble(t, func(t *testing.T) {
		app := fxtest.New(t, wholeApp(t)).RequireStart()
		app.AwaitStatus("mailer", workerfx.StatusError)
		require.Equal(t, "app made", app.Logs()[0].Message)
		require.NotEmpty(t, app.Logs("mailer"))
		require.Equal(t, "make", app.Spans()[0].Name())
		require.Len(t, app.Spans("mailer"), 1)
		require.EqualValues(t, 1, app.Metric("app_made"))
		require.True(t, app.MetricExists("worker_executions_total", "worker", "mailer"))
	})
}

func TestOwnOnesMayBeDecorated(t *testing.T) {
	registry := prometheus.NewRegistry()
	spans := tracetest.NewSpanRecorder()
	app := fxtest.New(t,
		workerfx.ProvideWorker(newMailer, workerfx.WithName("mailer")),
		fx.Decorate(func(l zerolog.Logger) zerolog.Logger { return l.With().Str("app", "post").Logger() }),
		fx.Replace(registry, sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))),
	).RequireStart()
	app.AwaitStatus("mailer", workerfx.StatusError)

	require.Equal(t, "post", app.Logs("mailer")[0].Fields["app"])
	require.EqualValues(t, 1, app.Metric("worker_executions_total", "worker", "mailer", "status", "error"))
	families, err := registry.Gather()
	require.NoError(t, err)
	require.NotEmpty(t, families)
	require.Len(t, spans.Ended(), 1)
	require.Len(t, app.Spans("mailer"), 1)
}

func TestModulesKeepPrivateTypes(t *testing.T) {
	var own writes
	app := fxtest.New(t,
		workerfx.ProvideWorker(newMailer, workerfx.WithName("mailer")),
		fx.Module("secretive",
			fx.Provide(func() *zerolog.Logger { l := zerolog.New(&own); return &l }, fx.Private),
			fx.Invoke(func(l *zerolog.Logger) { l.Info().Msg("mine") })),
	).RequireStart()
	app.AwaitStatus("mailer", workerfx.StatusError)
	require.EqualValues(t, 1, own.Load())
	require.NotEmpty(t, app.Logs("mailer"))
}

func TestAppKeepsWhatItProvidesAndDecorates(t *testing.T) {
	var own writes
	app := fxtest.New(t,
		workerfx.ProvideWorker(newMailer, workerfx.WithName("mailer")),
		fx.Provide(func() *zerolog.Logger { l := zerolog.New(&own); return &l }),
		fx.Decorate(func(l *zerolog.Logger) *zerolog.Logger { return l }),
	).RequireStart()
	app.AwaitStatus("mailer", workerfx.StatusError)
	app.RequireStop()
	require.Positive(t, own.Load())
	require.Empty(t, app.Logs())
}

// writes counts what is written.
type writes struct{ atomic.Int64 }

func (w *writes) Write(p []byte) (int, error) { w.Add(1); return len(p), nil }

func TestAModuleMayHaveAnFxLoggerOfItsOwn(t *testing.T) {
	calls := 0
	app := fxtest.New(t,
		fx.Module("logging",
			fx.Provide(zerolog.Nop, func() *bytes.Buffer { calls++; return nil }),
			fx.WithLogger(func(*bytes.Buffer) fxevent.Logger { return fxevent.NopLogger }),
		),
		workerfx.ProvideWorker(func() workerfx.Worker { return workerfx.NewWorker("w", untilStopped) }))
	app.RequireStart()
	require.Equal(t, 1, calls, "the constructor of its logger's value is called once")
}
