package workerfx_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx"
)

//go:noinline
func panicsInGoroutine(context.Context) error { panic("at the disco") }

// withGoroutine is the Run of a worker that starts fn and waits for the end of its context.
func withGoroutine(fn workerfx.RunFunc) workerfx.RunFunc {
	return func(ctx context.Context) error {
		if err := workerfx.Go(ctx, fn); err != nil {
			return err
		}
		return untilStopped(ctx)
	}
}

func TestFailureOfAGoroutineEndsTheRunAndIsItsFailure(t *testing.T) {
	tests := map[string]struct {
		fn   workerfx.RunFunc
		text string
		is   error
	}{
		"error":                      {fails, "boom", errBoom},
		"panic":                      {panicsInGoroutine, "panic: at the disco", nil},
		"Goexit":                     {func(context.Context) error { runtime.Goexit(); return nil }, "Goexit", workerfx.ErrGoexit},
		"made-up error of a context": {func(context.Context) error { return context.Canceled }, "context canceled", context.Canceled},
	}
	for name, test := range tests {
		bubble(name, t, func(t *testing.T) {
			causes := make(chan error, 2)
			pool := startPool(t, workerfx.NewWorker("w", func(ctx context.Context) error {
				defer func() { causes <- context.Cause(ctx) }()
				return withGoroutine(test.fn)(ctx)
			}, workerfx.WithMaxAttempts(2), static))
			e := execution(t, pool, "w")
			require.Equal(t, workerfx.StatusWaiting, e.Status)
			require.ErrorContains(t, e.Err, test.text)
			cause := <-causes
			require.ErrorContains(t, cause, test.text)
			if test.is != nil {
				require.ErrorIs(t, e.Err, test.is)
				require.ErrorIs(t, cause, test.is)
			}
			time.Sleep(time.Hour)
			synctest.Wait()
			require.Equal(t, workerfx.StatusError, execution(t, pool, "w").Status)
			require.EqualValues(t, 2, execution(t, pool, "w").Runs)
		})
	}
}

func TestPanicOfAGoroutineKeepsItsStack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := startPool(t, workerfx.NewWorker("w", withGoroutine(panicsInGoroutine)))
		synctest.Wait()
		panicked, ok := errors.AsType[*workerfx.PanicError](execution(t, pool, "w").Err)
		require.True(t, ok)
		require.Contains(t, string(panicked.Stack), "panicsInGoroutine")
	})
}

func TestTheRunIsOverWhenItsGoroutinesAre(t *testing.T) {
	for name, test := range map[string]struct {
		end    error
		status workerfx.Status
	}{
		"with success": {nil, workerfx.StatusSuccess},
		"with failure": {errBoom, workerfx.StatusError},
	} {
		bubble(name, t, func(t *testing.T) {
			pool := startPool(t, workerfx.NewWorker("w", func(ctx context.Context) error {
				return workerfx.Go(ctx, func(ctx context.Context) error {
					time.Sleep(time.Minute)
					require.NoError(t, ctx.Err(), "the context goes on after Run has returned nil")
					return workerfx.Go(ctx, func(ctx context.Context) error {
						time.Sleep(time.Minute)
						require.NoError(t, ctx.Err())
						return test.end
					})
				})
			}))
			require.Equal(t, workerfx.StatusRunning, execution(t, pool, "w").Status)
			time.Sleep(2*time.Minute - 1)
			synctest.Wait()
			require.Equal(t, workerfx.StatusRunning, execution(t, pool, "w").Status)
			time.Sleep(1 * time.Nanosecond)
			synctest.Wait()
			require.Equal(t, test.status, execution(t, pool, "w").Status)
			require.ErrorIs(t, execution(t, pool, "w").Err, test.end)
		})
	}
}

func TestFailureOfRunEndsItsGoroutines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var cause error
		pool := startPool(t, workerfx.NewWorker("w", func(ctx context.Context) error {
			require.NoError(t, workerfx.Go(ctx, func(ctx context.Context) error {
				<-ctx.Done()
				time.Sleep(time.Minute)
				cause = context.Cause(ctx)
				return ctx.Err()
			}))
			return errBoom
		}))
		require.Equal(t, workerfx.StatusRunning, execution(t, pool, "w").Status)
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Equal(t, errBoom, cause)
		require.Equal(t, errBoom, execution(t, pool, "w").Err)
	})
}

func TestBothFailuresOfARunAndItsGoroutineAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		late := errors.New("could not clean up")
		pool := startPool(t, workerfx.NewWorker("w", func(ctx context.Context) error {
			_ = withGoroutine(fails)(ctx)
			return late
		}))
		err := execution(t, pool, "w").Err
		require.ErrorIs(t, err, errBoom)
		require.ErrorIs(t, err, late)
		require.EqualError(t, err, "boom; then it ended with: could not clean up")
	})
}

func TestGoroutinesThatObeyAStopAreNoFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := startPool(t,
			workerfx.NewWorker("wrapped", withGoroutine(func(ctx context.Context) error {
				<-ctx.Done()
				return fmt.Errorf("query: %w", context.Cause(ctx))
			})),
			workerfx.NewWorker("fails", withGoroutine(func(ctx context.Context) error {
				<-ctx.Done()
				return errBoom
			})))
		synctest.Wait()
		require.NoError(t, pool.Stop(t.Context()))
		assert.Equal(t, workerfx.StatusStopped, execution(t, pool, "wrapped").Status)
		assert.NoError(t, execution(t, pool, "wrapped").Err)
		assert.Equal(t, workerfx.StatusError, execution(t, pool, "fails").Status)
		assert.Equal(t, errBoom, execution(t, pool, "fails").Err)
	})
}

func TestFailureOfAGoroutineEndsBodiesWithJobs(t *testing.T) {
	for name, body := range map[string]func(job func(context.Context) error) workerfx.RunFunc{
		"loop": func(job func(context.Context) error) workerfx.RunFunc { return workerfx.Loop(job) },
		"channel": func(job func(context.Context) error) workerfx.RunFunc {
			items := make(chan int, 1)
			items <- 1
			return workerfx.FromChannel(items, func(ctx context.Context, _ int) error { return job(ctx) })
		},
		"batch": func(job func(context.Context) error) workerfx.RunFunc {
			items := make(chan int, 1)
			items <- 1
			return workerfx.Batch(items, 1, time.Second, func(ctx context.Context, _ []int) error { return job(ctx) })
		},
	} {
		bubble(name, t, func(t *testing.T) {
			jobs := 0
			pool := startPool(t, workerfx.NewWorker("w", body(func(ctx context.Context) error {
				if jobs++; jobs == 1 {
					require.NoError(t, workerfx.Go(ctx, fails))
				}
				time.Sleep(time.Second)
				return nil
			})))
			time.Sleep(time.Minute)
			synctest.Wait()
			e := execution(t, pool, "w")
			require.Equal(t, workerfx.StatusError, e.Status)
			require.Equal(t, errBoom, e.Err)
			require.EqualValues(t, 1, e.Jobs, "the job that ran was not lost")
		})
	}
}

func TestGoFailsOutsideOfARun(t *testing.T) {
	require.ErrorContains(t, workerfx.Go(t.Context(), untilStopped), "not that of a worker's run")
	synctest.Test(t, func(t *testing.T) {
		var kept context.Context
		pool := startPool(t, workerfx.NewWorker("w", func(ctx context.Context) error {
			kept = ctx
			require.ErrorContains(t, workerfx.Go(ctx, nil), `worker "w": go: the function is nil`)
			return nil
		}))
		require.Equal(t, workerfx.StatusSuccess, execution(t, pool, "w").Status)
		require.ErrorContains(t, workerfx.Go(kept, untilStopped), `worker "w": go: the run has ended`)
	})
}

//go:noinline
func hangsInGoroutine(ctx context.Context) error {
	<-ctx.Done()
	time.Sleep(time.Hour)
	return nil
}

func TestStopNamesAGoroutineThatDoesNotEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := startPool(t, workerfx.NewWorker("w", withGoroutine(hangsInGoroutine)))
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		stop, ok := errors.AsType[*workerfx.StopError](pool.Stop(ctx))
		require.True(t, ok)
		require.Len(t, stop.Stragglers, 1)
		require.Contains(t, stop.Stragglers[0].Stack, "hangsInGoroutine")
		time.Sleep(time.Hour)
	})
}

func TestAGoroutineThatOutlastsTheRunTimeoutMakesTheRunStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := startPool(t, workerfx.NewWorker("w", withGoroutine(hangsInGoroutine), workerfx.WithRunTimeout(time.Second)))
		time.Sleep(time.Minute)
		synctest.Wait()
		health, ok := errors.AsType[*workerfx.HealthError](pool.Health())
		require.True(t, ok)
		require.True(t, health.Has(workerfx.TroubleStuck))
		time.Sleep(time.Hour)
		synctest.Wait()
		require.ErrorIs(t, execution(t, pool, "w").Err, context.DeadlineExceeded)
	})
}

func TestARunTimeoutIsAFailureAlsoWhenOnlyGoroutinesWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := startPool(t, workerfx.NewWorker("w", func(ctx context.Context) error {
			return workerfx.Go(ctx, untilStopped) // Run itself returns at once
		}, workerfx.WithMaxAttempts(0), workerfx.WithRunTimeout(time.Minute), static))
		time.Sleep(time.Minute)
		synctest.Wait()
		e := execution(t, pool, "w")
		require.Equal(t, workerfx.StatusWaiting, e.Status, "it is to be run again")
		require.EqualValues(t, 1, e.Failures)
		require.ErrorIs(t, e.Err, context.DeadlineExceeded)
		require.ErrorContains(t, e.Err, "run timeout of 1m0s passed")
	})
}

func TestAGoroutineThatFailsAfterErrDoNotRestartIsTheRunsFailure(t *testing.T) {
	for name, fails := range map[string]func(){"panics": func() { panic("x") }, "exits": runtime.Goexit} {
		bubble(name, t, func(t *testing.T) {
			pool := startPool(t, workerfx.NewWorker("w", func(ctx context.Context) error {
				_ = workerfx.Go(ctx, func(context.Context) error { time.Sleep(time.Second); fails(); return nil })
				return workerfx.ErrDoNotRestart
			}))
			time.Sleep(2 * time.Second)
			e := execution(t, pool, "w")
			require.Equal(t, workerfx.StatusError, e.Status)
			require.Error(t, e.Err)
		})
	}
}

func TestAPanicOfAGoroutineCountsBesideAnErrorOfRun(t *testing.T) {
	bubble("", t, func(t *testing.T) {
		pool := newPoolWith(t)
		require.NoError(t, pool.Add(workerfx.NewWorker("w", func(ctx context.Context) error {
			_ = workerfx.Go(ctx, panicsInGoroutine)
			<-ctx.Done()
			return errors.New("connection closed")
		})))
		require.NoError(t, pool.Start(t.Context()))
		defer func() { _ = pool.Stop(context.Background()) }()
		e := execution(t, pool, "w")
		var p *workerfx.PanicError
		require.ErrorAs(t, e.Err, &p)
		require.InDelta(t, 1, gather(t, registered(t, pool))[`worker_panics_total{worker="w"}`], 0)
	})
}

func TestAGoroutineThatGivesUpEndsTheWorker(t *testing.T) {
	bubble("", t, func(t *testing.T) {
		pool := startPool(t, workerfx.NewWorker("w", func(ctx context.Context) error {
			_ = workerfx.Go(ctx, func(context.Context) error { return fmt.Errorf("bad key: %w", workerfx.ErrDoNotRestart) })
			<-ctx.Done()
			return errors.New("connection closed")
		}, workerfx.WithMaxAttempts(0), static))
		e := execution(t, pool, "w")
		require.ErrorIs(t, e.Err, workerfx.ErrDoNotRestart)
		require.Equal(t, workerfx.StatusError, e.Status)
	})
}

func TestAnErrorOfAGoroutineOfAStuckRunIsSeen(t *testing.T) {
	for _, stop := range []bool{false, true} {
		bubble(fmt.Sprintf("stops %v", stop), t, func(t *testing.T) {
			pool := newPool(t, workerfx.NewWorker("w", func(ctx context.Context) error {
				_ = workerfx.Go(ctx, func(ctx context.Context) error {
					<-ctx.Done()
					time.Sleep(time.Second)
					panic("at the disco")
				})
				return untilStopped(ctx)
			}, workerfx.WithHeartbeat(time.Second, workerfx.RestartStuck), workerfx.WithBackoff(workerfx.StaticBackoff{Sleep: time.Hour})))
			require.NoError(t, pool.Start(t.Context()))
			defer func() { _ = pool.Stop(context.Background()) }()
			time.Sleep(1500 * time.Millisecond)
			if stop {
				require.NoError(t, pool.Stop(context.Background()))
			} else {
				time.Sleep(2 * time.Second)
			}
			e := execution(t, pool, "w")
			require.ErrorIs(t, e.Err, workerfx.ErrStuck)
			require.ErrorContains(t, e.Err, "at the disco")
			require.InDelta(t, 1, gather(t, registered(t, pool))[`worker_panics_total{worker="w"}`], 0)
			if stop {
				require.Equal(t, workerfx.StatusError, e.Status)
			}
		})
	}
}

func TestErrStoppingOfAGoroutineNobodyAskedToStopIsAFailure(t *testing.T) {
	for name, run := range map[string]workerfx.RunFunc{
		"of the goroutine": withGoroutine(func(context.Context) error { return workerfx.ErrStopping }),
		"of Run": func(ctx context.Context) error {
			_ = workerfx.Go(ctx, untilStopped)
			return workerfx.ErrStopping
		},
	} {
		bubble(name, t, func(t *testing.T) {
			runs := 0
			pool := startPool(t, workerfx.NewWorker("w", func(ctx context.Context) error {
				if runs++; runs > 100 {
					return untilStopped(ctx)
				}
				return run(ctx)
			}, workerfx.WithMaxAttempts(2), static))
			time.Sleep(time.Minute)
			e := execution(t, pool, "w")
			require.Equal(t, 2, runs)
			require.Equal(t, workerfx.StatusError, e.Status)
			require.ErrorIs(t, e.Err, workerfx.ErrStopping)
		})
	}
}
