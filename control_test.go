package workerfx_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx"
)

// running counts the replicas of a worker that run.
func running(pool *workerfx.Pool, name string) (n int) {
	synctest.Wait()
	for _, e := range pool.Executions() {
		if e.Worker == name && e.Status == workerfx.StatusRunning {
			n++
		}
	}
	return n
}

func TestReplicasRunSideBySide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := startPool(t, workerfx.NewWorker("w", untilStopped, workerfx.WithReplicas(3)))
		assert.Equal(t, 3, running(pool, "w"))
		for i, e := range pool.Executions() {
			assert.Equal(t, i, e.Replica)
		}
		got := gather(t, registered(t, pool))
		assert.InDelta(t, 3, got[`worker_running{worker="w"}`], 0)
		assert.InDelta(t, 3, got[`worker_replicas{worker="w"}`], 0)
		require.NoError(t, pool.Stop(context.Background()))
	})
}

func TestScaleMoreAndLess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := startPool(t, workerfx.NewWorker("w", untilStopped, workerfx.WithReplicas(2), workerfx.WithReplicaLimits(1, 4)))
		require.NoError(t, pool.More("w"))
		assert.Equal(t, 3, running(pool, "w"))
		require.NoError(t, pool.Scale("w", 4))
		assert.Equal(t, 4, running(pool, "w"))
		assert.ErrorIs(t, pool.More("w"), workerfx.ErrMaxReplicas)
		require.NoError(t, pool.Scale("w", 1))
		assert.Equal(t, 1, running(pool, "w"))
		assert.Len(t, pool.Executions(), 1, "replicas that are gone are forgotten")
		assert.ErrorIs(t, pool.Less("w"), workerfx.ErrMinReplicas)
		assert.ErrorIs(t, pool.Scale("x", 1), workerfx.ErrUnknownWorker)
		got := gather(t, registered(t, pool))
		assert.InDelta(t, 4, got[`worker_executions_total{status="started",worker="w"}`], 0, "a counter never falls")
	})
}

func TestScaleToZeroPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := startPool(t, workerfx.NewWorker("w", untilStopped, workerfx.WithEssential()))
		assert.Equal(t, 1, running(pool, "w"))
		require.NoError(t, pool.Scale("w", 0))
		assert.Equal(t, workerfx.StatusPaused, execution(t, pool, "w").Status)
		require.ErrorContains(t, pool.Resume("w"), "scale it up")
		require.ErrorContains(t, pool.Restart("w"), "scale it up")
		require.NoError(t, pool.More("w"))
		assert.Equal(t, 1, running(pool, "w"))
		require.NoError(t, pool.Scale("w", 0))
		synctest.Wait()
		require.NoError(t, pool.Stop(context.Background()))
	})
}

func TestReplicasMayBeginWithNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := startPool(t, workerfx.NewWorker("w", untilStopped, workerfx.WithReplicas(0)))
		assert.Equal(t, workerfx.StatusPaused, execution(t, pool, "w").Status)
		require.NoError(t, pool.Scale("w", 2))
		assert.Equal(t, 2, running(pool, "w"))
	})
}

func TestScalingDownLetsTheJobFinish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var done atomic.Int64
		job := func(ctx context.Context, _ int) error {
			time.Sleep(10 * time.Second)
			require.NoError(t, ctx.Err())
			done.Add(1)
			return nil
		}
		pool := startPool(t, workerfx.NewWorker("w", workerfx.FromChannel(filled(100), job), workerfx.WithReplicas(5)))
		assert.Equal(t, 5, running(pool, "w"))
		start := time.Now()
		require.NoError(t, pool.Scale("w", 1))
		assert.Zero(t, time.Since(start), "it does not wait")
		time.Sleep(15 * time.Second)
		assert.EqualValues(t, 5, done.Load(), "all five finished theirs")
		assert.Equal(t, 1, running(pool, "w"))
		require.NoError(t, pool.Scale("w", 3))
		time.Sleep(10 * time.Second)
		assert.Equal(t, 3, running(pool, "w"))
		require.NoError(t, pool.Stop(context.Background()))
	})
}

func TestScaledDownReplicaIsNeverDoubled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var now, most atomic.Int64
		pool := startPool(t, workerfx.NewWorker("w", func(context.Context) error {
			raise(&most, now.Add(1))
			defer now.Add(-1)
			<-release
			return nil
		}, workerfx.WithReplicas(2)))
		synctest.Wait()
		for range 10 {
			require.NoError(t, pool.Less("w"))
			synctest.Wait()
			require.NoError(t, pool.More("w"))
			synctest.Wait()
		}
		assert.EqualValues(t, 2, most.Load())
		require.NoError(t, pool.Less("w"))
		var stop *workerfx.StopError
		require.ErrorAs(t, pool.Stop(within(t, time.Second)), &stop)
		assert.Len(t, stop.Stragglers, 2, "also the one that was scaled down")
		assert.Equal(t, "w#1", stop.Stragglers[1].String())
		close(release)
	})
}

func TestPauseLetsTheRunEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runs := 0
		pool := startPool(t, workerfx.NewWorker("w", func(context.Context) error {
			runs++
			time.Sleep(30 * time.Second)
			return nil
		}, workerfx.WithInterval(time.Minute)))
		time.Sleep(70 * time.Second)
		require.NoError(t, pool.Pause("w"))
		assert.Equal(t, workerfx.StatusRunning, execution(t, pool, "w").Status)
		time.Sleep(time.Minute)
		e := execution(t, pool, "w")
		assert.Equal(t, workerfx.StatusPaused, e.Status)
		assert.True(t, e.HasEvent(workerfx.EventPaused))
		time.Sleep(time.Hour)
		assert.Equal(t, 1, runs)
		assert.Error(t, pool.Trigger("w"))
		require.NoError(t, pool.Resume("w"))
		time.Sleep(time.Minute)
		assert.True(t, execution(t, pool, "w").HasEvent(workerfx.EventResumed))
		assert.Equal(t, 2, runs)
		require.NoError(t, pool.Stop(context.Background()))
	})
}

func TestPausedLoopPausesAfterTheJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var jobs atomic.Int64
		pool := startPool(t, workerfx.NewWorker("w", workerfx.Loop(func(ctx context.Context) error {
			time.Sleep(time.Second)
			require.NoError(t, ctx.Err())
			jobs.Add(1)
			return nil
		})))
		time.Sleep(1500 * time.Millisecond)
		require.NoError(t, pool.Pause("w"))
		time.Sleep(time.Minute)
		e := execution(t, pool, "w")
		assert.Equal(t, workerfx.StatusPaused, e.Status)
		assert.EqualValues(t, 2, jobs.Load())
		assert.Zero(t, e.Failures)
		require.NoError(t, pool.Resume("w"))
		time.Sleep(10 * time.Second)
		assert.Greater(t, jobs.Load(), int64(10))
		assert.Equal(t, 1, execution(t, pool, "w").Attempt)
		require.NoError(t, pool.Pause("w"))
		time.Sleep(time.Minute)
		require.NoError(t, pool.Stop(context.Background()))
		assert.Equal(t, workerfx.StatusStopped, execution(t, pool, "w").Status)
	})
}

func TestTriggerRunsNow(t *testing.T) {
	fail := func(context.Context) error { return errBoom }
	tests := map[string]workerfx.Worker{
		"a tick":           workerfx.NewWorker("w", func(context.Context) error { return nil }, workerfx.WithInterval(time.Hour)),
		"an attempt":       workerfx.NewWorker("w", fail, workerfx.WithMaxAttempts(0), workerfx.WithBackoff(workerfx.StaticBackoff{Sleep: time.Hour})),
		"a deferred start": workerfx.NewWorker("w", fail, workerfx.WithDeferredStart(time.Hour)),
	}
	for name, w := range tests {
		bubble(name, t, func(t *testing.T) {
			pool := startPool(t, w)
			before := execution(t, pool, "w").Runs
			require.NoError(t, pool.Trigger("w"))
			e := execution(t, pool, "w")
			assert.Equal(t, before+1, e.Runs)
			assert.True(t, e.HasEvent(workerfx.EventTriggered))
		})
	}
	bubble("the grid stays", t, func(t *testing.T) {
		start := time.Now()
		pool := startPool(t, tests["a tick"])
		time.Sleep(10 * time.Minute)
		require.NoError(t, pool.Trigger("w"))
		e := execution(t, pool, "w")
		assert.True(t, e.NextRunAt.Equal(start.Add(time.Hour)), e.NextRunAt)
		assert.Zero(t, e.MissedTicks)
	})
}

func TestRestartBeginsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var attempts []int
		pool := startPool(t,
			workerfx.NewWorker("running", untilStopped, workerfx.WithEssential()),
			workerfx.NewWorker("done", func(context.Context) error { return nil }),
			workerfx.NewWorker("failed", func(ctx context.Context) error {
				attempts = append(attempts, workerfx.CtxAttempt(ctx))
				return errBoom
			}, workerfx.WithMaxAttempts(2), static))
		time.Sleep(time.Minute)
		for _, name := range []string{"running", "done", "failed"} {
			before := execution(t, pool, name)
			require.NoError(t, pool.Restart(name))
			time.Sleep(time.Minute)
			after := execution(t, pool, name)
			assert.Greater(t, after.Runs, before.Runs, name)
			assert.NotEqual(t, before.ID, after.ID, name)
			assert.Equal(t, before.Status, after.Status, name)
		}
		assert.Equal(t, []int{1, 2, 1, 2}, attempts)
		assert.Zero(t, execution(t, pool, "running").Failures)
		require.NoError(t, pool.Stop(context.Background()))
	})
}

func TestRestartOfAStragglerComesBackAndDoublesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var now, most atomic.Int64
		pool := startPool(t, workerfx.NewWorker("w", func(ctx context.Context) error {
			most.Store(max(most.Load(), now.Add(1)))
			defer now.Add(-1)
			<-release
			return untilStopped(ctx)
		}, workerfx.WithStopTimeout(3*time.Second)))
		synctest.Wait()
		start := time.Now()
		var stop *workerfx.StopError
		require.ErrorAs(t, pool.Restart("w"), &stop)
		assert.Equal(t, 3*time.Second, time.Since(start))
		assert.EqualValues(t, 1, most.Load())
		close(release)
		e := execution(t, pool, "w")
		assert.EqualValues(t, 2, e.Runs, "the new run follows as soon as the old one has ended")
		assert.EqualValues(t, 1, most.Load())
		require.NoError(t, pool.Stop(context.Background()))
	})
}

func TestControlNeedsAStartedPool(t *testing.T) {
	pool := newPool(t, workerfx.NewWorker("w", untilStopped), workerfx.NewWorker("none", untilStopped, workerfx.WithReplicas(0)))
	calls := map[string]func() error{
		"scale":   func() error { return pool.Scale("w", 2) },
		"more":    func() error { return pool.More("w") },
		"less":    func() error { return pool.Less("w") },
		"pause":   func() error { return pool.Pause("w") },
		"resume":  func() error { return pool.Resume("w") },
		"trigger": func() error { return pool.Trigger("w") },
		"restart": func() error { return pool.Restart("w") },

		"resume without replicas":  func() error { return pool.Resume("none") },
		"restart without replicas": func() error { return pool.Restart("none") },
	}
	for name, call := range calls {
		assert.ErrorIs(t, call(), workerfx.ErrNotStarted, name)
	}
	require.NoError(t, pool.Start(t.Context()))
	require.NoError(t, pool.Stop(t.Context()))
	for name, call := range calls {
		assert.ErrorIs(t, call(), workerfx.ErrPoolStopped, name)
	}
}

func TestBadReplicasAreErrorsThatNameThem(t *testing.T) {
	for want, opts := range map[string][]workerfx.Option{
		"replicas -1":       {workerfx.WithReplicas(-1)},
		"min replicas 3":    {workerfx.WithReplicas(3), workerfx.WithReplicaLimits(3, 2)},
		"min replicas -1":   {workerfx.WithReplicaLimits(-1, 2)},
		"max replicas -2":   {workerfx.WithReplicaLimits(0, -2)},
		"replicas 5":        {workerfx.WithReplicas(5), workerfx.WithReplicaLimits(0, 4)},
		"replicas 1":        {workerfx.WithReplicaLimits(2, 4)},
		"replicas 99999999": {workerfx.WithReplicas(99999999)},
	} {
		err := newPool(t).Add(workerfx.NewWorker("w", untilStopped), opts...)
		require.ErrorContains(t, err, want)
		assert.ErrorContains(t, err, `worker "w"`)
	}
}

func TestAutoscalerFollowsDemand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var demand atomic.Int64
		var fail atomic.Bool
		pool := startPool(t,
			workerfx.NewWorker("w", untilStopped, workerfx.WithReplicaLimits(1, 5)),
			&workerfx.Autoscaler{Worker: "w", PerReplica: 10, Every: time.Second, CoolDown: time.Minute, Demand: func(context.Context) (float64, error) {
				if fail.Load() {
					return 0, errBoom
				}
				return float64(demand.Load()), nil
			}})
		assert.Equal(t, 1, running(pool, "w"))
		demand.Store(25)
		time.Sleep(2 * time.Second)
		assert.Equal(t, 3, running(pool, "w"))
		demand.Store(1e9)
		time.Sleep(2 * time.Second)
		assert.Equal(t, 5, running(pool, "w"), "not above its limit")
		demand.Store(0)
		time.Sleep(30 * time.Second)
		assert.Equal(t, 5, running(pool, "w"), "cools down")
		fail.Store(true)
		time.Sleep(2 * time.Minute)
		assert.Equal(t, 5, running(pool, "w"), "as it was")
		fail.Store(false)
		time.Sleep(2 * time.Second)
		assert.Equal(t, 1, running(pool, "w"))
		require.NoError(t, pool.Stop(context.Background()))
	})
	for want, scaler := range map[string]*workerfx.Autoscaler{
		"Worker is empty": {},
		"Demand is nil":   {Worker: "w"},
		"PerReplica -1":   {Worker: "w", PerReplica: -1, Demand: func(context.Context) (float64, error) { return 0, nil }},
	} {
		assert.ErrorContains(t, newPool(t).Add(scaler), want)
	}
}

func TestControlFromAllGoroutinesAtAnyTime(t *testing.T) {
	pool := startPool(t, workerfx.NewWorker("w", workerfx.Loop(func(context.Context) error { return nil }), workerfx.WithReplicas(2), workerfx.WithReplicaLimits(0, 4)),
		workerfx.NewWorker("parent", func(ctx context.Context) error {
			for ctx.Err() == nil {
				_ = workerfx.AddChild(ctx, workerfx.NewWorker("kid", untilStopped))
				_ = workerfx.RemoveChild(ctx, "kid")
			}
			return ctx.Err()
		}, workerfx.WithReplicas(2)))
	stop := make(chan struct{})
	done := make(chan struct{})
	calls := []func(){
		func() { _ = pool.Pause("w") }, func() { _ = pool.Resume("w") }, func() { _ = pool.More("w") },
		func() { _ = pool.Less("w") }, func() { _ = pool.Trigger("w") }, func() { _ = pool.Restart("w") },
		func() { pool.Executions() },
		func() { _ = pool.Scale("parent", 0) },
		func() { _ = pool.Scale("parent", 3) },
	}
	for _, call := range calls {
		go func() {
			for {
				select {
				case <-stop:
					done <- struct{}{}
					return
				default:
					call()
				}
			}
		}()
	}
	time.Sleep(200 * time.Millisecond)
	close(stop)
	for range calls {
		<-done
	}
	require.NoError(t, pool.Stop(within(t, 10*time.Second)))
	for _, e := range pool.Executions() {
		assert.NotEqual(t, workerfx.StatusRunning, e.Status)
	}
}

func TestChildrenHaveFullGuarantees(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var names []string
		pool := startPool(t, workerfx.NewWorker("parent", func(ctx context.Context) error {
			fail := true
			require.NoError(t, workerfx.AddChild(ctx, workerfx.NewWorker("kid", func(ctx context.Context) error {
				names = append(names, workerfx.CtxWorkerName(ctx))
				if fail {
					fail = false
					panic("once")
				}
				return untilStopped(ctx)
			}, workerfx.WithMaxAttempts(0), static)))
			require.NoError(t, workerfx.AddChild(ctx, workerfx.NewWorker("short", func(context.Context) error { return nil })))
			return untilStopped(ctx)
		}))
		time.Sleep(time.Minute)
		e := execution(t, pool, "parent/kid")
		assert.Equal(t, workerfx.StatusRunning, e.Status)
		assert.EqualValues(t, 1, e.Restarts)
		assert.Equal(t, []string{"parent/kid", "parent/kid"}, names)
		_, err := pool.Execution("parent/short")
		require.ErrorIs(t, err, workerfx.ErrUnknownWorker, "forgotten when done")
		got := gather(t, registered(t, pool))
		assert.Contains(t, got, `worker_panics_total{worker="parent/kid"}`)
		assert.NotContains(t, got, `worker_panics_total{worker="parent/short"}`)
		require.NoError(t, pool.Stop(context.Background()))
		assert.Len(t, pool.Executions(), 1)
	})
}

func TestChildrenEndWithTheRunThatStartedThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var alive atomic.Int64
		runs := 0
		var late context.Context
		pool := startPool(t, workerfx.NewWorker("parent", func(ctx context.Context) error {
			assert.Zero(t, alive.Load(), "those of the run before are gone")
			runs++
			late = ctx
			for i := range 3 {
				require.NoError(t, workerfx.AddChild(ctx, workerfx.NewWorker(fmt.Sprint(i), func(ctx context.Context) error {
					alive.Add(1)
					defer alive.Add(-1)
					<-ctx.Done()
					time.Sleep(time.Second)
					return nil
				})))
			}
			assert.Equal(t, []string{"0", "1", "2"}, workerfx.Children(ctx))
			assert.ErrorContains(t, workerfx.AddChild(ctx, workerfx.NewWorker("a?", untilStopped)), `child of worker "parent": worker "a?": name "a?"`)
			time.Sleep(time.Second)
			return errBoom
		}, workerfx.WithMaxAttempts(3), static))
		time.Sleep(time.Minute)
		synctest.Wait()
		assert.Equal(t, 3, runs)
		assert.Zero(t, alive.Load())
		assert.Len(t, pool.Executions(), 1)
		assert.ErrorContains(t, workerfx.AddChild(late, workerfx.NewWorker("late", untilStopped)), "has ended")
		assert.Empty(t, workerfx.Children(late))
	})
}

func TestChildIsReplacedOnlyAfterTheOldOneStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var now, most atomic.Int64
		kid := func(name string) workerfx.Worker {
			return workerfx.NewWorker(name, func(ctx context.Context) error {
				most.Store(max(most.Load(), now.Add(1)))
				defer now.Add(-1)
				<-ctx.Done()
				time.Sleep(time.Second)
				return nil
			})
		}
		pool := startPool(t, workerfx.NewWorker("parent", func(ctx context.Context) error {
			for range 3 {
				require.NoError(t, workerfx.AddChild(ctx, kid("kid")))
				time.Sleep(time.Second)
			}
			require.NoError(t, workerfx.RemoveChild(ctx, "kid"))
			assert.Empty(t, workerfx.Children(ctx))
			require.ErrorIs(t, workerfx.RemoveChild(ctx, "kid"), workerfx.ErrUnknownWorker)
			return untilStopped(ctx)
		}))
		time.Sleep(time.Minute)
		assert.EqualValues(t, 1, most.Load(), "never two at once")
		require.NoError(t, pool.Stop(context.Background()))
	})
}

func TestStopNamesStragglersThatAreChildren(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		pool := startPool(t, workerfx.NewWorker("parent", func(ctx context.Context) error {
			require.NoError(t, workerfx.AddChild(ctx, workerfx.NewWorker("kid", stubborn(release))))
			return untilStopped(ctx)
		}))
		synctest.Wait()
		var stop *workerfx.StopError
		require.ErrorAs(t, pool.Stop(within(t, time.Second)), &stop)
		assert.Equal(t, "parent/kid", stop.Stragglers[len(stop.Stragglers)-1].Worker)
		close(release)
		synctest.Wait()
		require.NoError(t, pool.Stop(context.Background()))
	})
}

func TestChildFunctionsOutsideOfARun(t *testing.T) {
	assert.Error(t, workerfx.AddChild(t.Context(), workerfx.NewWorker("x", untilStopped)))
	assert.Error(t, workerfx.RemoveChild(t.Context(), "x"))
	assert.Empty(t, workerfx.Children(t.Context()))
}

func TestARestartByHandIsAnEventInAnyStatus(t *testing.T) {
	tests := map[workerfx.Status]workerfx.Worker{
		workerfx.StatusRunning: workerfx.NewWorker("w", untilStopped),
		workerfx.StatusWaiting: workerfx.NewWorker("w", untilStopped, workerfx.WithInterval(time.Hour)),
		workerfx.StatusPaused:  workerfx.NewWorker("w", untilStopped, workerfx.WithInterval(time.Hour)),
		workerfx.StatusSuccess: workerfx.NewWorker("w", func(context.Context) error { return nil }),
		workerfx.StatusError:   workerfx.NewWorker("w", fails),
	}
	for status, w := range tests {
		bubble(status.String(), t, func(t *testing.T) {
			pool := startPool(t, w)
			if status == workerfx.StatusPaused {
				require.NoError(t, pool.Pause("w"))
				synctest.Wait()
			}
			require.Equal(t, status, execution(t, pool, "w").Status)
			require.NoError(t, pool.Restart("w"))
			synctest.Wait()
			restarts := 0
			for _, e := range execution(t, pool, "w").Events {
				if e.Message == workerfx.EventRestarted {
					restarts++
				}
			}
			require.Equal(t, 1, restarts)
		})
	}
}

func TestAChildIsNotAddedWithAContextThatHasEnded(t *testing.T) {
	inRun(t, func(ctx context.Context) {
		ended, end := context.WithCancelCause(ctx)
		end(errBoom)
		err := workerfx.AddChild(ended, workerfx.NewWorker("c", untilStopped))
		assert.ErrorIs(t, err, errBoom)
		assert.ErrorContains(t, err, `worker "inner/c": add child: the context has ended`)
		assert.Empty(t, workerfx.Children(ctx))
	})
}

func TestAnAutoscalerOfAWorkerThatIsNotThereSaysSoOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := new(logBuffer)
		pool, err := workerfx.NewPool(workerfx.WithLogger(*log.logger()))
		require.NoError(t, err)
		demand := func(context.Context) (float64, error) { return 1, nil }
		require.NoError(t, pool.Add(&workerfx.Autoscaler{Worker: "gone", Demand: demand}))
		require.NoError(t, pool.Add(workerfx.With(&workerfx.Autoscaler{Worker: "self", Demand: demand}, workerfx.WithName("self"))))
		require.NoError(t, pool.Start(t.Context()))
		time.Sleep(time.Hour)
		require.Equal(t, 1, log.count(t, "autoscaler left the worker as it is"))
		require.ErrorContains(t, execution(t, pool, "self").Err, `autoscaler of "self": it cannot scale itself`)
		require.NoError(t, pool.Stop(context.Background()))
	})
}

func TestAnAutoscalerIsNotStuckBetweenTwoLooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := newPoolWith(t, workerfx.WithConfig(workerfx.Config{Defaults: workerfx.WorkerConfig{Heartbeat: new(5 * time.Second)}}))
		require.NoError(t, pool.Add(workerfx.NewWorker("w", workerfx.Loop(func(ctx context.Context) error {
			workerfx.Wait(ctx, time.Second)
			return nil
		}))))
		require.NoError(t, pool.Add(&workerfx.Autoscaler{Worker: "w", Demand: func(context.Context) (float64, error) { return 1, nil }}))
		require.NoError(t, pool.Start(t.Context()))
		time.Sleep(time.Minute)
		require.NoError(t, pool.Health())
		require.NoError(t, pool.Stop(context.Background()))
	})
}

func TestAWorkerThatIsExcludedTwiceIsADuplicate(t *testing.T) {
	pool := newPoolWith(t, workerfx.WithConfig(workerfx.Config{Except: []string{"mailer"}}))
	require.NoError(t, pool.Add(workerfx.NewWorker("mailer", untilStopped)))
	require.ErrorIs(t, pool.Add(workerfx.NewWorker("mailer", untilStopped)), workerfx.ErrDuplicateWorker)
	require.NoError(t, pool.Start(t.Context()))
	for range 3 { // workers may come and go while the pool runs
		require.NoError(t, pool.Add(workerfx.NewWorker("mailer", untilStopped)))
	}
	require.Equal(t, []string{"mailer"}, pool.Excluded())
	require.NoError(t, pool.Stop(context.Background()))
}

func TestTheConfigurationOfAChildIsForThoseOfAllReplicas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := newPoolWith(t, workerfx.WithConfig(workerfx.Config{Workers: map[string]workerfx.WorkerConfig{
			"parent/child":            {MaxAttempts: new(7)},
			"parent/child/grandchild": {MaxAttempts: new(8)},
		}}))
		require.NoError(t, pool.Add(workerfx.NewWorker("parent", func(ctx context.Context) error {
			assert.NoError(t, workerfx.AddChild(ctx, workerfx.NewWorker("child", func(ctx context.Context) error {
				assert.NoError(t, workerfx.AddChild(ctx, workerfx.NewWorker("grandchild", untilStopped)))
				return untilStopped(ctx)
			})))
			return untilStopped(ctx)
		}, workerfx.WithReplicas(2))))
		require.NoError(t, pool.Start(t.Context()))
		synctest.Wait()
		for name, attempts := range map[string]int{
			"parent/child": 7, "parent#1/child": 7, "parent/child/grandchild": 8, "parent#1/child/grandchild": 8,
		} {
			require.Equal(t, attempts, execution(t, pool, name).MaxAttempts, name)
		}
		require.NoError(t, pool.Stop(context.Background()))
	})
}

func TestARunTimeoutAfterAPauseIsAFailure(t *testing.T) {
	bubble("", t, func(t *testing.T) {
		pool := startPool(t, workerfx.NewWorker("w", untilStopped, workerfx.WithRunTimeout(time.Minute), workerfx.WithMaxAttempts(1)))
		synctest.Wait()
		require.NoError(t, pool.Pause("w"))
		require.NoError(t, pool.Resume("w"))
		time.Sleep(61 * time.Second)
		e := execution(t, pool, "w")
		require.EqualValues(t, 1, e.Failures)
		require.Equal(t, workerfx.StatusError, e.Status)
	})
}

func TestAPausedAutoscalerLeavesTheWorkerAsItIs(t *testing.T) {
	bubble("", t, func(t *testing.T) {
		var asked atomic.Int64
		pool := startPool(t, workerfx.NewWorker("w", untilStopped), &workerfx.Autoscaler{Worker: "w", Demand: func(context.Context) (float64, error) {
			asked.Add(1)
			return 3, nil
		}})
		time.Sleep(time.Minute)
		require.NoError(t, pool.Pause("autoscaler:w"))
		synctest.Wait()
		before := asked.Load()
		time.Sleep(time.Hour)
		require.Equal(t, before, asked.Load())
		require.Equal(t, workerfx.StatusPaused, execution(t, pool, "autoscaler:w").Status)
		require.NoError(t, pool.Resume("autoscaler:w"))
		time.Sleep(time.Minute)
		require.Greater(t, asked.Load(), before)
	})
}

func TestAnAutoscalerEndsAtOnce(t *testing.T) {
	waits := &workerfx.Autoscaler{Worker: "w", Demand: func(ctx context.Context) (float64, error) { <-ctx.Done(); return 0, ctx.Err() }}
	bubble("at a stop", t, func(t *testing.T) {
		pool := newPool(t, workerfx.NewWorker("w", untilStopped), waits)
		require.NoError(t, pool.Start(t.Context()))
		synctest.Wait()
		begun := time.Now()
		require.NoError(t, pool.Stop(context.Background()))
		require.Zero(t, time.Since(begun))
	})
	bubble("at a pause while it asks for the demand", t, func(t *testing.T) {
		pool := startPool(t, workerfx.NewWorker("w", untilStopped), &workerfx.Autoscaler{Worker: "w", Demand: func(context.Context) (float64, error) {
			time.Sleep(time.Second)
			return 3, nil
		}})
		synctest.Wait()
		require.NoError(t, pool.Pause("autoscaler:w"))
		time.Sleep(time.Minute)
		wanted, _, err := pool.Replicas("w")
		require.NoError(t, err)
		require.Equal(t, 1, wanted)
	})
}
