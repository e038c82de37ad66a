package faults_test

import (
	"context"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
	"go.uber.org/dig"
	"go.uber.org/fx"

	"github.com/workerfx/workerfx"
)

// newRegistry has a pool's metrics.
func newRegistry(t testing.TB, pools ...*workerfx.Pool) *prometheus.Registry {
	t.Helper()
	registry := prometheus.NewRegistry()
	for _, pool := range pools {
		require.NoError(t, registry.Register(pool.Collector()))
	}
	return registry
}

// named is a configuration with that name and nothing else.
func named(name string) workerfx.PoolOption {
	return workerfx.WithConfig(workerfx.Config{Name: name})
}

func TestTwoPoolsOfOneNameCannotShareARegistry(t *testing.T) {
	for _, name := range []string{"", "pool"} {
		t.Run(name, func(t *testing.T) {
			for _, labels := range []prometheus.Labels{nil, {"app": "x"}} {
				registry := prometheus.NewRegistry()
				registerer := prometheus.WrapRegistererWith(labels, registry)
				first := start(t, newPool(t, named(name), workerfx.WithRegisterer(registerer)), workerfx.NewWorker("w", untilStopped))
				_, err := workerfx.NewPool(silent, named(name), workerfx.WithRegisterer(registerer))
				require.ErrorContains(t, err, "Config.Name")
				scrape(t, registry)
				stop(t, first)
				second := newPool(t, named(name), workerfx.WithRegisterer(registerer))
				scrape(t, registry)
				stop(t, second)
			}
		})
	}
}

func TestPoolsOfDifferentNamesShareARegistryWithWorkersOfOneName(t *testing.T) {
	registry := prometheus.NewRegistry()
	var pools []*workerfx.Pool
	for _, name := range []string{"", "a", "b"} {
		pools = append(pools, start(t, newPool(t, named(name), workerfx.WithRegisterer(registry)), workerfx.NewWorker("w", untilStopped)))
	}
	text := scrape(t, registry)
	for _, labels := range []string{`{worker="w"}`, `{pool="a",worker="w"}`, `{pool="b",worker="w"}`} {
		assert.Contains(t, text, "worker_replicas"+labels+" 1\n")
	}
	for _, pool := range pools {
		stop(t, pool)
		scrape(t, registry)
	}
}

func TestAScrapeThatHangsHoldsUpNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := startPool(t, workerfx.NewWorker("w", untilStopped), workerfx.NewWorker("v", untilStopped))
		metrics := make(chan prometheus.Metric) // nobody receives
		go func() {
			pool.Collector().Collect(metrics)
			close(metrics)
		}()
		synctest.Wait()
		require.NoError(t, pool.Scale("w", 3))
		require.NoError(t, pool.Restart("v"))
		require.NoError(t, pool.Remove(t.Context(), "v"))
		stop(t, pool)
		for range metrics {
		}
	})
}

// tracers is a provider that is neither the SDK's nor the no-op one.
type tracers struct{ trace.TracerProvider }

func TestSpansCarryTheWorkerWhateverTheProvider(t *testing.T) {
	recorder := tracetest.NewSpanRecorder()
	sdk := func() *sdktrace.TracerProvider {
		return sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder))
	}
	twice := sdk()
	workerfx.AnnotateTracerProvider(workerfx.AnnotateTracerProvider(twice))
	providers := map[string]trace.TracerProvider{
		"SDK":           sdk(),
		"wrapped":       tracers{sdk()},
		"wrapped twice": workerfx.AnnotateTracerProvider(tracers{tracers{sdk()}}),
		"annotated":     twice,
	}
	for name, provider := range providers {
		bubble(name, t, func(t *testing.T) {
			recorder.Reset()
			pool := start(t, newPool(t, workerfx.WithTracerProvider(provider)), workerfx.NewWorker("w", func(ctx context.Context) error {
				_, span := workerfx.CtxTracer(ctx).Start(ctx, "span")
				span.End()
				return nil
			}))
			synctest.Wait()
			spans := recorder.Ended()
			require.Len(t, spans, 1)
			assert.Equal(t, []attribute.KeyValue{
				attribute.String("Worker", "w"), attribute.String("WorkerExecutionID", report(t, pool, "w").ID),
			}, spans[0].Attributes())
			stop(t, pool)
		})
	}
}

func TestATracerProviderThatDoesNothingDoesNoHarm(t *testing.T) {
	var nilSDK *sdktrace.TracerProvider
	var nilTracers *tracers
	stopped := sdktrace.NewTracerProvider()
	require.NoError(t, stopped.Shutdown(t.Context()))
	for name, provider := range map[string]trace.TracerProvider{
		"nil": nil, "typed nil": nilSDK, "other typed nil": nilTracers, "no-op": noop.NewTracerProvider(), "shut down": stopped,
	} {
		bubble(name, t, func(t *testing.T) {
			pool := start(t, newPool(t, workerfx.WithTracerProvider(provider)), workerfx.NewWorker("w", func(ctx context.Context) error {
				ctx, span := workerfx.CtxTracer(ctx).Start(ctx, "span")
				defer span.End()
				return untilStopped(ctx)
			}))
			assert.Equal(t, workerfx.StatusRunning, report(t, pool, "w").Status)
			stop(t, pool)
			ctx, span := workerfx.AnnotateTracerProvider(provider).Tracer("x").Start(t.Context(), "outside of a run")
			span.End()
			assert.NotNil(t, ctx)
		})
	}
}

func TestNilIsNoneOrAnErrorButNeverAPanic(t *testing.T) {
	var nilRegistry *prometheus.Registry
	pool, err := workerfx.NewPool(nil, silent, workerfx.WithTracerProvider(nil), workerfx.WithRegisterer(nil), workerfx.WithRegisterer(nilRegistry),
		workerfx.WithIDGenerator(nil), workerfx.WithPoolMiddleware(), workerfx.WithLogger(zerolog.Logger{}))
	require.NoError(t, err)
	var nilFunc workerfx.RunFunc
	var nilScaler *workerfx.Autoscaler
	var nilGroup *namedGroup
	for what, err := range map[string]error{
		"a worker":            pool.Add(nil),
		"a function":          pool.Add(nilFunc),
		"a pointer":           pool.Add(nilScaler),
		"with options":        pool.Add(workerfx.With(nil)),
		"with nested options": pool.Add(workerfx.With(workerfx.With(nilFunc, workerfx.WithName("w")))),
		"a run":               pool.Add(workerfx.NewWorker("w", nil)),
		"an option":           pool.Add(workerfx.NewWorker("w", untilStopped), nil),
		"a group":             pool.AddGroup(nil),
		"a group's pointer":   pool.AddGroup(nilGroup),
		"a group's worker":    pool.AddGroup(workersOf{nil}),
		"a group's option":    pool.AddGroup(workersOf{}, nil),
		"pool middleware":     newPool(t, workerfx.WithPoolMiddleware(nil)).Add(workerfx.NewWorker("w", untilStopped)),
		"a worker to run":     workerfx.RunAll(t.Context(), nil),
		"a job":               workerfx.RunAllJobs(t.Context(), nil),
		"a constructor":       fx.New(fx.NopLogger, workerfx.Module, workerfx.ProvideWorker(nil)).Err(),
		"a middleware's":      fx.New(fx.NopLogger, workerfx.Module, workerfx.ProvideMiddleware(nil)).Err(),
		"for dig":             workerfx.ProvideDig(dig.New(), nil),
		"nil from Fx":         fx.New(fx.NopLogger, workerfx.Module, workerfx.ProvideWorker(func() *workerfx.Autoscaler { return nil })).Err(),
		"no run's context":    workerfx.AddChild(t.Context(), nil),
		"no run at all":       workerfx.RemoveChild(t.Context(), ""),
	} {
		assert.Error(t, err, what)
	}
	assert.Empty(t, pool.Executions())
	assert.NoError(t, pool.AddGroup(workersOf{}))
	assert.NoError(t, workerfx.RunAll(t.Context()))
	assert.NoError(t, workerfx.RunAllJobs(t.Context()))
	stop(t, pool)
}

func TestABareContextIsNoRun(t *testing.T) {
	ctx := t.Context()
	assert.Empty(t, workerfx.CtxWorkerName(ctx))
	assert.Empty(t, workerfx.CtxExecutionID(ctx))
	assert.Zero(t, workerfx.CtxAttempt(ctx))
	assert.Empty(t, workerfx.Children(ctx))
	workerfx.CtxLogger(ctx).Error().Msg("to nobody")
	_, span := workerfx.CtxTracer(ctx).Start(ctx, "span")
	span.End()
	workerfx.Wait(ended(), longest)
	workerfx.Wait(ctx, -longest)
	assert.Equal(t, "unknown", workerfx.Status(-1).String())
	assert.Equal(t, "unknown", workerfx.Status(math.MaxInt).String())
}

func TestOneWorkerInTwoPoolsIsTwoWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := workerfx.NewWorker("w", untilStopped, endless)
		first, second := startPool(t, w), startPool(t, w)
		synctest.Wait()
		stop(t, first)
		time.Sleep(time.Minute)
		assert.Equal(t, workerfx.StatusStopped, report(t, first, "w").Status)
		assert.Equal(t, workerfx.StatusRunning, report(t, second, "w").Status)
		stop(t, second)
	})
}
