package faults_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/fxtest"
)

// broken is a way for a run to end badly, and what is to be seen of it.
type broken struct {
	run    workerfx.RunFunc
	says   string // in the report's error, the event and the log
	panics float64
}

// panicking is a run that panics with a value.
func panicking(value any, says string) broken {
	return broken{func(context.Context) error { panic(value) }, says, 1}
}

// panickingIn is a run in which something panics by itself.
func panickingIn(do func(), says string) broken {
	return broken{func(context.Context) error { do(); return nil }, says, 1}
}

// returning is a run that returns an error.
func returning(err error, says string) broken {
	return broken{func(context.Context) error { return err }, says, 0}
}

// exiting is a run that ends its goroutine sooner or later.
func exiting(run func()) broken {
	return broken{func(context.Context) error { run(); return nil }, workerfx.ErrGoexit.Error(), 0}
}

// hostile is an error and a Stringer whose methods do as they are told.
type hostile struct{ onError, onIs, onUnwrap func() }

func (h hostile) Error() string        { call(h.onError); return "hostile" }
func (h hostile) Is(target error) bool { call(h.onIs); return false }
func (h hostile) Unwrap() error        { call(h.onUnwrap); return nil }

// stringer is a Stringer, and no error, that does as it is told.
type stringer struct{ onString func() }

func (s stringer) String() string { call(s.onString); return "stringer" }

// panicker is a Stringer that panics with itself: fmt gives it up.
type panicker struct{}

func (p panicker) String() string { panic(p) }

// formatter formats itself as it is told.
type formatter struct{ onFormat func() }

func (f formatter) Format(fmt.State, rune) { call(f.onFormat) }

// sliceError cannot be compared.
type sliceError []string

func (e sliceError) Error() string { return strings.Join(e, " ") }

// pointerError has no text while it is nil.
type pointerError struct{ text string }

func (e *pointerError) Error() string { return e.text }

// nilError copes with being nil.
type nilError struct{}

func (*nilError) Error() string { return "nil, and proud of it" }

func call(f func()) {
	if f != nil {
		f()
	}
}

func panicInside() { panic("inside") }

// recurse panics so many calls deep.
func recurse(depth int) int {
	if depth == 0 {
		panic("deep down")
	}
	return recurse(depth-1) + 1
}

var (
	nilMap     map[string]int
	nilPointer *pointerError
	noItems    []int
	noWorker   workerfx.Worker
	closed     = func() chan int { ch := make(chan int); close(ch); return ch }()
)

// brokenRuns are all the ways for a run to end badly.
func brokenRuns() map[string]broken {
	return map[string]broken{
		"nil":                          panicking(nil, "panic called with nil argument"),
		"an error":                     panicking(errBoom, "panic: boom"),
		"a string":                     panicking("ouch", "panic: ouch"),
		"a struct":                     panicking(struct{ Code int }{42}, "panic: {42}"),
		"a value without comparison":   panicking([]string{"a", "b"}, "panic: [a b]"),
		"an error without comparison":  panicking(sliceError{"a", "b"}, "panic: a b"),
		"a function":                   panicking(panicInside, "panic: 0x"),
		"ErrDoNotRestart":              panicking(workerfx.ErrDoNotRestart, "panic: do not restart"),
		"ErrGoexit":                    panicking(workerfx.ErrGoexit, "panic: run ended its goroutine"),
		"a write to a nil map":         panickingIn(func() { nilMap["a"] = 1 }, "nil map"),
		"an index out of range":        panickingIn(func() { _ = noItems[len(nilMap)] }, "out of range"),
		"a nil pointer":                panickingIn(func() { nilPointer.text = "a" }, "nil pointer"),
		"a nil interface":              panickingIn(func() { _ = noWorker.Run(context.Background()) }, "nil pointer"),
		"a division by zero":           panickingIn(func() { _ = 1 / len(noItems) }, "divide by zero"),
		"a wrong type":                 panickingIn(func() { _ = any(noItems).(error) }, "interface conversion"),
		"a closed channel":             panickingIn(func() { closed <- 1 }, "closed channel"),
		"a slice of negative length":   panickingIn(func() { _ = make([]int, len(noItems)-1) }, "makeslice"),
		"a deep recursion":             panickingIn(func() { recurse(100_000) }, "deep down"),
		"a second panic, deferred":     panickingIn(func() { defer panic("second"); panic("first") }, "second"),
		"a panic that was repanicked":  panickingIn(func() { defer func() { panic(recover()) }(); panic("again") }, "again"),
		"a String that panics":         panicking(stringer{panicInside}, "inside"),
		"an Error that panics":         panicking(hostile{onError: panicInside}, "inside"),
		"a Format that panics":         panicking(formatter{panicInside}, "inside"),
		"a String that panics so":      panicking(panicker{}, "that panics when it is printed"),
		"an Error that panics so":      panicking(hostile{onError: func() { panic(panicker{}) }}, "that panics when it is printed"),
		"a returned error that does":   panickingReturn(hostile{onError: func() { panic(panicker{}) }}, "that panics when it is printed"),
		"a nil error":                  panicking(nilPointer, "panic: <nil>"),
		"a String that exits":          exiting(func() { panic(stringer{runtime.Goexit}) }),
		"an Error that exits":          exiting(func() { panic(hostile{onError: runtime.Goexit}) }),
		"a Format that exits":          exiting(func() { panic(formatter{runtime.Goexit}) }),
		"exit":                         exiting(runtime.Goexit),
		"exit from a panic":            exiting(func() { defer runtime.Goexit(); panic("first") }),
		"panic on exit":                exiting(func() { defer panic("late"); runtime.Goexit() }),
		"error":                        returning(errBoom, "boom"),
		"error without text":           returning(errors.New(""), ""),
		"error without comparison":     returning(sliceError{"a", "b"}, "a b"),
		"error that panics in Error":   panickingReturn(hostile{onError: panicInside}, "inside"),
		"error that panics in Is":      panickingReturn(hostile{onIs: panicInside}, "inside"),
		"error that panics in Unwrap":  panickingReturn(hostile{onUnwrap: panicInside}, "inside"),
		"error that exits in Error":    exitingReturn(hostile{onError: runtime.Goexit}),
		"error that exits in Is":       exitingReturn(hostile{onIs: runtime.Goexit}),
		"error that exits in Unwrap":   exitingReturn(hostile{onUnwrap: runtime.Goexit}),
		"joined error that panics":     panickingReturn(errors.Join(errBoom, hostile{onIs: panicInside}), "inside"),
		"typed nil error that panics":  panickingReturn(nilPointer, "nil pointer"),
		"typed nil error":              returning((*nilError)(nil), "nil, and proud of it"),
		"error of a context not ended": returning(context.Canceled, "context canceled"),
		"ErrStopping out of the blue":  returning(workerfx.ErrStopping, "worker is stopping"),
		"ErrSkip without a schedule":   returning(workerfx.ErrSkip, "skip this tick"),
	}
}

// panickingReturn is a run that returns an error which panics when it is looked at.
func panickingReturn(err error, says string) broken {
	b := returning(err, says)
	b.panics = 1
	return b
}

// exitingReturn is a run that returns an error which ends the goroutine when it is looked at.
func exitingReturn(err error) broken {
	return broken{func(context.Context) error { return err }, workerfx.ErrGoexit.Error(), 0}
}

func TestABrokenRunIsOneFailedAttemptThatReportLogAndMetricsShow(t *testing.T) {
	for name, broken := range brokenRuns() {
		bubble(name, t, func(t *testing.T) {
			app := startApp(t,
				workerfx.NewWorker("good", untilStopped),
				workerfx.NewWorker("bad", once(broken.run), workerfx.WithMaxAttempts(2), second))
			time.Sleep(time.Minute)

			e := report(t, app.Pool, "bad")
			assert.Equal(t, workerfx.StatusRunning, e.Status)
			assert.Equal(t, []int64{2, 1, 1, 2}, []int64{e.Runs, e.Failures, e.Restarts, int64(e.Attempt)})
			require.Error(t, e.Err)
			assert.Contains(t, e.Err.Error(), broken.says)
			requireFailureShown(t, app, "bad", broken)

			good := report(t, app.Pool, "good")
			assert.Equal(t, workerfx.StatusRunning, good.Status)
			assert.EqualValues(t, 1, good.Runs)
			app.RequireStop()
		})
	}
}

// requireFailureShown requires that events, log and metrics show a worker's one failure.
func requireFailureShown(t *testing.T, app *fxtest.App, worker string, broken broken) {
	t.Helper()
	e := report(t, app.Pool, worker)
	events := 0
	for _, event := range e.Events {
		if text, ok := strings.CutPrefix(event.Message, workerfx.EventFailed); ok {
			events++
			assert.Contains(t, text, broken.says)
		}
	}
	assert.Equal(t, 1, events, "events: %v", e.Events)

	lines := 0
	for _, line := range app.Logs(worker) {
		if line.Level >= zerolog.WarnLevel {
			lines++
			assert.Contains(t, line.Fields["error"], broken.says)
		}
	}
	assert.Equal(t, 1, lines, "log lines: %v", app.Logs(worker))

	assert.EqualValues(t, 1, app.Metric("worker_executions_total", "worker", worker, "status", "error"))
	assert.EqualValues(t, 1, app.Metric("worker_executions_total", "worker", worker, "status", "restarted"))
	assert.EqualValues(t, 1, app.Metric("worker_running", "worker", worker))
	assert.Equal(t, broken.panics, app.Metric("worker_panics_total", "worker", worker))
}

// startApp starts an Fx app with these workers.
func startApp(t *testing.T, workers ...workerfx.Worker) *fxtest.App {
	t.Helper()
	var opts []fx.Option
	for _, w := range workers {
		opts = append(opts, workerfx.ProvideWorker(func() workerfx.Worker { return w }))
	}
	return fxtest.New(t, opts...).RequireStart()
}

func TestPanicIsReportedWithValueAndStack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := startPool(t, workerfx.NewWorker("w", func(context.Context) error { panicInside(); return nil }))
		var panicked *workerfx.PanicError
		require.ErrorAs(t, report(t, pool, "w").Err, &panicked)
		assert.Equal(t, "inside", panicked.Value)
		assert.Contains(t, string(panicked.Stack), "faults_test.panicInside")
	})
}

func TestABrokenEndOfAnEssentialWorkerStopsThePool(t *testing.T) {
	for name, broken := range brokenRuns() {
		bubble(name, t, func(t *testing.T) {
			pool := newPool(t)
			add(t, pool, workerfx.NewWorker("good", untilStopped), workerfx.NewWorker("bad", broken.run, workerfx.WithEssential()))
			err := pool.Run(within(t, time.Minute))
			require.ErrorIs(t, err, workerfx.ErrExitedPrematurely)
			assert.ErrorContains(t, err, `"bad"`)
			assert.ErrorContains(t, err, broken.says)
			assert.Equal(t, workerfx.StatusStopped, report(t, pool, "good").Status)
		})
	}
}

func TestABrokenEndWhileStoppingIsAnErrorAndNoRunFollows(t *testing.T) {
	for name, broken := range brokenRuns() {
		if obeys[name] {
			continue
		}
		bubble(name, t, func(t *testing.T) {
			pool := startPool(t, workerfx.NewWorker("w", func(ctx context.Context) error {
				<-ctx.Done()
				return broken.run(ctx)
			}, endless))
			synctest.Wait()
			stop(t, pool)
			e := report(t, pool, "w")
			assert.Equal(t, workerfx.StatusError, e.Status)
			assert.EqualValues(t, 1, e.Runs)
			assert.ErrorContains(t, e.Err, broken.says)
		})
	}
}

// obeys names the ends that are none to complain of while the worker is stopping.
var obeys = map[string]bool{"error of a context not ended": true, "ErrStopping out of the blue": true}

func TestAPanicDeferredWhileStoppingIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := startPool(t, workerfx.NewWorker("w", func(ctx context.Context) error {
			defer panicInside()
			return untilStopped(ctx)
		}))
		synctest.Wait()
		stop(t, pool)
		assert.ErrorContains(t, report(t, pool, "w").Err, "inside")
	})
}

func TestAPanicOfAJobIsOneFailedAttempt(t *testing.T) {
	items := make(chan int)
	bodies := map[string]workerfx.RunFunc{
		"Loop":        workerfx.Loop(func(context.Context) error { panic("in a job") }),
		"FromChannel": workerfx.FromChannel(items, func(context.Context, int) error { panic("in a job") }),
		"Batch":       workerfx.Batch(items, 1, 0, func(context.Context, []int) error { panic("in a job") }),
	}
	for name, body := range bodies {
		t.Run(name, func(t *testing.T) {
			pool := startPool(t, workerfx.NewWorker("w", body))
			if name != "Loop" {
				items <- 1
			}
			require.Eventually(t, func() bool {
				e, err := pool.Execution("w")
				return err == nil && e.Status == workerfx.StatusError
			}, patience, time.Millisecond)
			e, _ := pool.Execution("w")
			assert.EqualValues(t, 1, e.FailedJobs)
			assert.ErrorContains(t, e.Err, "in a job")
		})
	}
}

func TestAJobOfRunAllJobsMayEndAnyhow(t *testing.T) {
	for name, broken := range brokenRuns() {
		if strings.Contains(name, "error") || name == "panic on exit" { // handed on as they are
			continue
		}
		bubble(name, t, func(t *testing.T) {
			err := workerfx.RunAllJobs(t.Context(), func(context.Context) error { return nil }, broken.run)
			assert.ErrorContains(t, err, broken.says)
		})
	}
}

func TestARunThatHangsInItsErrorIsNamedByStop(t *testing.T) {
	tests := map[string]func(hang func()) broken{
		"String of a panic": func(hang func()) broken { return panicking(stringer{hang}, "") },
		"Error of a panic":  func(hang func()) broken { return panicking(hostile{onError: hang}, "") },
		"Error":             func(hang func()) broken { return returning(hostile{onError: hang}, "") },
		"Is":                func(hang func()) broken { return returning(hostile{onIs: hang}, "") },
		"Unwrap":            func(hang func()) broken { return returning(hostile{onUnwrap: hang}, "") },
		"deferred function": func(hang func()) broken { return panickingIn(func() { defer hang(); panic("first") }, "") },
	}
	for name, with := range tests {
		bubble(name, t, func(t *testing.T) {
			release := make(chan struct{})
			defer close(release)
			broken := with(func() { hangHere(release) })
			pool := startPool(t, workerfx.NewWorker("good", untilStopped), workerfx.NewWorker("bad", broken.run))
			synctest.Wait()
			begin := time.Now()
			straggler := requireStraggler(t, pool, "bad", time.Second)
			assert.Equal(t, time.Second, time.Since(begin))
			assert.Contains(t, straggler.Stack, "faults_test.hangHere")
			_, err := pool.Execution("bad")
			assert.NoError(t, err, "nothing is locked")
		})
	}
}

// cyclicError wraps itself, until somebody has mercy.
type cyclicError struct{ mercy *atomic.Bool }

func (cyclicError) Error() string { return "cyclic" }

func (e cyclicError) Unwrap() error {
	if e.mercy.Load() {
		return nil
	}
	return e
}

func TestARunThatReturnsACyclicErrorIsNamedByStop(t *testing.T) {
	mercy := new(atomic.Bool) // errors.Is goes round in circles for ever
	begun := make(chan struct{})
	pool := startPool(t, workerfx.NewWorker("good", untilStopped),
		workerfx.NewWorker("bad", func(context.Context) error { close(begun); return cyclicError{mercy} }))
	<-begun
	ctx, giveUp := context.WithCancel(t.Context())
	stopped := make(chan error)
	go func() { stopped <- pool.Stop(ctx) }()
	require.Eventually(t, func() bool {
		good, err := pool.Execution("good")
		return err == nil && good.Status == workerfx.StatusStopped
	}, patience, time.Millisecond)
	giveUp()
	var late *workerfx.StopError
	require.ErrorAs(t, <-stopped, &late)
	require.Len(t, late.Stragglers, 1)
	require.Equal(t, "bad", late.Stragglers[0].Worker)
	mercy.Store(true)
	stop(t, pool)
}

func hangHere(release <-chan struct{}) { <-release }

func TestAnErrorThatTurnsHostileLaterDoesNoHarm(t *testing.T) {
	later := map[string]func(){"panics": panicInside, "exits": runtime.Goexit}
	for name, do := range later {
		bubble(name, t, func(t *testing.T) {
			texts := 0
			turning := hostile{onError: func() {
				if texts++; texts > 1 && texts < 1000 { // else it would never end
					do()
				}
			}}
			app := startApp(t,
				workerfx.NewWorker("bad", func(context.Context) error { return turning }, workerfx.WithEssential()),
				workerfx.NewWorker("other", untilStopped))
			time.Sleep(time.Minute)
			assert.Equal(t, workerfx.StatusError, report(t, app.Pool, "bad").Status)
			assert.Equal(t, workerfx.StatusStopped, report(t, app.Pool, "other").Status, "the pool has stopped")
			assert.Less(t, texts, 1000, "in a hot loop")
			app.RequireStop()
		})
	}
}
