package faults_test

import (
	"context"
	"errors"
	"io"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/embedded"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/middleware"
)

// misbehaviours are what the user's code beside Run may do instead of its work, and come back to nobody.
var misbehaviours = map[string]func(){
	"panics":                 func() { panic("hook") },
	"panics with an error":   func() { panic(errBoom) },
	"panics with a panicker": func() { panic(stringer{panicInside}) },
	"panics without a text":  func() { panic(panicker{}) },
	"panics with an exiter":  func() { panic(stringer{runtime.Goexit}) },
	"exits":                  runtime.Goexit,
}

// hook is a backoff, a schedule, a log sink and a locker that does something first.
type hook struct {
	calls *atomic.Int64
	do    func()
}

func newHook(do func()) hook { return hook{new(atomic.Int64), do} }

func (h hook) called() { h.calls.Add(1); h.do() }

func (h hook) Duration(int) time.Duration        { h.called(); return time.Millisecond }
func (h hook) Next(after time.Time) time.Time    { h.called(); return after.Add(time.Second) }
func (h hook) Write(p []byte) (int, error)       { h.called(); return len(p), nil }
func (h hook) Demand() (demand float64, _ error) { h.called(); return 1, nil }

func (h hook) Lock(context.Context, string) (middleware.Lock, error) { h.called(); return lock{}, nil }

// lock does as it is told.
type lock struct{ onLost, onUnlock func() }

func (l lock) Lost() <-chan struct{}        { call(l.onLost); return nil }
func (l lock) Unlock(context.Context) error { call(l.onUnlock); return nil }

// eachMisbehaviour runs a test on fake time with a hook that misbehaves in each way.
func eachMisbehaviour(t *testing.T, test func(t *testing.T, h hook)) {
	t.Helper()
	for name, do := range misbehaviours {
		bubble(name, t, func(t *testing.T) { test(t, newHook(do)) })
	}
}

func TestABrokenIDGeneratorIsReplaced(t *testing.T) {
	eachMisbehaviour(t, func(t *testing.T, h hook) {
		pool := start(t, newPool(t, workerfx.WithIDGenerator(func() string { h.called(); return "" })),
			workerfx.NewWorker("w", once(fails), endless, second), workerfx.NewWorker("other", untilStopped))
		time.Sleep(time.Minute)
		e := report(t, pool, "w")
		assert.Equal(t, workerfx.StatusRunning, e.Status)
		assert.Equal(t, []int64{2, 1}, []int64{e.Runs, e.Failures})
		assert.Len(t, e.ID, 20, "an xid")
		assert.Equal(t, workerfx.StatusRunning, report(t, pool, "other").Status)
		assert.LessOrEqual(t, h.calls.Load(), int64(2), "once it is known to be broken it is not asked again")
		stop(t, pool)
	})
}

func TestABrokenBackoffIsReplacedByTheDefaultOne(t *testing.T) {
	eachMisbehaviour(t, func(t *testing.T, h hook) {
		pool := startPool(t, workerfx.NewWorker("w", fails, endless, workerfx.WithBackoff(h)))
		time.Sleep(time.Minute)
		e := report(t, pool, "w")
		assert.Equal(t, workerfx.StatusWaiting, e.Status)
		assert.EqualValues(t, 6, e.Runs, "after 1s, 2s, 4s, 8s, 16s")
		assert.Equal(t, e.Runs, e.Failures)
		assert.EqualValues(t, 1, h.calls.Load())
		stop(t, pool)
	})
}

func TestABrokenScheduleEndsItsWorkerWithAnError(t *testing.T) {
	healthy := map[string]int64{"at the start": 0, "after a run": 1, "after three": 3}
	for when, calls := range healthy {
		t.Run(when, func(t *testing.T) {
			eachMisbehaviour(t, func(t *testing.T, h hook) {
				late := h
				late.do = func() {
					if h.calls.Load() > calls {
						h.do()
					}
				}
				pool := startPool(t, workerfx.NewWorker("w", func(context.Context) error { return nil }, workerfx.WithSchedule(late)))
				time.Sleep(time.Minute)
				e := report(t, pool, "w")
				assert.Equal(t, workerfx.StatusError, e.Status)
				assert.Error(t, e.Err)
				assert.Equal(t, calls+1, h.calls.Load(), "it is not asked again")
				stop(t, pool)
			})
		})
	}
}

func TestABrokenMiddlewareIsAFailedAttempt(t *testing.T) {
	eachMisbehaviour(t, func(t *testing.T, h hook) {
		first := func(next workerfx.RunFunc) workerfx.RunFunc {
			return func(ctx context.Context) error {
				if workerfx.CtxAttempt(ctx) == 1 {
					h.called()
				}
				return next(ctx)
			}
		}
		pool := startPool(t, workerfx.NewWorker("w", untilStopped, endless, workerfx.WithMiddleware(first)))
		time.Sleep(time.Minute)
		e := report(t, pool, "w")
		assert.Equal(t, workerfx.StatusRunning, e.Status)
		assert.Equal(t, []int64{2, 1}, []int64{e.Runs, e.Failures})
		stop(t, pool)
	})
}

func TestAMiddlewareThatPanicsWhenBuiltIsAnErrorOfAdd(t *testing.T) {
	for name, do := range misbehaviours {
		if strings.Contains(name, "exit") { // that ends the goroutine of whoever adds it
			continue
		}
		t.Run(name, func(t *testing.T) {
			wrap := func(workerfx.RunFunc) workerfx.RunFunc { do(); return nil }
			w := workerfx.NewWorker("w", untilStopped)
			assert.ErrorContains(t, newPool(t).Add(workerfx.With(w, workerfx.WithMiddleware(wrap))), `worker "w": middleware panicked`)
			assert.ErrorContains(t, newPool(t, workerfx.WithPoolMiddleware(wrap)).Add(w), `worker "w": middleware panicked`)
		})
	}
	pool := newPool(t)
	assert.ErrorContains(t, pool.Add(workerfx.NewWorker("w", untilStopped, workerfx.WithMiddleware(nil))), "middleware 1 is nil")
	nothing := func(workerfx.RunFunc) workerfx.RunFunc { return nil }
	assert.ErrorContains(t, pool.Add(workerfx.NewWorker("w", untilStopped, workerfx.WithMiddleware(nothing))), "returned nil")
	assert.Empty(t, pool.Executions())
}

func TestAGroupOrNameThatPanicsIsAnErrorOfAdd(t *testing.T) {
	for name, do := range misbehaviours {
		if strings.Contains(name, "exit") {
			continue
		}
		t.Run(name, func(t *testing.T) {
			pool := newPool(t)
			assert.ErrorContains(t, pool.AddGroup(brokenGroup{onWorkers: do}), `group "faults_test.brokenGroup": panic in Workers`)
			assert.ErrorContains(t, pool.AddGroup(brokenGroup{onName: do}), "Name panicked")
			assert.ErrorContains(t, pool.Add(namedBy{func() string { do(); return "w" }}), "faults_test.namedBy: Name panicked")
			assert.Empty(t, pool.Executions())
			require.NoError(t, pool.Add(workerfx.NewWorker("w", untilStopped)), "nothing is left of it")
		})
	}
}

// brokenGroup does as it is told.
type brokenGroup struct{ onName, onWorkers func() }

func (g brokenGroup) Name() string               { call(g.onName); return "faults_test.brokenGroup" }
func (g brokenGroup) Workers() []workerfx.Worker { call(g.onWorkers); return nil }

func TestAnExitWhileAWorkerIsAddedLocksNothing(t *testing.T) {
	pool := newPool(t)
	exiting := workerfx.WithMiddleware(func(workerfx.RunFunc) workerfx.RunFunc { runtime.Goexit(); return nil })
	for _, add := range []func(){
		func() { _ = pool.Add(workerfx.NewWorker("w", untilStopped, exiting)) },
		func() { _ = pool.Add(namedBy{func() string { runtime.Goexit(); return "" }}) },
		func() { _ = pool.AddGroup(brokenGroup{onWorkers: runtime.Goexit}) },
	} {
		done := make(chan struct{})
		go func() { defer close(done); add() }()
		<-done
		assert.Empty(t, pool.Executions())
	}
	start(t, pool, workerfx.NewWorker("w", untilStopped))
	stop(t, pool)
}

func TestAPanickingLogSinkDoesNoHarm(t *testing.T) {
	for name, do := range misbehaviours {
		if strings.Contains(name, "exit") {
			continue
		}
		bubble(name, t, func(t *testing.T) {
			sink := newHook(do)
			pool := start(t, newPool(t, workerfx.WithLogger(zerolog.New(sink))),
				workerfx.NewWorker("w", once(fails), endless, second), workerfx.NewWorker("other", untilStopped))
			time.Sleep(time.Minute)
			e := report(t, pool, "w")
			assert.Equal(t, []int64{2, 1}, []int64{e.Runs, e.Failures})
			stop(t, pool)
			assert.GreaterOrEqual(t, sink.calls.Load(), int64(5))
		})
	}
}

// exitingSink is a log sink that ends the goroutine of whoever logs one of these messages, as a sink that calls
// testing's FailNow does.
func exitingSink(messages ...string) io.Writer {
	return writerFunc(func(line []byte) {
		for _, message := range messages {
			if strings.Contains(string(line), `"`+message+`"`) {
				runtime.Goexit()
			}
		}
	})
}

type writerFunc func([]byte)

func (f writerFunc) Write(p []byte) (int, error) { f(p); return len(p), nil }

func TestALogSinkThatExitsAsARunBeginsIsAFailedAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		logger := zerolog.New(exitingSink("worker started"))
		pool := start(t, newPool(t, workerfx.WithLogger(logger)), workerfx.NewWorker("w", untilStopped, endless))
		time.Sleep(time.Minute)
		e := report(t, pool, "w")
		assert.Equal(t, workerfx.StatusWaiting, e.Status)
		assert.ErrorIs(t, e.Err, workerfx.ErrGoexit)
		assert.EqualValues(t, 6, e.Runs)
		stop(t, pool)
	})
}

func TestALogSinkThatExitsAsARunEndsDoesNotCostItsBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		logger := zerolog.New(exitingSink("worker failed, it will run again"))
		runs := 0
		pool := start(t, newPool(t, workerfx.WithLogger(logger)), workerfx.NewWorker("w", func(ctx context.Context) error {
			if runs++; runs == 1000 { // a hot loop: time would never pass
				return workerfx.ErrDoNotRestart
			}
			return errBoom
		}, endless))
		time.Sleep(time.Minute)
		assert.EqualValues(t, 6, report(t, pool, "w").Runs, "after 1s, 2s, 4s, 8s, 16s")
		stop(t, pool)
	})
}

func TestALogSinkThatExitsDoesNotKeepAnEssentialWorkerFromStoppingThePool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		logger := zerolog.New(exitingSink("essential worker is done, the pool stops"))
		pool := start(t, newPool(t, workerfx.WithLogger(logger)),
			workerfx.NewWorker("w", func(context.Context) error { return nil }, workerfx.WithEssential()),
			workerfx.NewWorker("other", untilStopped))
		assert.Equal(t, workerfx.StatusStopped, report(t, pool, "other").Status)
		stop(t, pool)
	})
}

func TestHooksMayCallThePool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var pool *workerfx.Pool
		h := newHook(func() {
			if pool == nil {
				return
			}
			_ = pool.Executions()
			_ = pool.Scale("scaled", 2)
			_ = pool.Pause("scaled")
			_ = pool.Resume("scaled")
			_, err := pool.Execution("failing")
			assert.NoError(t, err)
			collect(pool)
		})
		around := func(next workerfx.RunFunc) workerfx.RunFunc {
			return func(ctx context.Context) error { h.called(); return next(ctx) }
		}
		p := newPool(t, workerfx.WithLogger(zerolog.New(h)), workerfx.WithPoolMiddleware(around),
			workerfx.WithIDGenerator(func() string { h.called(); return "id" }))
		add(t, p,
			workerfx.NewWorker("failing", fails, endless, workerfx.WithBackoff(slowHook{h})),
			workerfx.NewWorker("ticking", func(context.Context) error { return nil }, workerfx.WithSchedule(h)),
			workerfx.NewWorker("scaled", untilStopped),
			workerfx.NewWorker("locked", untilStopped, workerfx.WithMiddleware(middleware.Singleton(h))))
		pool = p
		start(t, pool)
		time.Sleep(10 * time.Second)
		stop(t, pool)
		assert.GreaterOrEqual(t, h.calls.Load(), int64(30))
	})
}

// slowHook is a backoff of a second.
type slowHook struct{ hook }

func (h slowHook) Duration(attempt int) time.Duration { return 1000 * h.hook.Duration(attempt) }

// collect reads a pool's metrics and forgets them.
func collect(pool *workerfx.Pool) {
	metrics := make(chan prometheus.Metric, 1000)
	pool.Collector().Collect(metrics)
}

func TestABrokenLockerIsAFailedAttempt(t *testing.T) {
	eachMisbehaviour(t, func(t *testing.T, h hook) {
		lockers := map[string]middleware.Locker{
			"in Lock":   h,
			"in Lost":   locker{lock{onLost: h.called}, nil},
			"in Unlock": locker{lock{onUnlock: h.called}, nil},
			"nil lock":  locker{nil, nil},
			"error":     locker{nil, errBoom},
		}
		pool := newPool(t)
		for name, l := range lockers {
			add(t, pool, workerfx.NewWorker(name, func(context.Context) error { return nil },
				workerfx.WithMaxAttempts(2), second, workerfx.WithMiddleware(middleware.Singleton(l))))
		}
		start(t, pool)
		time.Sleep(time.Minute)
		for name := range lockers {
			e := report(t, pool, name)
			assert.Equal(t, workerfx.StatusError, e.Status, name)
			assert.Equal(t, []int64{2, 2}, []int64{e.Runs, e.Failures}, name)
		}
		stop(t, pool)
	})
}

// locker hands out the one lock.
type locker struct {
	lock middleware.Lock
	err  error
}

func (l locker) Lock(context.Context, string) (middleware.Lock, error) { return l.lock, l.err }

func TestALockIsGivenBackHoweverTheRunEnds(t *testing.T) {
	for name, broken := range brokenRuns() {
		bubble(name, t, func(t *testing.T) {
			shared := middleware.NewLocalLocker()
			pool := startPool(t, workerfx.NewWorker("w", once(broken.run), workerfx.WithMaxAttempts(2), second,
				workerfx.WithMiddleware(middleware.Singleton(shared))))
			time.Sleep(time.Minute)
			assert.Equal(t, workerfx.StatusRunning, report(t, pool, "w").Status, "it got its lock again")
			taken, err := shared.Lock(within(t, time.Second), "w")
			assert.Nil(t, taken)
			assert.ErrorIs(t, err, context.DeadlineExceeded)
			stop(t, pool)
		})
	}
}

func TestALockThatIsAlwaysLostIsNoHotLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gone := make(chan struct{})
		close(gone)
		runs := 0
		pool := startPool(t, workerfx.NewWorker("w", func(ctx context.Context) error { runs++; return untilStopped(ctx) },
			workerfx.WithMiddleware(middleware.Singleton(locker{lostLock{gone}, nil}))))
		time.Sleep(time.Second)
		synctest.Wait()
		assert.LessOrEqual(t, runs, 11)
		stop(t, pool)
	})
}

// lostLock is a lock that is lost once gone is closed.
type lostLock struct{ gone chan struct{} }

func (l lostLock) Lost() <-chan struct{}        { return l.gone }
func (l lostLock) Unlock(context.Context) error { return nil }

func TestADemandThatMisbehavesLeavesTheScaledWorkerAlone(t *testing.T) {
	eachMisbehaviour(t, func(t *testing.T, h hook) {
		pool := startPool(t, workerfx.NewWorker("w", untilStopped, workerfx.WithReplicas(2)),
			workerfx.With(&workerfx.Autoscaler{Worker: "w", Demand: func(context.Context) (float64, error) { return h.Demand() }},
				endless, second))
		time.Sleep(10 * time.Second)
		e := report(t, pool, "autoscaler:w")
		assert.GreaterOrEqual(t, e.Failures, int64(10), "a failed attempt each")
		assert.Len(t, pool.Executions(), 3)
		stop(t, pool)
	})
}

func TestATracerThatMisbehavesIsAFailedAttempt(t *testing.T) {
	eachMisbehaviour(t, func(t *testing.T, h hook) {
		pool := start(t, newPool(t, workerfx.WithTracerProvider(brokenTracers{h: h})),
			workerfx.NewWorker("w", func(ctx context.Context) error {
				_, span := workerfx.CtxTracer(ctx).Start(ctx, "span")
				span.End()
				return nil
			}),
			workerfx.NewWorker("traced", untilStopped, workerfx.WithMiddleware(middleware.Trace())),
			workerfx.NewWorker("other", untilStopped))
		for _, name := range []string{"w", "traced"} {
			assert.Equal(t, workerfx.StatusError, report(t, pool, name).Status)
		}
		assert.Equal(t, workerfx.StatusRunning, report(t, pool, "other").Status)
		stop(t, pool)
	})
}

// brokenTracers is a provider whose tracers misbehave.
type brokenTracers struct {
	embedded.TracerProvider

	h hook
}

func (p brokenTracers) Tracer(string, ...trace.TracerOption) trace.Tracer {
	return brokenTracer{Tracer: noop.NewTracerProvider().Tracer(""), h: p.h}
}

type brokenTracer struct {
	trace.Tracer

	h hook
}

func (tr brokenTracer) Start(ctx context.Context, name string, opts ...trace.SpanStartOption) (context.Context, trace.Span) {
	tr.h.called()
	return tr.Tracer.Start(ctx, name, opts...)
}

func TestARegistererThatRefusesIsAnErrorOfNewPool(t *testing.T) {
	_, err := workerfx.NewPool(silent, workerfx.WithConfig(workerfx.Config{Name: "p"}), workerfx.WithRegisterer(refusing{}))
	assert.ErrorContains(t, err, `pool "p": register metrics: boom`)
	assert.ErrorIs(t, err, errBoom)
}

// refusing is a registerer that takes none but the first so many.
type refusing struct {
	prometheus.Registerer

	takes int
	taken *int
}

func (r refusing) Register(c prometheus.Collector) error {
	if r.taken == nil || *r.taken >= r.takes {
		return errBoom
	}
	*r.taken++
	return r.Registerer.Register(c)
}

func TestAPoolThatCouldNotRegisterDoesNotKeepItsName(t *testing.T) {
	registry := prometheus.NewRegistry()
	_, err := workerfx.NewPool(silent, workerfx.WithRegisterer(refusing{registry, 1, new(int)}))
	require.ErrorIs(t, err, errBoom)
	_, err = workerfx.NewPool(silent, workerfx.WithRegisterer(registry))
	assert.NoError(t, err)
}

func TestHooksThatHangAreNamedByStop(t *testing.T) {
	tests := map[string]func(h hook) (workerfx.PoolOption, workerfx.Worker){
		"ID generator": func(h hook) (workerfx.PoolOption, workerfx.Worker) {
			return workerfx.WithIDGenerator(func() string { h.called(); return "" }), workerfx.NewWorker("w", untilStopped)
		},
		"backoff": func(h hook) (workerfx.PoolOption, workerfx.Worker) {
			return nil, workerfx.NewWorker("w", fails, endless, workerfx.WithBackoff(h))
		},
		"schedule": func(h hook) (workerfx.PoolOption, workerfx.Worker) {
			return nil, workerfx.NewWorker("w", untilStopped, workerfx.WithSchedule(h))
		},
		"locker": func(h hook) (workerfx.PoolOption, workerfx.Worker) {
			return nil, workerfx.NewWorker("w", untilStopped, workerfx.WithMiddleware(middleware.Singleton(h)))
		},
		"middleware": func(h hook) (workerfx.PoolOption, workerfx.Worker) {
			return workerfx.WithPoolMiddleware(func(workerfx.RunFunc) workerfx.RunFunc {
				return func(context.Context) error { h.called(); return errors.New("too late") }
			}), workerfx.NewWorker("w", untilStopped)
		},
		"demand": func(h hook) (workerfx.PoolOption, workerfx.Worker) {
			return nil, workerfx.With(&workerfx.Autoscaler{Worker: "other", Demand: func(context.Context) (float64, error) { return h.Demand() }},
				workerfx.WithName("w"))
		},
	}
	for name, with := range tests {
		bubble(name, t, func(t *testing.T) {
			release := make(chan struct{})
			defer close(release)
			opt, w := with(newHook(func() { hangHere(release) }))
			pool := start(t, newPool(t, opt), w)
			synctest.Wait()
			requireStraggler(t, pool, "w", time.Second)
			assert.Len(t, pool.Executions(), 1, "nothing is locked")
		})
	}
}

func TestStopReturnsInTimeThoughTheLogSinkHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		letGo := sync.OnceFunc(func() { close(release) })
		defer letGo()
		sink := writerFunc(func(line []byte) {
			if strings.Contains(string(line), "worker pool stopped") { // what Stop itself writes
				<-release
			}
		})
		pool := start(t, newPool(t, workerfx.WithLogger(zerolog.New(sink))), workerfx.NewWorker("w", untilStopped))
		synctest.Wait()
		returned := make(chan error)
		go func() { returned <- pool.Stop(within(t, time.Second)) }()
		select {
		case err := <-returned:
			assert.NoError(t, err)
		case <-time.After(time.Minute):
			t.Error("Stop hangs in the log sink, long after its context ended")
			letGo()
			<-returned
		}
	})
}
