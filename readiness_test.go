package workerfx_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/middleware"
)

// readyAfter is the body of a worker that is ready after d.
func readyAfter(d time.Duration) workerfx.RunFunc {
	return func(ctx context.Context) error {
		workerfx.Wait(ctx, d)
		workerfx.Ready(ctx)
		return untilStopped(ctx)
	}
}

// fails is the body of a worker that fails.
func fails(context.Context) error { return errBoom }

// troubles lists what the error of Ready or Health says, as "worker trouble".
func troubles(err error) (found []string) {
	if health, ok := errors.AsType[*workerfx.HealthError](err); ok {
		for _, p := range health.Problems {
			found = append(found, fmt.Sprint(p.Worker, " ", p.Trouble))
		}
	}
	return found
}

// isReady tells whether the pool is ready now.
func isReady(pool *workerfx.Pool) bool {
	synctest.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), time.Nanosecond)
	defer cancel()
	return pool.Ready(ctx) == nil
}

func TestReadyWaitsUntilEveryWorkerIsReady(t *testing.T) {
	tests := map[string]struct {
		worker workerfx.Worker
		want   time.Duration
	}{
		"no workers":                      {nil, 0},
		"without readiness":               {workerfx.NewWorker("w", untilStopped), 0},
		"with readiness":                  {workerfx.NewWorker("w", readyAfter(time.Minute), workerfx.WithReadiness()), time.Minute},
		"without readiness, deferred":     {workerfx.NewWorker("w", untilStopped, workerfx.WithDeferredStart(time.Hour)), time.Hour},
		"with readiness, deferred":        {workerfx.NewWorker("w", readyAfter(time.Minute), workerfx.WithReadiness(), workerfx.WithDeferredStart(time.Hour)), time.Hour + time.Minute},
		"succeeded without saying so":     {workerfx.NewWorker("w", func(context.Context) error { return nil }, workerfx.WithReadiness()), 0},
		"replicas, the last of them":      {workerfx.NewWorker("w", readyInTurn(), workerfx.WithReadiness(), workerfx.WithReplicas(3)), 3 * time.Second},
		"no replicas":                     {workerfx.NewWorker("w", untilStopped, workerfx.WithReadiness(), workerfx.WithReplicas(0)), 0},
		"before its next tick":            {workerfx.NewWorker("w", untilStopped, workerfx.WithInterval(time.Hour)), 0},
		"before its next tick, readiness": {workerfx.NewWorker("w", readyAfter(0), workerfx.WithReadiness(), workerfx.WithInterval(time.Hour)), 0},
		"deferred schedule":               {workerfx.NewWorker("w", untilStopped, workerfx.WithInterval(time.Hour), workerfx.WithDeferredStart(time.Minute)), 0},
		"first run at once":               {workerfx.NewWorker("w", readyAfter(time.Second), workerfx.WithReadiness(), workerfx.WithInterval(time.Hour), workerfx.WithStartImmediately()), time.Second},
		"on the second attempt":           {workerfx.NewWorker("w", readyOnAttempt(2), workerfx.WithReadiness(), workerfx.WithMaxAttempts(2), static), 2 * time.Second},
		"child": {workerfx.NewWorker("w", func(ctx context.Context) error {
			if err := workerfx.AddChild(ctx, workerfx.NewWorker("c", readyAfter(time.Second)), workerfx.WithReadiness()); err != nil {
				return err
			}
			workerfx.Ready(ctx)
			return untilStopped(ctx)
		}, workerfx.WithReadiness()), time.Second},
	}
	for name, test := range tests {
		bubble(name, t, func(t *testing.T) {
			pool := newPool(t)
			if test.worker != nil {
				require.NoError(t, pool.Add(test.worker))
			}
			require.NoError(t, pool.Start(t.Context()))
			start := time.Now()
			require.NoError(t, pool.Ready(within(t, 24*time.Hour)))
			assert.Equal(t, test.want, time.Since(start))
			require.NoError(t, pool.Ready(within(t, time.Nanosecond)), "and stays so")
			require.NoError(t, pool.Stop(context.Background()))
		})
	}
}

// readyInTurn returns the body of replicas of which the first is ready after a second, the next after two, and so on.
func readyInTurn() workerfx.RunFunc {
	var n atomic.Int64
	return func(ctx context.Context) error {
		return readyAfter(time.Duration(n.Add(1)) * time.Second)(ctx)
	}
}

// readyOnAttempt fails after a second until its nth attempt.
func readyOnAttempt(n int) workerfx.RunFunc {
	return func(ctx context.Context) error {
		if workerfx.CtxAttempt(ctx) < n {
			time.Sleep(time.Second)
			return errBoom
		}
		return readyAfter(0)(ctx)
	}
}

func TestReadyWaitsForTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := newPool(t, workerfx.NewWorker("w", readyAfter(time.Second), workerfx.WithReadiness()))
		require.ErrorIs(t, pool.Ready(within(t, time.Second)), context.DeadlineExceeded)
		require.ErrorIs(t, pool.Ready(within(t, time.Second)), workerfx.ErrNotStarted, "and says what is missing")
		start := time.Now()
		time.AfterFunc(time.Minute, func() { assert.NoError(t, pool.Start(context.Background())) })
		require.NoError(t, pool.Ready(within(t, time.Hour)))
		assert.Equal(t, time.Minute+time.Second, time.Since(start))
		require.NoError(t, pool.Stop(context.Background()))
	})
}

func TestReadySaysWhoIsNotWhenTimeIsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := startPool(t,
			workerfx.NewWorker("quick", readyAfter(0), workerfx.WithReadiness()),
			workerfx.NewWorker("silent", untilStopped, workerfx.WithReadiness()),
			workerfx.NewWorker("slow", readyInTurn(), workerfx.WithReadiness(), workerfx.WithReplicas(2)))
		start := time.Now()
		err := pool.Ready(within(t, 1500*time.Millisecond))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		var health *workerfx.HealthError
		require.ErrorAs(t, err, &health)
		require.Equal(t, []string{"silent not ready", "slow not ready"}, troubles(err))
		assert.True(t, start.Equal(health.Problems[0].Since), "since its run began")
		assert.ErrorContains(t, err, `worker "silent" is not ready since 2000-01-01T00:00:00Z`)

		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errBoom)
		assert.ErrorIs(t, pool.Ready(ctx), errBoom, "and why it stopped waiting")
	})
}

func TestReadyFailsAtOnceIfAWorkerCannotBecomeReady(t *testing.T) {
	tests := map[string][]workerfx.Worker{
		"failed":                 {workerfx.NewWorker("bad", fails)},
		"failed, with readiness": {workerfx.NewWorker("bad", fails, workerfx.WithReadiness())},
		"failed beside another that is not ready yet": {
			workerfx.NewWorker("another", untilStopped, workerfx.WithReadiness()), workerfx.NewWorker("bad", fails)},
		"failed while one waits for another": {
			workerfx.NewWorker("another", untilStopped, workerfx.WithReadiness()),
			workerfx.NewWorker("bad", func(context.Context) error { time.Sleep(time.Second); return errBoom }, workerfx.WithReadiness())},
		"said it was ready, and failed": {workerfx.NewWorker("bad", func(ctx context.Context) error { workerfx.Ready(ctx); return errBoom }, workerfx.WithReadiness())},
		"one of its replicas": {workerfx.NewWorker("bad", func(ctx context.Context) error {
			if workerfx.CtxExecutionID(ctx) == "1" {
				return errBoom
			}
			return untilStopped(ctx)
		}, workerfx.WithReplicas(3))},
	}
	for name, workers := range tests {
		bubble(name, t, func(t *testing.T) {
			var ids atomic.Int64
			pool := must(workerfx.NewPool(silent, workerfx.WithIDGenerator(func() string { return fmt.Sprint(ids.Add(1)) })))
			for _, w := range workers {
				require.NoError(t, pool.Add(w))
			}
			require.NoError(t, pool.Start(t.Context()))
			synctest.Wait() // without readiness it is ready in between
			start := time.Now()
			err := pool.Ready(within(t, time.Hour))
			assert.LessOrEqual(t, time.Since(start), time.Second)
			require.ErrorIs(t, err, errBoom)
			assert.Contains(t, troubles(err), "bad failed")
			require.NoError(t, pool.Stop(context.Background()))
		})
	}
}

func TestReadyFailsOnceThePoolIsAskedToStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := startPool(t, workerfx.NewWorker("w", untilStopped, workerfx.WithReadiness()))
		time.AfterFunc(time.Second, func() { assert.NoError(t, pool.Stop(context.Background())) })
		require.ErrorIs(t, pool.Ready(within(t, time.Hour)), workerfx.ErrPoolStopped)
		require.ErrorIs(t, pool.Ready(within(t, time.Hour)), workerfx.ErrPoolStopped)

		never := newPool(t)
		time.AfterFunc(time.Second, func() { assert.NoError(t, never.Stop(context.Background())) })
		require.ErrorIs(t, never.Ready(within(t, time.Hour)), workerfx.ErrPoolStopped, "also before the start")

		core := startPool(t, workerfx.NewWorker("core", fails, workerfx.WithEssential(), workerfx.WithReadiness(), workerfx.WithDeferredStart(time.Second)))
		require.ErrorIs(t, core.Ready(within(t, time.Hour)), errBoom, "and says why")
		synctest.Wait()
		require.ErrorIs(t, core.Ready(within(t, time.Hour)), workerfx.ErrExitedPrematurely)
	})
}

func TestRestartedWorkerIsNotReadyUntilItSaysSoAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := startPool(t, workerfx.NewWorker("w", readyAfter(time.Second), workerfx.WithReadiness()))
		require.NoError(t, pool.Ready(t.Context()))
		require.NoError(t, pool.Restart("w"))
		assert.False(t, isReady(pool))
		assert.Equal(t, []string{"w not ready"}, troubles(pool.Health()))
		start := time.Now()
		require.NoError(t, pool.Ready(t.Context()))
		assert.InDelta(t, time.Second, time.Since(start), 10)
	})
}

func TestFailedRunIsNotReadyUntilTheNextSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := startPool(t, workerfx.NewWorker("w", func(ctx context.Context) error {
			workerfx.Ready(ctx)
			time.Sleep(time.Second)
			if workerfx.CtxAttempt(ctx) == 1 {
				return errBoom
			}
			return untilStopped(ctx)
		}, workerfx.WithReadiness(), workerfx.WithMaxAttempts(0), static))
		assert.True(t, isReady(pool))
		time.Sleep(time.Second)
		assert.False(t, isReady(pool), "it waits for its next attempt")
		time.Sleep(time.Second)
		assert.True(t, isReady(pool))
	})
}

func TestScheduledWorkerWhoseLastTickFailedIsReadyOnceItsRunSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := startPool(t, workerfx.NewWorker("w", func(ctx context.Context) error {
			if workerfx.CtxAttempt(ctx) == 1 {
				return errBoom
			}
			return readyAfter(time.Second)(ctx)
		}, workerfx.WithReadiness(), workerfx.WithInterval(time.Minute), workerfx.WithMaxAttempts(2), static),
			workerfx.NewWorker("dependent", untilStopped, after("w"), workerfx.WithDeferredStart(time.Minute)))
		time.Sleep(time.Minute + time.Second + time.Second/2) // the second attempt has begun
		assert.False(t, isReady(pool))
		time.Sleep(time.Second)
		assert.True(t, isReady(pool))
		assert.Equal(t, workerfx.StatusRunning, execution(t, pool, "dependent").Status)
		require.NoError(t, pool.Stop(context.Background()))
	})
}

func TestScheduledWorkerIsReadyUnlessItsLastTickFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runs := 0
		pool := startPool(t, workerfx.NewWorker("w", func(ctx context.Context) error {
			if runs++; runs == 2 {
				return errBoom
			}
			return nil
		}, workerfx.WithReadiness(), workerfx.WithInterval(time.Minute)))
		for ticks, want := range []bool{true, true, false, true} {
			assert.Equal(t, want, isReady(pool), "after %d ticks", ticks)
			time.Sleep(time.Minute)
		}
	})
}

func TestPausedAndScaledToZeroWorkersAreReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := startPool(t, workerfx.NewWorker("w", untilStopped, workerfx.WithReadiness(), workerfx.WithDeferredStart(time.Hour)),
			workerfx.NewWorker("scaled", untilStopped, workerfx.WithReadiness(), workerfx.WithReplicas(2)),
			workerfx.NewWorker("failed", fails))
		assert.False(t, isReady(pool))
		require.NoError(t, pool.Pause("w"))
		require.NoError(t, pool.Scale("scaled", 0))
		require.NoError(t, pool.Scale("failed", 0))
		assert.True(t, isReady(pool))
		require.NoError(t, pool.Health())
		require.NoError(t, pool.Resume("w"))
		assert.False(t, isReady(pool))
	})
}

func TestReplicaThatFailedIsForgottenWhenScaledDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n atomic.Int64
		pool := startPool(t, workerfx.NewWorker("w", func(ctx context.Context) error {
			if n.Add(1) > 1 {
				return errBoom
			}
			return untilStopped(ctx)
		}))
		synctest.Wait()
		require.NoError(t, pool.More("w"))
		assert.False(t, isReady(pool))
		require.NoError(t, pool.Less("w"))
		assert.True(t, isReady(pool))
		require.NoError(t, pool.Health())
		assert.Len(t, pool.Executions(), 1)
		got := gather(t, registered(t, pool))
		assert.InDelta(t, 1, got[`worker_executions_total{status="error",worker="w"}`], 0, "a counter never falls")
		require.NoError(t, pool.More("w"))
		synctest.Wait()
		assert.EqualValues(t, 3, n.Load(), "a new one takes its place")
	})
}

func TestRemovedWorkerIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := startPool(t, workerfx.NewWorker("w", untilStopped, workerfx.WithReadiness()))
		time.AfterFunc(time.Second, func() { assert.NoError(t, pool.Remove(context.Background(), "w")) })
		start := time.Now()
		require.NoError(t, pool.Ready(within(t, time.Minute)))
		assert.Equal(t, time.Second, time.Since(start))
	})
}

func TestAddedWorkerIsWaitedForToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := startPool(t, workerfx.NewWorker("m", readyAfter(2*time.Second), workerfx.WithReadiness()))
		time.AfterFunc(time.Second, func() {
			for _, name := range []string{"a", "z"} {
				assert.NoError(t, pool.Add(workerfx.NewWorker(name, readyAfter(2*time.Second), workerfx.WithReadiness())))
			}
		})
		start := time.Now()
		require.NoError(t, pool.Ready(within(t, time.Minute)))
		assert.Equal(t, 3*time.Second, time.Since(start))
	})
}

func TestReadyIsAnEventOfTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := startPool(t,
			workerfx.NewWorker("w", func(ctx context.Context) error {
				for range 3 { // saying it again has no effect
					workerfx.Ready(ctx)
				}
				return untilStopped(ctx)
			}, workerfx.WithReadiness()),
			workerfx.NewWorker("other", readyAfter(0)))
		e := execution(t, pool, "w")
		events := messages(e)
		assert.Equal(t, []string{workerfx.EventStarted, workerfx.EventReady}, events)
		assert.Equal(t, e.ID, e.Events[1].ExecutionID)
		assert.False(t, execution(t, pool, "other").HasEvent(workerfx.EventReady), "it has no readiness")
	})
}

// messages are the messages of a worker's events.
func messages(e workerfx.Execution) (messages []string) {
	for _, event := range e.Events {
		messages = append(messages, event.Message)
	}
	return messages
}

func TestSigningOffIsSafeAnywhere(t *testing.T) {
	type key struct{}
	all := func(ctx context.Context) {
		workerfx.Ready(ctx)
		workerfx.Heartbeat(ctx)
		workerfx.Draining(ctx)
		workerfx.Standby(ctx)()
	}
	all(t.Context())
	assert.Nil(t, workerfx.Draining(context.Background()), "a bare context is never drained")
	synctest.Test(t, func(t *testing.T) {
		var ended []context.Context
		var mu sync.Mutex
		body := func(ctx context.Context) error {
			mu.Lock()
			defer mu.Unlock()
			wrapped, cancel := context.WithCancel(context.WithValue(ctx, key{}, 1))
			defer cancel()
			ended = append(ended, ctx, wrapped, context.WithoutCancel(ctx))
			if len(ended) > 3 {
				all(ctx)
			}
			return nil
		}
		pool := startPool(t, workerfx.NewWorker("w", body, workerfx.WithReadiness(), workerfx.WithHeartbeat(time.Second),
			workerfx.WithInterval(time.Hour)))
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		var wg sync.WaitGroup
		for _, ctx := range ended {
			for range 4 {
				wg.Go(func() { all(ctx); <-workerfx.Draining(ctx) })
			}
		}
		wg.Wait()
		e := execution(t, pool, "w")
		assert.Equal(t, workerfx.StatusWaiting, e.Status)
		require.NoError(t, pool.Health())
	})
}

func TestReadyCountsFromAnyGoroutineAndContextOfTheRun(t *testing.T) {
	tests := map[string]func(ctx context.Context) error{
		"goroutine": func(ctx context.Context) error { go workerfx.Ready(ctx); return untilStopped(ctx) },
		"wrapped": func(ctx context.Context) error {
			wrapped, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			workerfx.Ready(wrapped)
			return untilStopped(ctx)
		},
		"without cancel": func(ctx context.Context) error { workerfx.Ready(context.WithoutCancel(ctx)); return untilStopped(ctx) },
		"item":           workerfx.FromChannel(filled(1), func(ctx context.Context, _ int) error { workerfx.Ready(ctx); return untilStopped(ctx) }),
		"batch":          workerfx.Batch(filled(1), 1, 0, func(ctx context.Context, _ []int) error { workerfx.Ready(ctx); return untilStopped(ctx) }),
		"loop":           workerfx.Loop(func(ctx context.Context) error { workerfx.Ready(ctx); return untilStopped(ctx) }),
	}
	for name, body := range tests {
		bubble(name, t, func(t *testing.T) {
			pool := startPool(t, workerfx.NewWorker("w", body, workerfx.WithReadiness(), workerfx.WithStopTimeout(time.Second)))
			require.NoError(t, pool.Ready(within(t, time.Second)))
			_ = pool.Stop(context.Background())
		})
	}
	bubble("middleware", t, func(t *testing.T) {
		ready := func(next workerfx.RunFunc) workerfx.RunFunc {
			return func(ctx context.Context) error { workerfx.Ready(ctx); return next(ctx) }
		}
		pool := startPool(t, workerfx.NewWorker("w", untilStopped, workerfx.WithReadiness(), workerfx.WithMiddleware(ready)))
		require.NoError(t, pool.Ready(within(t, time.Second)))
	})
	bubble("a child speaks for itself", t, func(t *testing.T) {
		pool := startPool(t, workerfx.NewWorker("w", func(ctx context.Context) error {
			if err := workerfx.AddChild(ctx, workerfx.NewWorker("c", readyAfter(0)), workerfx.WithReadiness()); err != nil {
				return err
			}
			return untilStopped(ctx)
		}, workerfx.WithReadiness()))
		assert.Equal(t, []string{"w not ready"}, troubles(pool.Ready(within(t, time.Second))))
	})
}

func TestWorkerOnStandbyIsReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var end [2]func()
		next := make(chan struct{})
		pool := startPool(t, workerfx.NewWorker("w", func(ctx context.Context) error {
			end[0], end[1] = workerfx.Standby(ctx), workerfx.Standby(ctx)
			<-next
			workerfx.Ready(ctx)
			return untilStopped(ctx)
		}, workerfx.WithReadiness(), workerfx.WithHeartbeat(time.Hour)))
		assert.True(t, isReady(pool))
		end[0]()
		end[0]()
		assert.True(t, isReady(pool), "one still waits; to end it twice has no effect")
		end[1]()
		assert.False(t, isReady(pool), "it has its turn, and did not say that it can work")
		close(next)
		assert.True(t, isReady(pool))
	})
}

func TestSingletonsThatWaitForTheirTurnAreReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := startPool(t, workerfx.NewWorker("w", func(ctx context.Context) error {
			for ctx.Err() == nil {
				workerfx.Heartbeat(ctx)
				workerfx.Ready(ctx)
				workerfx.Wait(ctx, time.Second)
			}
			return ctx.Err()
		}, workerfx.WithReplicas(3), workerfx.WithReadiness(), workerfx.WithHeartbeat(time.Minute, workerfx.RestartStuck),
			workerfx.WithMiddleware(middleware.Singleton(middleware.NewLocalLocker()))))
		require.NoError(t, pool.Ready(within(t, time.Second)))
		time.Sleep(time.Hour)
		require.NoError(t, pool.Health(), "they wait, but are not stuck")
		for _, e := range pool.Executions() {
			assert.EqualValues(t, 1, e.Runs)
		}
		require.NoError(t, pool.Stop(context.Background()))
	})
}

func TestReadyOfThousandsFromManyGoroutines(t *testing.T) {
	const n = 5000
	pool := newPool(t)
	for i := range n {
		require.NoError(t, pool.Add(workerfx.NewWorker(fmt.Sprint(i), readyAfter(0), workerfx.WithReadiness())))
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() { assert.NoError(t, pool.Ready(within(t, time.Minute))) })
	}
	require.NoError(t, pool.Start(t.Context()))
	wg.Wait()
	require.NoError(t, pool.Health())
	require.NoError(t, pool.Stop(within(t, time.Minute)))
}

func TestARemovedWorkerNeedNotBecomeReady(t *testing.T) {
	bubble("", t, func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		pool := startPool(t,
			workerfx.NewWorker("deaf", stubborn(release), workerfx.WithReadiness(), workerfx.WithStopTimeout(time.Second)),
			workerfx.NewWorker("w", untilStopped))
		synctest.Wait()
		ready := make(chan error, 1)
		go func() { ready <- pool.Ready(within(t, time.Hour)) }()
		var stop *workerfx.StopError
		require.ErrorAs(t, pool.Remove(context.Background(), "deaf"), &stop)
		synctest.Wait()
		select {
		case err := <-ready:
			require.NoError(t, err)
		default:
			t.Error("Ready waits for a worker that was removed")
		}
		require.NoError(t, pool.Health())
		require.InDelta(t, 0, gather(t, registered(t, pool))[`worker_not_ready{worker="deaf"}`], 0)
	})
}
