package workerfx_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx"
)

// static is a backoff of a second without chance in it.
var static = workerfx.WithBackoff(workerfx.StaticBackoff{Sleep: time.Second})

func TestOutcomeWhilePoolIsUp(t *testing.T) {
	tests := map[string]struct {
		run    workerfx.RunFunc
		status workerfx.Status
		err    string
	}{
		"nil is success":                         {func(context.Context) error { return nil }, workerfx.StatusSuccess, ""},
		"ErrDoNotRestart alone is success":       {func(context.Context) error { return workerfx.ErrDoNotRestart }, workerfx.StatusSuccess, ""},
		"ErrDoNotRestart around a cause is none": {func(context.Context) error { return fmt.Errorf("%w: %w", workerfx.ErrDoNotRestart, errBoom) }, workerfx.StatusError, "do not restart: boom"},
		"another error is an error":              {func(context.Context) error { return errBoom }, workerfx.StatusError, "boom"},
		"a made-up ctx error is an error":        {func(context.Context) error { return context.Canceled }, workerfx.StatusError, "context canceled"},
		"a panic is an error":                    {func(context.Context) error { panic("boom") }, workerfx.StatusError, "panic: boom"},
		"a Goexit is an error":                   {func(context.Context) error { runtime.Goexit(); return nil }, workerfx.StatusError, "Goexit"},
	}
	for name, test := range tests {
		bubble(name, t, func(t *testing.T) {
			pool := startPool(t, workerfx.NewWorker("w", test.run))
			e := execution(t, pool, "w")
			assert.Equal(t, test.status, e.Status)
			if test.err == "" {
				assert.NoError(t, e.Err)
			} else {
				assert.ErrorContains(t, e.Err, test.err)
			}
		})
	}
}

func TestOutcomeWhileStopping(t *testing.T) {
	tests := map[string]struct {
		end    func(ctx context.Context) error
		status workerfx.Status
	}{
		"nil is success":             {func(context.Context) error { return nil }, workerfx.StatusSuccess},
		"ErrDoNotRestart is stopped": {func(context.Context) error { return workerfx.ErrDoNotRestart }, workerfx.StatusStopped},
		"ctx.Err() is stopped":       {func(ctx context.Context) error { return ctx.Err() }, workerfx.StatusStopped},
		"its cause is stopped":       {context.Cause, workerfx.StatusStopped},
		"a wrapped one is stopped":   {func(ctx context.Context) error { return fmt.Errorf("query: %w", ctx.Err()) }, workerfx.StatusStopped},
		"another error is an error":  {func(context.Context) error { return errBoom }, workerfx.StatusError},
		"a panic is an error":        {func(context.Context) error { panic("boom") }, workerfx.StatusError},
		"a Goexit is an error":       {func(context.Context) error { runtime.Goexit(); return nil }, workerfx.StatusError},
	}
	for name, test := range tests {
		bubble(name, t, func(t *testing.T) {
			pool := startPool(t, workerfx.NewWorker("w", func(ctx context.Context) error {
				<-ctx.Done()
				assert.Equal(t, workerfx.ErrStopping, context.Cause(ctx))
				return test.end(ctx)
			}, workerfx.WithMaxAttempts(0)))
			synctest.Wait()
			require.NoError(t, pool.Stop(t.Context()))
			e := execution(t, pool, "w")
			assert.Equal(t, test.status, e.Status)
			assert.EqualValues(t, 1, e.Runs, "a worker that is stopping is never restarted")
		})
	}
}

func TestAttemptsAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var attempts []int
		pool := startPool(t, workerfx.NewWorker("w", func(ctx context.Context) error {
			attempts = append(attempts, workerfx.CtxAttempt(ctx))
			return errBoom
		}, workerfx.WithMaxAttempts(3), static))
		time.Sleep(time.Hour)
		e := execution(t, pool, "w")
		assert.Equal(t, []int{1, 2, 3}, attempts)
		assert.Equal(t, workerfx.StatusError, e.Status)
		assert.Equal(t, 3, e.Attempt)
		assert.Equal(t, 3, e.MaxAttempts)
		assert.EqualValues(t, 3, e.Runs)
		assert.EqualValues(t, 2, e.Restarts)
		assert.EqualValues(t, 3, e.Failures)
		assert.Equal(t, 2*time.Second, e.FinishedAt.Sub(e.StartedAt)+2*time.Second, "the last run takes no time")
	})
}

func TestBackoffIsWaitedForBetweenAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var at []time.Duration
		pool := startPool(t, workerfx.NewWorker("w", func(context.Context) error {
			at = append(at, time.Since(start))
			return errBoom
		}, workerfx.WithMaxAttempts(4), workerfx.WithBackoff(workerfx.ExponentialBackoff{Initial: time.Second})))
		synctest.Wait()
		e := execution(t, pool, "w")
		assert.Equal(t, workerfx.StatusWaiting, e.Status)
		assert.True(t, e.NextRunAt.Equal(start.Add(time.Second)), e.NextRunAt)
		assert.True(t, e.HasEvent(workerfx.EventWaiting+"1s"))
		time.Sleep(time.Hour)
		synctest.Wait()
		assert.Equal(t, []time.Duration{0, time.Second, 3 * time.Second, 7 * time.Second}, at)
	})
}

func TestAttemptsWithoutEndAndBackoffAreNoHotLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := startPool(t, workerfx.NewWorker("w", func(context.Context) error { return errBoom }, workerfx.WithMaxAttempts(0)))
		time.Sleep(time.Hour)
		e := execution(t, pool, "w")
		assert.InDelta(t, 60, e.Runs, 6, "once a minute in the end")
	})
}

func TestSuccessResetsAttempts(t *testing.T) {
	// A worker that succeeds is done, so the attempts of one that never does must not have an end.
	synctest.Test(t, func(t *testing.T) {
		runs := 0
		pool := startPool(t, workerfx.NewWorker("w", func(context.Context) error {
			if runs++; runs < 3 {
				return errBoom
			}
			return nil
		}, workerfx.WithMaxAttempts(3), static))
		time.Sleep(time.Hour)
		e := execution(t, pool, "w")
		assert.Equal(t, workerfx.StatusSuccess, e.Status)
		assert.NoError(t, e.Err)
		assert.EqualValues(t, 2, e.Failures)
	})
}

func TestHealthyTimeResetsAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lasts := []time.Duration{0, 0, 2 * time.Minute, 0, 0, 0}
		var attempts []int
		pool := startPool(t, workerfx.NewWorker("w", func(ctx context.Context) error {
			workerfx.Wait(ctx, lasts[len(attempts)])
			attempts = append(attempts, workerfx.CtxAttempt(ctx))
			return errBoom
		}, workerfx.WithMaxAttempts(3), static, workerfx.WithHealthyAfter(time.Minute)))
		time.Sleep(time.Hour)
		assert.Equal(t, workerfx.StatusError, execution(t, pool, "w").Status)
		assert.Equal(t, []int{1, 2, 3, 2, 3}, attempts, "the failure of the healthy run is the first in a row again")
	})
}

func TestFailureLimitSlowsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var at []time.Duration
		pool := startPool(t, workerfx.NewWorker("w", func(context.Context) error {
			at = append(at, time.Since(start))
			return errBoom
		}, workerfx.WithMaxAttempts(7), static,
			workerfx.WithFailureLimit(workerfx.FailureLimit{Threshold: 3, Decay: time.Hour, Pause: time.Minute})))
		time.Sleep(time.Hour)
		assert.Equal(t, workerfx.StatusError, execution(t, pool, "w").Status)
		assert.Equal(t, []time.Duration{0, 1e9, 2e9, 3e9, 63e9, 123e9, 183e9}, at, "after the fourth failure it pauses")
	})
}

func TestFailureLimitDecays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		pool := startPool(t, workerfx.NewWorker("w", func(context.Context) error { return errBoom },
			workerfx.WithMaxAttempts(60), static,
			workerfx.WithFailureLimit(workerfx.FailureLimit{Threshold: 3, Decay: time.Second, Pause: time.Minute})))
		time.Sleep(time.Hour)
		assert.Equal(t, 59*time.Second, execution(t, pool, "w").FinishedAt.Sub(start), "a failure a second adds up to 2")
	})
}

func TestDeferredStartWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := startPool(t, workerfx.NewWorker("w", untilStopped, workerfx.WithDeferredStart(500*time.Millisecond)))
		e := execution(t, pool, "w")
		assert.Equal(t, workerfx.StatusDeferred, e.Status)
		assert.Equal(t, 500*time.Millisecond, e.DeferredStart)
		assert.True(t, e.HasEvent(workerfx.EventDeferred+"500ms"))
		assert.Zero(t, e.Runs)
		time.Sleep(500 * time.Millisecond)
		e = execution(t, pool, "w")
		assert.Equal(t, workerfx.StatusRunning, e.Status)
		assert.Equal(t, time.Now(), e.StartedAt)
	})
}

func TestRunTimeoutIsAFailedAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := startPool(t, workerfx.NewWorker("w", func(ctx context.Context) error {
			deadline, ok := ctx.Deadline()
			assert.True(t, ok)
			assert.Equal(t, 5*time.Second, time.Until(deadline))
			return untilStopped(ctx)
		}, workerfx.WithRunTimeout(5*time.Second), workerfx.WithMaxAttempts(2), static))
		time.Sleep(6 * time.Second)
		e := execution(t, pool, "w")
		assert.Equal(t, workerfx.StatusRunning, e.Status)
		assert.Equal(t, 2, e.Attempt)
		assert.ErrorIs(t, e.Err, context.DeadlineExceeded)
		assert.ErrorContains(t, e.Err, "run timeout of 5s passed")
		time.Sleep(time.Minute)
		assert.Equal(t, workerfx.StatusError, execution(t, pool, "w").Status)
	})
}

func TestEveryRunHasItsOwnID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ids := map[string]bool{}
		pool := startPool(t, workerfx.NewWorker("w", func(ctx context.Context) error {
			ids[workerfx.CtxExecutionID(ctx)] = true
			return errBoom
		}, workerfx.WithMaxAttempts(20), static))
		time.Sleep(time.Hour)
		synctest.Wait()
		assert.Len(t, ids, 20)
		e := execution(t, pool, "w")
		assert.Contains(t, ids, e.ID)
		assert.Equal(t, e.ID, e.Events[len(e.Events)-1].ExecutionID)
	})
}

type stringPanics struct{}

func (stringPanics) String() string { panic("even this") }

type errorPanics struct{}

func (errorPanics) Error() string { panic("no text") }

type isPanics struct{ error }

func (isPanics) Is(error) bool { panic("no comparison") }

type nilError struct{ code *int }

func (e *nilError) Error() string { return fmt.Sprint(*e.code) }

func TestPanicOfAnyKindIsOneFailedAttempt(t *testing.T) {
	tests := map[string]workerfx.RunFunc{
		"a string":               func(context.Context) error { panic("boom") },
		"an error":               func(context.Context) error { panic(errBoom) },
		"nil":                    func(context.Context) error { panic(nil) }, //nolint:govet // on purpose
		"a runtime error":        func(context.Context) error { var m map[int]int; m[0] = 1; return nil },
		"a String that panics":   func(context.Context) error { panic(stringPanics{}) },
		"an Error that panics":   func(context.Context) error { panic(errorPanics{}) },
		"returned broken Error":  func(context.Context) error { return errorPanics{} },
		"returned broken Is":     func(context.Context) error { return isPanics{errBoom} },
		"a returned nil pointer": func(context.Context) error { var e *nilError; return e },
		"in a deferred function": func(context.Context) error { defer func() { panic("late") }(); return nil },
		"over a panic":           func(context.Context) error { defer func() { panic("second") }(); panic("first") },
		"during a Goexit":        func(context.Context) error { defer func() { panic("late") }(); runtime.Goexit(); return nil },
		"a Goexit over a panic":  func(context.Context) error { defer runtime.Goexit(); panic("lost") },
	}
	for name, run := range tests {
		bubble(name, t, func(t *testing.T) {
			pool := startPool(t, workerfx.NewWorker("w", run, workerfx.WithMaxAttempts(2), static))
			time.Sleep(time.Minute)
			e := execution(t, pool, "w")
			assert.Equal(t, workerfx.StatusError, e.Status)
			assert.EqualValues(t, 2, e.Runs)
			assert.EqualValues(t, 2, e.Failures)
			require.Error(t, e.Err)
			assert.NotEmpty(t, e.Err.Error())
		})
	}
}

func explode() { panic(errBoom) }

func TestPanicKeepsValueAndStack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := startPool(t, workerfx.NewWorker("w", func(context.Context) error { explode(); return nil }))
		err := execution(t, pool, "w").Err
		require.ErrorIs(t, err, errBoom)
		var panicked *workerfx.PanicError
		require.ErrorAs(t, err, &panicked)
		assert.Equal(t, errBoom, panicked.Value)
		assert.Contains(t, string(panicked.Stack), "workerfx_test.explode")
		assert.Contains(t, string(panicked.Stack), "supervise_test.go:")
		assert.Equal(t, "panic: boom", err.Error())
	})
}

func TestBrokenBackoffIsReplaced(t *testing.T) {
	tests := map[string]workerfx.Backoff{
		"panics":           backoffFunc(func(int) time.Duration { panic("no") }),
		"ends the routine": backoffFunc(func(int) time.Duration { runtime.Goexit(); return 0 }),
		"is negative":      backoffFunc(func(int) time.Duration { return -1 }),
	}
	for name, backoff := range tests {
		bubble(name, t, func(t *testing.T) {
			pool := startPool(t, workerfx.NewWorker("w", func(context.Context) error { return errBoom },
				workerfx.WithMaxAttempts(0), workerfx.WithBackoff(backoff)))
			time.Sleep(500 * time.Millisecond)
			assert.EqualValues(t, 1, execution(t, pool, "w").Runs)
			time.Sleep(10 * time.Minute)
			assert.InDelta(t, 14, execution(t, pool, "w").Runs, 3)
		})
	}
}

type backoffFunc func(attempt int) time.Duration

func (f backoffFunc) Duration(attempt int) time.Duration { return f(attempt) }

func TestBrokenIDGeneratorIsReplaced(t *testing.T) {
	tests := map[string]func() string{
		"panics":           func() string { panic("no") },
		"ends the routine": func() string { runtime.Goexit(); return "" },
		"returns nothing":  func() string { return "" },
	}
	for name, generate := range tests {
		bubble(name, t, func(t *testing.T) {
			pool := must(workerfx.NewPool(silent, workerfx.WithIDGenerator(generate)))
			require.NoError(t, pool.Add(workerfx.NewWorker("w", untilStopped)))
			require.NoError(t, pool.Start(t.Context()))
			e := execution(t, pool, "w")
			assert.Equal(t, workerfx.StatusRunning, e.Status)
			assert.NotEmpty(t, e.ID)
			assert.EqualValues(t, 1, e.Runs)
			require.NoError(t, pool.Stop(t.Context()))
		})
	}
}

func TestIDGeneratorIsUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n atomic.Int64
		pool := must(workerfx.NewPool(silent, workerfx.WithIDGenerator(func() string { return fmt.Sprint("run-", n.Add(1)) })))
		require.NoError(t, pool.Add(workerfx.NewWorker("w", untilStopped)))
		require.NoError(t, pool.Start(t.Context()))
		assert.Equal(t, "run-1", execution(t, pool, "w").ID)
		require.NoError(t, pool.Stop(t.Context()))
	})
}

func TestEssentialWorkerThatEndsStopsThePool(t *testing.T) {
	tests := map[string]error{"in success": nil, "in failure": errBoom}
	for name, end := range tests {
		bubble(name, t, func(t *testing.T) {
			pool := newPool(t,
				workerfx.NewWorker("essential", func(context.Context) error { time.Sleep(time.Second); return end }, workerfx.WithEssential()),
				workerfx.NewWorker("other", untilStopped))
			err := pool.Run(t.Context())
			require.ErrorIs(t, err, workerfx.ErrExitedPrematurely)
			assert.ErrorContains(t, err, `worker "essential"`)
			if end != nil {
				assert.ErrorIs(t, err, end)
			}
			assert.Equal(t, workerfx.StatusStopped, execution(t, pool, "other").Status)
		})
	}
}

func TestWorkerThatIsEssentialOnFailureStopsThePoolOnlyIfItFailsForGood(t *testing.T) {
	tests := map[string]struct {
		ends  []error // of the runs, of each replica
		stops bool
	}{
		"success":                       {[]error{nil}, false},
		"failure":                       {[]error{errBoom, errBoom}, true},
		"failure that was made good":    {[]error{errBoom, nil}, false},
		"one of two replicas, at first": {[]error{workerfx.ErrDoNotRestart, fmt.Errorf("%w: %w", workerfx.ErrDoNotRestart, errBoom)}, true},
	}
	for name, test := range tests {
		bubble(name, t, func(t *testing.T) {
			var runs atomic.Int32
			replicas := 1
			if strings.Contains(name, "replicas") {
				replicas = 2
			}
			pool := newPool(t,
				workerfx.NewWorker("essential", func(context.Context) error {
					run := runs.Add(1)
					time.Sleep(time.Duration(3-run) * time.Second) // the first replica ends last
					return test.ends[run-1]
				}, workerfx.WithEssential(workerfx.OnFailure), workerfx.WithMaxAttempts(2), static, workerfx.WithReplicas(replicas)),
				workerfx.NewWorker("other", untilStopped))
			err := pool.Run(within(t, time.Minute))
			if !test.stops {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, workerfx.ErrExitedPrematurely)
			require.ErrorIs(t, err, errBoom)
		})
	}
}

func TestEssentialPoliciesAreChecked(t *testing.T) {
	no, yes, failure, odd := false, true, workerfx.OnFailure, workerfx.EssentialPolicy("maybe")
	for want, test := range map[string]struct {
		option workerfx.Option
		config workerfx.WorkerConfig
	}{
		`worker "w": essential policy "exit": only one policy may be given, got 2`: {option: workerfx.WithEssential(workerfx.OnExit, workerfx.OnFailure)},
		`worker "w": essential policy "maybe": must be "exit" or "failure"`:        {config: workerfx.WorkerConfig{EssentialPolicy: &odd}},
		`worker "w": essential policy "failure": stands beside essential: false`:   {config: workerfx.WorkerConfig{EssentialPolicy: &failure, Essential: &no}},
		"": {option: workerfx.WithEssential(workerfx.OnFailure), config: workerfx.WorkerConfig{Essential: &yes}},
	} {
		pool := newPoolWith(t, workerfx.WithConfig(workerfx.Config{Workers: map[string]workerfx.WorkerConfig{"w": test.config}}))
		opts := []workerfx.Option{}
		if test.option != nil {
			opts = append(opts, test.option)
		}
		err := pool.Add(workerfx.NewWorker("w", untilStopped), opts...)
		if want == "" {
			require.NoError(t, err)
			settings, err := pool.Settings("w")
			require.NoError(t, err)
			require.Contains(t, settings, workerfx.Setting{Name: "essential", Value: "on failure", Source: workerfx.SourceCode})
			continue
		}
		require.ErrorContains(t, err, want)
	}
}

func TestEssentialWorkerMayStopWithThePool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := newPool(t, workerfx.NewWorker("essential", untilStopped, workerfx.WithEssential()))
		assert.NoError(t, pool.Run(within(t, time.Second)))
	})
}

func TestRemovedEssentialWorkerStopsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := startPool(t, workerfx.NewWorker("essential", untilStopped, workerfx.WithEssential()), workerfx.NewWorker("other", untilStopped))
		synctest.Wait()
		require.NoError(t, pool.Remove(t.Context(), "essential"))
		assert.Equal(t, workerfx.StatusRunning, execution(t, pool, "other").Status)
		_, err := pool.Execution("essential")
		assert.ErrorIs(t, err, workerfx.ErrUnknownWorker)
	})
}

func TestWaitEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		workerfx.Wait(within(t, time.Second), time.Hour)
		assert.Equal(t, time.Second, time.Since(start))
		workerfx.Wait(t.Context(), time.Minute)
		workerfx.Wait(t.Context(), -time.Minute)
		assert.Equal(t, time.Second+time.Minute, time.Since(start))
	})
}

func TestAPauseKeepsTheWaitOfAFailureLimit(t *testing.T) {
	bubble("", t, func(t *testing.T) {
		pool := startPool(t, workerfx.NewWorker("w", fails,
			workerfx.WithInterval(time.Second), workerfx.WithFailureLimit(workerfx.FailureLimit{Threshold: 1, Decay: time.Hour, Pause: time.Minute})))
		time.Sleep(2500 * time.Millisecond)
		require.EqualValues(t, 2, execution(t, pool, "w").Runs)
		require.NoError(t, pool.Pause("w"))
		synctest.Wait()
		require.NoError(t, pool.Resume("w"))
		require.NoError(t, pool.Reschedule("w", must(workerfx.ParseCron("@every 2s"))))
		time.Sleep(30 * time.Second)
		require.EqualValues(t, 2, execution(t, pool, "w").Runs)
		time.Sleep(30 * time.Second)
		require.EqualValues(t, 3, execution(t, pool, "w").Runs)
	})
}
