package workerfx_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
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

// beats is the body of a worker that gives a sign of life each d.
func beats(d time.Duration) workerfx.RunFunc {
	return func(ctx context.Context) error {
		for ctx.Err() == nil {
			workerfx.Heartbeat(ctx)
			workerfx.Wait(ctx, d)
		}
		return ctx.Err()
	}
}

// count tells how many of the events are of that message.
func count(e workerfx.Execution, message string) (n int) {
	for _, m := range messages(e) {
		if m == message {
			n++
		}
	}
	return n
}

const noHeartbeat = workerfx.EventStuck + "worker is stuck: no heartbeat for 1s"

func TestMissedHeartbeatIsReportedOnceWithItsStack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log logBuffer
		release := make(chan struct{})
		pool := must(workerfx.NewPool(workerfx.WithLogger(*log.logger())))
		require.NoError(t, pool.Add(workerfx.NewWorker("w", func(ctx context.Context) error {
			time.Sleep(500 * time.Millisecond)
			workerfx.Heartbeat(ctx)
			hangHere(release)
			return ctx.Err()
		}, workerfx.WithHeartbeat(time.Second))))
		require.NoError(t, pool.Add(workerfx.NewWorker("fine", beats(time.Second-1), workerfx.WithHeartbeat(time.Second))))
		start := time.Now()
		require.NoError(t, pool.Start(t.Context()))
		time.Sleep(1500*time.Millisecond - 1)
		synctest.Wait()
		require.NoError(t, pool.Health())
		time.Sleep(1 * time.Nanosecond)
		synctest.Wait()
		err := pool.Health()
		require.ErrorIs(t, err, workerfx.ErrStuck)
		var health *workerfx.HealthError
		require.ErrorAs(t, err, &health)
		require.Equal(t, []string{"w stuck"}, troubles(err))
		assert.True(t, health.Has(workerfx.TroubleStuck))
		assert.True(t, start.Add(500*time.Millisecond).Equal(health.Problems[0].Since), "since its last sign of life")
		time.Sleep(time.Hour)
		e := execution(t, pool, "w")
		assert.Equal(t, 1, count(e, noHeartbeat), "%v", messages(e))
		assert.Equal(t, workerfx.StatusRunning, e.Status, "it is reported, not ended")
		require.NoError(t, e.Err)
		got := gather(t, registered(t, pool))
		assert.InDelta(t, 1, got[`worker_stuck{worker="w"}`], 0)
		assert.InDelta(t, 0, got[`worker_stuck{worker="fine"}`], 0)
		record := log.find(t, "worker is stuck")
		assert.Equal(t, "error", record["level"])
		assert.Equal(t, []any{"w", e.ID}, []any{record["worker"], record["workerExecutionID"]})
		assert.Contains(t, record["stack"], "hangHere")
		assert.Len(t, slices.DeleteFunc(log.records(t), func(r map[string]any) bool { return r["message"] != "worker is stuck" }), 1)
		close(release)
		synctest.Wait()
		require.NoError(t, pool.Health(), "over when the run is")
		assert.InDelta(t, 0, gather(t, registered(t, pool))[`worker_stuck{worker="w"}`], 0)
		require.NoError(t, pool.Stop(context.Background()))
	})
}

func TestHeartbeatThatComesBackEndsTheEpisode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := startPool(t, workerfx.NewWorker("w", func(ctx context.Context) error {
			for range 3 {
				workerfx.Heartbeat(ctx)
				time.Sleep(2 * time.Second)
			}
			return beats(500 * time.Millisecond)(ctx)
		}, workerfx.WithHeartbeat(time.Second)))
		for i := range 6 {
			time.Sleep(time.Second)
			synctest.Wait()
			assert.Equal(t, i%2 == 0, pool.Health() != nil, "after %ds", i+1)
		}
		time.Sleep(time.Hour)
		want := []string{workerfx.EventStarted}
		for range 3 {
			want = append(want, noHeartbeat, workerfx.EventRecovered)
		}
		assert.Equal(t, want, messages(execution(t, pool, "w")))
		require.NoError(t, pool.Stop(context.Background()))
	})
}

func TestHeartbeatsCountFromAnyGoroutineAndContextOfTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := startPool(t, workerfx.NewWorker("w", func(ctx context.Context) error {
			var wg sync.WaitGroup
			for i := range 5 {
				wrapped := context.WithoutCancel(context.WithValue(ctx, &wg, i))
				wg.Go(func() {
					for ctx.Err() == nil {
						workerfx.Heartbeat(wrapped)
						workerfx.Wait(ctx, 4*time.Second)
					}
				})
				workerfx.Wait(ctx, 800*time.Millisecond)
			}
			wg.Wait()
			return ctx.Err()
		}, workerfx.WithHeartbeat(time.Second, workerfx.RestartStuck)))
		time.Sleep(time.Hour)
		assert.EqualValues(t, 1, execution(t, pool, "w").Runs)
		require.NoError(t, pool.Stop(context.Background()))
	})
}

func TestHeartbeatsOfAChildDoNotCountForItsParent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := startPool(t, workerfx.NewWorker("w", func(ctx context.Context) error {
			if err := workerfx.AddChild(ctx, workerfx.NewWorker("c", beats(time.Second/2)), workerfx.WithHeartbeat(time.Second)); err != nil {
				return err
			}
			return untilStopped(ctx)
		}, workerfx.WithHeartbeat(time.Second)))
		time.Sleep(time.Minute)
		synctest.Wait()
		assert.Equal(t, []string{"w stuck"}, troubles(pool.Health()))
	})
}

// stuckWays are what runs do when their context ends because they are stuck.
var stuckWays = map[string]workerfx.RunFunc{
	"ctx.Err":       untilStopped,
	"cause":         func(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) },
	"wrapped":       func(ctx context.Context) error { <-ctx.Done(); return fmt.Errorf("poll: %w", ctx.Err()) },
	"nil":           func(ctx context.Context) error { <-ctx.Done(); return nil },
	"another error": func(ctx context.Context) error { <-ctx.Done(); return errors.New("use of closed connection") },
	"panic":         func(ctx context.Context) error { <-ctx.Done(); panic("closed") },
	"loop":          workerfx.Loop(untilStopped),
	"channel": func(ctx context.Context) error {
		return workerfx.FromChannel(filled(1), func(ctx context.Context, _ int) error { return untilStopped(ctx) })(ctx)
	},
}

func TestRestartStuckEndsTheRunAndBeginsAnother(t *testing.T) {
	for way, body := range stuckWays {
		for _, attempts := range []int{0, 1, 3} {
			bubble(fmt.Sprint(way, attempts), t, func(t *testing.T) {
				pool := startPool(t, workerfx.NewWorker("w", func(ctx context.Context) error {
					if workerfx.CtxAttempt(ctx) < 3 {
						return body(ctx)
					}
					return beats(time.Second / 2)(ctx)
				}, workerfx.WithHeartbeat(time.Second, workerfx.RestartStuck), workerfx.WithMaxAttempts(attempts), static))
				time.Sleep(time.Second)
				e := execution(t, pool, "w")
				require.Equal(t, workerfx.StatusWaiting, e.Status)
				assert.EqualValues(t, 1, e.Failures)
				assert.Equal(t, []string{"w failing"}, troubles(pool.Health()))
				require.ErrorIs(t, pool.Health(), workerfx.ErrStuck)
				time.Sleep(time.Hour)
				e = execution(t, pool, "w")
				assert.Equal(t, workerfx.StatusRunning, e.Status)
				assert.EqualValues(t, 3, e.Runs)
				require.NoError(t, pool.Health())
				require.NoError(t, pool.Stop(context.Background()))
				assert.Equal(t, workerfx.StatusStopped, execution(t, pool, "w").Status)
			})
		}
	}
}

func TestRestartStuckGivesUpAfterTheLastAttempt(t *testing.T) {
	for attempts, want := range map[int]workerfx.Status{1: workerfx.StatusRunning, 3: workerfx.StatusError, 0: workerfx.StatusRunning} {
		bubble(fmt.Sprint(attempts), t, func(t *testing.T) {
			pool := startPool(t, workerfx.NewWorker("w", untilStopped, workerfx.WithHeartbeat(time.Second, workerfx.RestartStuck),
				workerfx.WithMaxAttempts(attempts), workerfx.WithBackoff(workerfx.StaticBackoff{})))
			time.Sleep(time.Minute + time.Second/2)
			e := execution(t, pool, "w")
			assert.Equal(t, want, e.Status)
			if want == workerfx.StatusError {
				assert.EqualValues(t, 3, e.Runs)
				require.ErrorIs(t, e.Err, workerfx.ErrStuck)
			} else {
				assert.EqualValues(t, 61, e.Runs, "once a second")
			}
		})
	}
}

func TestRestartStuckWithALimitOfOneDoesNotForgiveOtherFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := startPool(t, workerfx.NewWorker("w", func(ctx context.Context) error {
			if workerfx.CtxAttempt(ctx) == 2 {
				return errBoom
			}
			return untilStopped(ctx)
		}, workerfx.WithHeartbeat(time.Second, workerfx.RestartStuck)))
		time.Sleep(time.Minute)
		e := execution(t, pool, "w")
		assert.Equal(t, workerfx.StatusError, e.Status)
		assert.EqualValues(t, 2, e.Runs)
		require.ErrorIs(t, e.Err, errBoom)
	})
}

func TestRestartStuckOfAScheduleWaitsForItsNextTick(t *testing.T) {
	for attempts, want := range map[int]int64{1: 3, 2: 6} {
		bubble(fmt.Sprint(attempts), t, func(t *testing.T) {
			pool := startPool(t, workerfx.NewWorker("w", untilStopped, workerfx.WithHeartbeat(time.Second, workerfx.RestartStuck),
				workerfx.WithInterval(time.Minute), workerfx.WithMaxAttempts(attempts)))
			time.Sleep(3*time.Minute + 30*time.Second)
			e := execution(t, pool, "w")
			assert.Equal(t, want, e.Runs)
			assert.Equal(t, workerfx.StatusWaiting, e.Status)
		})
	}
}

func TestStuckRunThatIgnoresItsEndIsNotDoubled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		pool := startPool(t, workerfx.NewWorker("w", stubborn(release), workerfx.WithHeartbeat(time.Second, workerfx.RestartStuck),
			workerfx.WithMaxAttempts(0), static))
		time.Sleep(time.Hour)
		e := execution(t, pool, "w")
		assert.EqualValues(t, 1, e.Runs)
		assert.Equal(t, 1, count(e, noHeartbeat))
		assert.Equal(t, []string{"w stuck"}, troubles(pool.Health()))
		close(release)
		time.Sleep(2 * time.Second)
		assert.EqualValues(t, 2, execution(t, pool, "w").Runs, "once it has ended there is another")
	})
}

func TestHeartbeatDoesNotSaveARunThatIsEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := startPool(t, workerfx.NewWorker("w", func(ctx context.Context) error {
			<-ctx.Done()
			for range 10 { // it cleans up
				workerfx.Heartbeat(ctx)
				time.Sleep(time.Second / 2)
			}
			return ctx.Err()
		}, workerfx.WithHeartbeat(time.Second, workerfx.RestartStuck)))
		time.Sleep(4 * time.Second)
		e := execution(t, pool, "w")
		assert.False(t, e.HasEvent(workerfx.EventRecovered))
		assert.Equal(t, []string{"w stuck"}, troubles(pool.Health()))
	})
}

func TestStuckRunThatIsStoppedIsStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := startPool(t, workerfx.NewWorker("w", func(ctx context.Context) error {
			<-ctx.Done()
			time.Sleep(time.Minute)
			return ctx.Err()
		}, workerfx.WithHeartbeat(time.Second, workerfx.RestartStuck), workerfx.WithEssential()))
		time.Sleep(2 * time.Second)
		require.NoError(t, pool.Stop(context.Background()))
		e := execution(t, pool, "w")
		assert.Equal(t, workerfx.StatusStopped, e.Status)
		assert.EqualValues(t, 1, e.Runs)
	})
}

func TestNoHeartbeatIsExpectedWhileABodyWaitsForItems(t *testing.T) {
	job := func(d time.Duration) func() { return func() { time.Sleep(d) } }
	tests := map[string]func(ch chan int, do func()) workerfx.RunFunc{
		"channel": func(ch chan int, do func()) workerfx.RunFunc {
			return workerfx.FromChannel(ch, func(context.Context, int) error { do(); return nil })
		},
		"batch": func(ch chan int, do func()) workerfx.RunFunc {
			return workerfx.Batch(ch, 2, time.Minute, func(context.Context, []int) error { do(); return nil })
		},
	}
	for name, body := range tests {
		for _, took := range []time.Duration{time.Second - 1, time.Second + 1} {
			bubble(fmt.Sprint(name, took), t, func(t *testing.T) {
				ch := make(chan int)
				pool := startPool(t, workerfx.NewWorker("w", body(ch, job(took)), workerfx.WithHeartbeat(time.Second)))
				time.Sleep(time.Hour)
				assert.Equal(t, []string{workerfx.EventStarted}, messages(execution(t, pool, "w")), "nothing to do")
				for range 6 {
					ch <- 1
				}
				time.Sleep(time.Hour)
				e := execution(t, pool, "w")
				assert.Equal(t, took > time.Second, count(e, noHeartbeat) > 0, "%v", messages(e))
				require.NoError(t, pool.Health())
				require.NoError(t, pool.Stop(context.Background()))
			})
		}
	}
}

func TestEachJobOfALoopIsAHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		took := func(d time.Duration) workerfx.RunFunc {
			return workerfx.Loop(func(ctx context.Context) error { workerfx.Wait(ctx, d); return nil })
		}
		pool := startPool(t,
			workerfx.NewWorker("quick", took(time.Second-1), workerfx.WithHeartbeat(time.Second)),
			workerfx.NewWorker("slow", took(time.Minute), workerfx.WithHeartbeat(time.Second)))
		time.Sleep(30 * time.Second)
		synctest.Wait()
		assert.Equal(t, []string{"slow stuck"}, troubles(pool.Health()))
	})
}

func TestFailedItemOfAStuckRunIsHandedOverAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []int
		pool := startPool(t, workerfx.NewWorker("w", workerfx.FromChannel(filled(3), func(ctx context.Context, item int) error {
			got = append(got, item)
			if item == 2 && workerfx.CtxAttempt(ctx) == 1 {
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		}), workerfx.WithHeartbeat(time.Second, workerfx.RestartStuck)))
		time.Sleep(time.Minute)
		synctest.Wait()
		require.NoError(t, pool.Health())
		assert.EqualValues(t, 2, execution(t, pool, "w").Runs)
		require.NoError(t, pool.Stop(context.Background()))
		assert.Equal(t, []int{1, 2, 2, 3}, got)
	})
}

func TestStandbyNeedsNoHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := startPool(t, workerfx.NewWorker("w", func(ctx context.Context) error {
			end, endOther := workerfx.Standby(ctx), workerfx.Standby(ctx)
			time.Sleep(time.Minute)
			end()
			time.Sleep(time.Minute)
			endOther()
			time.Sleep(time.Minute)
			defer workerfx.Standby(ctx)()
			return untilStopped(ctx)
		}, workerfx.WithHeartbeat(time.Second)))
		for _, want := range []bool{false, false, true, false} {
			time.Sleep(59 * time.Second)
			synctest.Wait()
			assert.Equal(t, want, pool.Health() != nil)
			time.Sleep(time.Second)
		}
		assert.Equal(t, 1, count(execution(t, pool, "w"), workerfx.EventRecovered), "standby ends the episode")
	})
}

func TestSingletonIsWatchedOnceItHasItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := startPool(t, workerfx.NewWorker("w", untilStopped, workerfx.WithReplicas(2), workerfx.WithHeartbeat(time.Second),
			workerfx.WithMiddleware(middleware.Singleton(middleware.NewLocalLocker()))))
		time.Sleep(time.Hour)
		synctest.Wait()
		assert.Equal(t, []string{"w stuck"}, troubles(pool.Health()), "only the one that works")
	})
}

func TestRunThatOutlastsItsTimeoutIsStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		start := time.Now()
		pool := startPool(t,
			workerfx.NewWorker("obeys", untilStopped, workerfx.WithRunTimeout(10*time.Second), workerfx.WithMaxAttempts(0), static),
			workerfx.NewWorker("in time", func(ctx context.Context) error {
				<-ctx.Done()
				time.Sleep(time.Second - 1)
				return ctx.Err()
			}, workerfx.WithRunTimeout(10*time.Second), workerfx.WithMaxAttempts(0), static),
			workerfx.NewWorker("w", func(ctx context.Context) error {
				for {
					select {
					case <-release:
						return ctx.Err()
					case <-time.After(time.Second / 2):
						workerfx.Heartbeat(ctx)
					}
				}
			}, workerfx.WithRunTimeout(10*time.Second), workerfx.WithHeartbeat(time.Second, workerfx.RestartStuck)))
		time.Sleep(11*time.Second - 1)
		synctest.Wait()
		assert.NotContains(t, troubles(pool.Health()), "w stuck")
		time.Sleep(1 * time.Nanosecond)
		synctest.Wait()
		err := pool.Health()
		require.ErrorIs(t, err, workerfx.ErrStuck)
		assert.ErrorContains(t, err, "still running after its run timeout of 10s")
		var health *workerfx.HealthError
		require.ErrorAs(t, err, &health)
		assert.Equal(t, "w", health.Problems[len(health.Problems)-1].Worker)
		assert.True(t, start.Equal(health.Problems[len(health.Problems)-1].Since), "since its run began")
		time.Sleep(time.Hour)
		e := execution(t, pool, "w")
		assert.Equal(t, 1, count(e, workerfx.EventStuck+"worker is stuck: still running after its run timeout of 10s"), "%v", messages(e))
		assert.False(t, e.HasEvent(workerfx.EventRecovered), "no heartbeat mends that")
		for _, name := range []string{"obeys", "in time"} {
			for _, message := range messages(execution(t, pool, name)) {
				assert.NotContains(t, message, "stuck", name)
			}
		}
		close(release)
		e = execution(t, pool, "w")
		require.ErrorIs(t, e.Err, context.DeadlineExceeded)
		require.NoError(t, pool.Stop(context.Background()))
	})
}

func TestHeartbeatSettingsAreChecked(t *testing.T) {
	for want, opt := range map[string]workerfx.Option{
		"heartbeat -1s":      workerfx.WithHeartbeat(-time.Second),
		"heartbeat policy 7": workerfx.WithHeartbeat(time.Second, workerfx.StuckPolicy(7)),
	} {
		assert.ErrorContains(t, newPool(t).Add(workerfx.NewWorker("w", untilStopped), opt), `worker "w": `+want)
	}
	synctest.Test(t, func(t *testing.T) {
		pool := must(workerfx.NewPool(silent, workerfx.WithConfig(workerfx.Config{
			Defaults: workerfx.WorkerConfig{Heartbeat: new(time.Second)},
			Workers:  map[string]workerfx.WorkerConfig{"off": {Heartbeat: new(time.Duration(0))}}})))
		for _, name := range []string{"on", "off"} {
			require.NoError(t, pool.Add(workerfx.NewWorker(name, untilStopped)))
		}
		require.NoError(t, pool.Start(t.Context()))
		time.Sleep(time.Minute)
		synctest.Wait()
		assert.Equal(t, []string{"on stuck"}, troubles(pool.Health()), "the configuration may set it")
		require.NoError(t, pool.Stop(context.Background()))
	})
}

func TestHeartbeatsFromManyGoroutinesAtTheEdge(t *testing.T) {
	var runs atomic.Int64
	pool := newPool(t, workerfx.NewWorker("w", func(ctx context.Context) error {
		runs.Add(1)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for range 20 {
					workerfx.Heartbeat(ctx)
					workerfx.Standby(ctx)()
					workerfx.Wait(ctx, 50*time.Microsecond)
				}
			})
		}
		wg.Wait()
		return ctx.Err()
	}, workerfx.WithHeartbeat(50*time.Microsecond, workerfx.RestartStuck), workerfx.WithInterval(time.Microsecond), workerfx.WithReplicas(4)))
	require.NoError(t, pool.Start(t.Context()))
	for range 50 {
		_ = pool.Health()
		time.Sleep(time.Millisecond)
	}
	require.NoError(t, pool.Stop(within(t, 10*time.Second)))
	assert.Positive(t, runs.Load())
}
