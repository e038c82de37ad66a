package workerfx_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime/pprof"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/workerfx/workerfx"
)

func TestExecutionsAreSortedCopies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := startPool(t, workerfx.NewWorker("b", untilStopped), workerfx.NewWorker("a", untilStopped), workerfx.NewWorker("c", untilStopped))
		synctest.Wait()
		first := pool.Executions()
		require.Len(t, first, 3)
		assert.Equal(t, []string{"a", "b", "c"}, []string{first[0].Worker, first[1].Worker, first[2].Worker})
		first[0].Events[0].Message = "forged"
		first[0].Events = append(first[0].Events, workerfx.Event{Message: "spilled"})
		second := pool.Executions()
		assert.True(t, second[0].HasEvent(workerfx.EventStarted))
		assert.False(t, second[0].HasEvent("forged"))
		assert.False(t, first[1].HasEvent("spilled"))
	})
}

func TestPendingBeforeStart(t *testing.T) {
	pool := newPool(t, workerfx.NewWorker("w", untilStopped, workerfx.WithMaxAttempts(7)))
	e, err := pool.Execution("w")
	require.NoError(t, err)
	assert.Equal(t, workerfx.Execution{Worker: "w", MaxAttempts: 7, Events: e.Events}, e)
	assert.Equal(t, "pending", e.Status.String())
	assert.Empty(t, e.Events)
}

func TestUnknownWorkerErrorNamesNearMisses(t *testing.T) {
	pool := newPool(t, workerfx.NewWorker("mailer", untilStopped), workerfx.NewWorker("cleanup", untilStopped))
	_, err := pool.Execution("mialer")
	require.ErrorIs(t, err, workerfx.ErrUnknownWorker)
	assert.EqualError(t, err, `worker "mialer": unknown worker; did you mean "mailer"?`)
}

func TestEventsAreARing(t *testing.T) {
	for limit, want := range map[int]int{0: 0, 1: 1, 2: 2, 5: 5, 32: 32} {
		bubble(fmt.Sprint(limit), t, func(t *testing.T) {
			pool := startPool(t, workerfx.NewWorker("w", func(context.Context) error { return errBoom },
				workerfx.WithMaxAttempts(100), static, workerfx.WithEvents(limit)))
			for range 100 {
				time.Sleep(time.Second)
				synctest.Wait()
				assert.LessOrEqual(t, len(execution(t, pool, "w").Events), limit)
			}
			e := execution(t, pool, "w")
			require.Len(t, e.Events, want)
			for i := 1; i < len(e.Events); i++ {
				assert.False(t, e.Events[i].Time.Before(e.Events[i-1].Time), "oldest first")
			}
			if want > 0 {
				last := e.Events[want-1]
				assert.Equal(t, workerfx.EventFailed+"boom", last.Message)
				assert.Equal(t, e.ID, last.ExecutionID)
			}
		})
	}
}

func TestEventsTellALife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runs := 0
		pool := startPool(t, workerfx.NewWorker("w", func(context.Context) error {
			if runs++; runs == 1 {
				return errBoom
			}
			return nil
		}, workerfx.WithMaxAttempts(2), static, workerfx.WithDeferredStart(time.Minute)))
		time.Sleep(time.Hour)
		var messages []string
		for _, event := range execution(t, pool, "w").Events {
			messages = append(messages, event.Message)
		}
		assert.Equal(t, []string{"deferred for 1m0s", "started", "failed: boom", "next attempt in 1s", "started", "succeeded"}, messages)
	})
}

func TestHugeErrorsAreCutWhereTheyAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log logBuffer
		huge := errors.Join(errBoom, errors.New(strings.Repeat("x\n", 1<<20)+"\xff"))
		pool := must(workerfx.NewPool(workerfx.WithLogger(*log.logger())))
		require.NoError(t, pool.Add(workerfx.NewWorker("w", func(context.Context) error { return huge })))
		require.NoError(t, pool.Start(t.Context()))
		e := execution(t, pool, "w")
		assert.LessOrEqual(t, len(e.Err.Error()), 4096)
		assert.ErrorIs(t, e.Err, errBoom, "it is still the same error")
		for _, event := range e.Events {
			assert.LessOrEqual(t, len(event.Message), 4096)
			assert.NotContains(t, event.Message, "\n")
		}
		for _, record := range log.records(t) {
			assert.LessOrEqual(t, len(fmt.Sprint(record)), 8192)
		}
		require.NoError(t, pool.Stop(t.Context()))
	})
}

func TestNames(t *testing.T) {
	for _, name := range []string{"a", "mailer", "Größe 7", "a.b_c-d/e#f:g@h", strings.Repeat("x", 200)} {
		assert.NoError(t, newPool(t).Add(workerfx.NewWorker(name, untilStopped)), name)
	}
	for _, name := range []string{"", " ", "a\nb", "a\x00", "\xff", "a[b]", "a\"b", "a{b", strings.Repeat("x", 201), strings.Repeat("x", 1<<20)} {
		err := newPool(t).Add(workerfx.NewWorker(name, untilStopped))
		require.Error(t, err, "%q", name)
		assert.ErrorContains(t, err, "name")
		assert.Less(t, len(err.Error()), 1000)
	}
}

type Mailer struct{}

func (Mailer) Run(context.Context) error { return nil }

type named struct{ Mailer }

func (named) Name() string { return "by-itself" }

type generic[T any] struct{ Mailer }

type panickyName struct{ Mailer }

func (panickyName) Name() string { panic("no name") }

func TestNameIsTheOptionsElseItsOwnElseTheTypes(t *testing.T) {
	tests := []struct {
		worker workerfx.Worker
		want   string
	}{
		{Mailer{}, "workerfx_test.Mailer"},
		{&Mailer{}, "workerfx_test.Mailer"},
		{named{}, "by-itself"},
		{generic[int]{}, "workerfx_test.generic"},
		{workerfx.With(named{}, workerfx.WithName("option")), "option"},
		{workerfx.With(workerfx.With(named{}, workerfx.WithName("inner")), workerfx.WithName("outer")), "outer"},
		{workerfx.RunFunc(untilStopped), "workerfx.RunFunc"},
	}
	for _, test := range tests {
		pool := newPool(t, test.worker)
		assert.Equal(t, test.want, pool.Executions()[0].Worker)
	}
	assert.ErrorContains(t, newPool(t).Add(panickyName{}), "no name")
}

func TestOptionsGivenWhereTheWorkerIsAddedWin(t *testing.T) {
	pool := newPool(t)
	w := workerfx.With(workerfx.NewWorker("w", untilStopped, workerfx.WithMaxAttempts(2)), workerfx.WithMaxAttempts(3))
	require.NoError(t, pool.Add(w, workerfx.WithMaxAttempts(4)))
	assert.Equal(t, 4, pool.Executions()[0].MaxAttempts)
}

func TestBadSettingsAreErrorsThatNameThem(t *testing.T) {
	tests := map[string]workerfx.Option{
		"deferred start -1s":    workerfx.WithDeferredStart(-time.Second),
		"max attempts -1":       workerfx.WithMaxAttempts(-1),
		"healthy after -1s":     workerfx.WithHealthyAfter(-time.Second),
		"stop timeout -1s":      workerfx.WithStopTimeout(-time.Second),
		"run timeout -1s":       workerfx.WithRunTimeout(-time.Second),
		"events -1":             workerfx.WithEvents(-1),
		"backoff":               workerfx.WithBackoff(nil),
		"initial 2m0s":          workerfx.WithBackoff(workerfx.ExponentialBackoff{Initial: 2 * time.Minute, Max: time.Minute}),
		"sleep -1ns":            workerfx.WithBackoff(workerfx.StaticBackoff{Sleep: -1}),
		"jitter 1.5":            workerfx.WithBackoff(workerfx.ExponentialBackoff{Jitter: 1.5}),
		"multiplier 0.5":        workerfx.WithBackoff(workerfx.ExponentialBackoff{Multiplier: 0.5}),
		"threshold 0":           workerfx.WithFailureLimit(workerfx.FailureLimit{Decay: 1, Pause: 1}),
		"decay 0s":              workerfx.WithFailureLimit(workerfx.FailureLimit{Threshold: 1, Pause: 1}),
		"pause 0s":              workerfx.WithFailureLimit(workerfx.FailureLimit{Threshold: 1, Decay: 1}),
		"middleware 1 is nil":   workerfx.WithMiddleware(nil),
		"middleware 1 returned": workerfx.WithMiddleware(func(workerfx.RunFunc) workerfx.RunFunc { return nil }),
		"middleware panicked":   workerfx.WithMiddleware(func(workerfx.RunFunc) workerfx.RunFunc { panic("no") }),
		"option 1 is nil":       nil,
	}
	for want, option := range tests {
		err := newPool(t).Add(workerfx.NewWorker("mailer", untilStopped), option)
		assert.ErrorContains(t, err, want)
		assert.ErrorContains(t, err, `worker "mailer"`)
	}
	assert.Error(t, newPool(t).Add(nil))
	assert.Error(t, newPool(t).Add((*named)(nil)))
	assert.Error(t, newPool(t).Add(workerfx.With(nil)))
	assert.Error(t, newPool(t).Add(workerfx.RunFunc(nil)))
	assert.Error(t, newPool(t).AddGroup(nil))
}

func TestRunsCarryLoggerTracerAndLabels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log logBuffer
		recorder := tracetest.NewSpanRecorder()
		provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder))
		pool := must(workerfx.NewPool(workerfx.WithLogger(*log.logger()), workerfx.WithTracerProvider(provider)))
		var id string
		labels := map[string]string{}
		require.NoError(t, pool.Add(workerfx.NewWorker("w", func(ctx context.Context) error {
			id = workerfx.CtxExecutionID(ctx)
			assert.Equal(t, "w", workerfx.CtxWorkerName(ctx))
			assert.Equal(t, 1, workerfx.CtxAttempt(ctx))
			workerfx.CtxLogger(ctx).Info().Msg("by CtxLogger")
			zerolog.Ctx(ctx).Info().Msg("by zerolog.Ctx")
			assert.Same(t, zerolog.Ctx(ctx), workerfx.CtxLogger(ctx))
			ctx, span := workerfx.CtxTracer(ctx).Start(ctx, "outer")
			_, inner := provider.Tracer("library").Start(ctx, "inner")
			inner.End()
			span.End()
			pprof.ForLabels(ctx, func(key, value string) bool {
				labels[key] = value
				return true
			})
			return nil
		})))
		require.NoError(t, pool.Start(t.Context()))
		synctest.Wait()
		for _, message := range []string{"by CtxLogger", "by zerolog.Ctx"} {
			record := log.find(t, message)
			assert.Equal(t, "w", record["worker"])
			assert.Equal(t, id, record["workerExecutionID"])
		}
		require.Len(t, recorder.Ended(), 2)
		for _, span := range recorder.Ended() {
			assert.ElementsMatch(t, []attribute.KeyValue{attribute.String("Worker", "w"), attribute.String("WorkerExecutionID", id)}, span.Attributes())
		}
		assert.Equal(t, "worker", recorder.Ended()[1].InstrumentationScope().Name)
		assert.Equal(t, map[string]string{"worker": "w", "workerExecutionID": id}, labels)
		require.NoError(t, pool.Stop(t.Context()))
	})
}

func TestContextFunctionsAreSafeOnABareContext(t *testing.T) {
	ctx := context.Background()
	workerfx.CtxLogger(ctx).Info().Msg("nobody hears this")
	_, span := workerfx.CtxTracer(ctx).Start(ctx, "x")
	span.End()
	assert.Empty(t, workerfx.CtxWorkerName(ctx))
	assert.Empty(t, workerfx.CtxExecutionID(ctx))
	assert.Zero(t, workerfx.CtxAttempt(ctx))
}

func TestRestartsDoNotNestLoggersOrContexts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log logBuffer
		pool := must(workerfx.NewPool(workerfx.WithLogger(*log.logger())))
		var depths []int
		require.NoError(t, pool.Add(workerfx.NewWorker("w", func(ctx context.Context) error {
			workerfx.CtxLogger(ctx).Info().Msg("run")
			depths = append(depths, len(fmt.Sprint(ctx)))
			return errBoom
		}, workerfx.WithMaxAttempts(1000), static)))
		require.NoError(t, pool.Start(t.Context()))
		time.Sleep(time.Hour)
		synctest.Wait()
		var lines []int
		for _, record := range log.records(t) {
			if record["message"] == "run" {
				lines = append(lines, len(record))
			}
		}
		require.Len(t, lines, 1000)
		assert.Equal(t, lines[0], lines[999])
		assert.InDelta(t, depths[0], depths[999], 32)
		require.NoError(t, pool.Stop(t.Context()))
	})
}

func TestAnnotatingAgainTagsOnce(t *testing.T) {
	recorder := tracetest.NewSpanRecorder()
	sdk := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder))
	started := &countingProvider{TracerProvider: sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder))}
	tests := map[string]trace.TracerProvider{"SDK": sdk, "other": started}
	for name, base := range tests {
		t.Run(name, func(t *testing.T) {
			recorder.Reset()
			annotated := base
			for range 1000 {
				annotated = workerfx.AnnotateTracerProvider(annotated)
			}
			inRun(t, func(ctx context.Context) {
				_, span := workerfx.CtxTracer(ctx).Start(ctx, "span")
				span.End()
			}, workerfx.WithTracerProvider(annotated))
			require.Len(t, recorder.Ended(), 1)
			assert.Len(t, recorder.Ended()[0].Attributes(), 2)
		})
	}
	assert.Same(t, sdk, workerfx.AnnotateTracerProvider(sdk))
	assert.Equal(t, 1, started.options, "one option for the attributes, not a thousand")
}

// countingProvider is no SDK provider, and counts the options its spans are started with.
type countingProvider struct {
	trace.TracerProvider
	options int
}

func (p *countingProvider) Tracer(name string, opts ...trace.TracerOption) trace.Tracer {
	return &countingTracer{p.TracerProvider.Tracer(name, opts...), p}
}

type countingTracer struct {
	trace.Tracer
	p *countingProvider
}

func (t *countingTracer) Start(ctx context.Context, name string, opts ...trace.SpanStartOption) (context.Context, trace.Span) {
	t.p.options += len(opts)
	return t.Tracer.Start(ctx, name, opts...)
}

func TestAnyTracerProviderWillDo(t *testing.T) {
	var none *sdktrace.TracerProvider
	for _, provider := range []trace.TracerProvider{nil, none, noop.NewTracerProvider(), otel.GetTracerProvider()} {
		inRun(t, func(ctx context.Context) {
			_, span := workerfx.CtxTracer(ctx).Start(ctx, "span")
			span.End()
		}, workerfx.WithTracerProvider(provider))
	}
}

func TestFailureIsVisibleOnStderrWithoutALogger(t *testing.T) {
	if os.Getenv("WORKERFX_TEST_CHILD") == "1" {
		pool := must(workerfx.NewPool())
		ctx, cancel := context.WithCancel(t.Context())
		begun := make(chan struct{})
		_ = pool.Add(workerfx.NewWorker("failing", func(ctx context.Context) error {
			workerfx.CtxLogger(ctx).Error().Msg("not asked for")
			close(begun)
			return errBoom
		}))
		_ = pool.Add(workerfx.NewWorker("panicking", func(ctx context.Context) error {
			if workerfx.CtxAttempt(ctx) == 64 {
				<-begun
				cancel()
			}
			panic("aargh")
		}, workerfx.WithMaxAttempts(0), workerfx.WithBackoff(workerfx.StaticBackoff{Sleep: time.Millisecond})))
		_ = pool.Run(ctx)
		return
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestFailureIsVisibleOnStderrWithoutALogger$")
	cmd.Env = append(os.Environ(), "WORKERFX_TEST_CHILD=1")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	require.NoError(t, cmd.Run())
	assert.Contains(t, stderr.String(), `"worker":"failing"`)
	assert.Contains(t, stderr.String(), "boom")
	assert.Contains(t, stderr.String(), "panic: aargh")
	assert.NotContains(t, stderr.String(), "not asked for")
	assert.Less(t, strings.Count(stderr.String(), "aargh"), 20, "a panic again and again is not worth a line each time")
}

func TestBrokenLogSinkDoesNotBreakThePool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := must(workerfx.NewPool(workerfx.WithLogger(zerolog.New(panickyWriter{}))))
		require.NoError(t, pool.Add(workerfx.NewWorker("w", func(context.Context) error { return errBoom })))
		require.NoError(t, pool.Start(t.Context()))
		assert.Equal(t, workerfx.StatusError, execution(t, pool, "w").Status)
		require.NoError(t, pool.Stop(t.Context()))
	})
}

type panickyWriter struct{}

func (panickyWriter) Write([]byte) (int, error) { panic("disk is gone") }
