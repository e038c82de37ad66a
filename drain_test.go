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

// drainLog is when, after its start was noted, a run was told to finish and its context ended.
type drainLog struct{ start, drained, ended time.Time }

// body returns the body of a run that notes both. It takes as long to finish once it is told, and does not
// obey the end of its context before.
func (l *drainLog) body(finish time.Duration) workerfx.RunFunc {
	return func(ctx context.Context) error {
		<-workerfx.Draining(ctx)
		l.drained = time.Now()
		stop := context.AfterFunc(ctx, func() { l.ended = time.Now() })
		defer stop()
		time.Sleep(finish)
		return nil
	}
}

// untilEnded is the body of a run that listens, and then waits for the end of its context.
func (l *drainLog) untilEnded(ctx context.Context) error {
	<-workerfx.Draining(ctx)
	l.drained = time.Now()
	<-ctx.Done()
	l.ended = time.Now()
	return ctx.Err()
}

// times are both as time since the start; -1 for never.
func (l *drainLog) times() (drained, ended time.Duration) {
	since := func(t time.Time) time.Duration {
		if t.IsZero() {
			return -1
		}
		return t.Sub(l.start)
	}
	synctest.Wait()
	return since(l.drained), since(l.ended)
}

func TestStopDrainsFirstAndEndsTheContextAfterThreeQuartersOfTheTime(t *testing.T) {
	tests := map[string]struct {
		budget time.Duration // of the stop; 0 = none
		config time.Duration // the pool's stop timeout
		opts   []workerfx.Option
		want   time.Duration
	}{
		"the stop's budget, less what comes after it": {8 * time.Second, 0, nil, 5400 * time.Millisecond},
		"a long one":                            {101 * time.Second, 0, nil, 75 * time.Second},
		"the worker's own stop timeout":         {101 * time.Second, 0, []workerfx.Option{workerfx.WithStopTimeout(4 * time.Second)}, 3 * time.Second},
		"its own, longer than there is":         {8 * time.Second, 0, []workerfx.Option{workerfx.WithStopTimeout(time.Hour)}, 5400 * time.Millisecond},
		"no deadline: the pool's stop timeout":  {0, 4 * time.Second, nil, 3 * time.Second},
		"no deadline: the default stop timeout": {0, 0, nil, 11250 * time.Millisecond},
		"no deadline, its own":                  {0, 0, []workerfx.Option{workerfx.WithStopTimeout(40 * time.Second)}, 11250 * time.Millisecond},
	}
	for name, test := range tests {
		bubble(name, t, func(t *testing.T) {
			var l drainLog
			pool := must(workerfx.NewPool(silent, workerfx.WithConfig(workerfx.Config{StopTimeout: test.config})))
			require.NoError(t, pool.Add(workerfx.NewWorker("w", func(ctx context.Context) error {
				err := l.untilEnded(ctx)
				assert.ErrorIs(t, context.Cause(ctx), workerfx.ErrStopping)
				return err
			}, test.opts...)))
			require.NoError(t, pool.Start(t.Context()))
			synctest.Wait()
			ctx := context.Background()
			if test.budget > 0 {
				ctx = within(t, test.budget)
			}
			l.start = time.Now()
			require.NoError(t, pool.Stop(ctx))
			drained, ended := l.times()
			assert.Zero(t, drained)
			assert.Equal(t, test.want, ended)
			assert.Equal(t, workerfx.StatusStopped, execution(t, pool, "w").Status)
		})
	}
}

func TestRunThatFinishesWhileItIsDrainedKeepsItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l drainLog
		pool := startPool(t, workerfx.NewWorker("w", l.body(5*time.Second)))
		synctest.Wait()
		l.start = time.Now()
		require.NoError(t, pool.Stop(within(t, 10*time.Second)))
		drained, ended := l.times()
		assert.Zero(t, drained)
		assert.EqualValues(t, -1, ended)
		assert.Equal(t, 5*time.Second, time.Since(l.start))
		assert.Equal(t, workerfx.StatusSuccess, execution(t, pool, "w").Status, "it came to its end")
	})
}

func TestRunsThatDoNotListenEndAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := startPool(t, workerfx.NewWorker("w", untilStopped), workerfx.NewWorker("l", workerfx.Loop(untilStopped)),
			workerfx.NewWorker("heard", func(ctx context.Context) error { <-workerfx.Draining(ctx); time.Sleep(time.Second); return nil }))
		synctest.Wait()
		start := time.Now()
		require.NoError(t, pool.Stop(within(t, time.Minute)))
		assert.Equal(t, time.Second, time.Since(start))
		for _, name := range []string{"w", "l"} {
			assert.True(t, start.Equal(execution(t, pool, name).FinishedAt), name)
		}
	})
}

func TestStragglersOfADrainAreNamedInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var l drainLog
		pool := startPool(t, workerfx.NewWorker("w", func(ctx context.Context) error {
			<-workerfx.Draining(ctx)
			context.AfterFunc(ctx, func() { l.ended = time.Now() })
			hangHere(release)
			return nil
		}), workerfx.NewWorker("bounded", func(ctx context.Context) error {
			<-workerfx.Draining(ctx)
			hangHere(release)
			return nil
		}, workerfx.WithStopTimeout(time.Second)))
		synctest.Wait()
		l.start = time.Now()
		var stop *workerfx.StopError
		require.ErrorAs(t, pool.Stop(within(t, 10*time.Second)), &stop)
		assert.Equal(t, 10*time.Second, time.Since(l.start))
		require.Len(t, stop.Stragglers, 2)
		for _, s := range stop.Stragglers {
			assert.Contains(t, s.Stack, "hangHere")
		}
		_, ended := l.times()
		assert.Equal(t, 6750*time.Millisecond, ended)
		close(release)
	})
}

func TestSecondStopWithLessTimeShortensTheDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l drainLog
		pool := startPool(t, workerfx.NewWorker("w", l.untilEnded), workerfx.NewWorker("after", func(ctx context.Context) error { <-ctx.Done(); time.Sleep(30 * time.Second); return nil }, after("first")),
			workerfx.NewWorker("first", untilStopped))
		synctest.Wait()
		l.start = time.Now()
		done := make(chan error)
		go func() { done <- pool.Stop(within(t, time.Hour)) }()
		time.Sleep(time.Second)
		require.Error(t, pool.Stop(within(t, 10*time.Second)))
		_, ended := l.times()
		assert.Equal(t, 10*time.Second, ended)
		assert.Equal(t, 11*time.Second, time.Since(l.start))
		assert.Equal(t, workerfx.StatusStopped, execution(t, pool, "first").Status, "it could not wait for its turn")
		require.NoError(t, <-done)
		assert.Equal(t, 30*time.Second, time.Since(l.start))
	})
}

func TestSecondStopWithMoreTimeWaitsForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l drainLog
		pool := startPool(t, workerfx.NewWorker("w", l.body(time.Minute)))
		synctest.Wait()
		l.start = time.Now()
		require.Error(t, pool.Stop(within(t, time.Second)))
		assert.Equal(t, time.Second, time.Since(l.start))
		require.NoError(t, pool.Stop(within(t, time.Hour)))
		assert.Equal(t, time.Minute, time.Since(l.start))
		_, ended := l.times()
		assert.Equal(t, 675*time.Millisecond, ended, "what was begun is not taken back")
	})
}

func TestStopWithATimeThatHasEndedDoesNotDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l drainLog
		pool := startPool(t, workerfx.NewWorker("w", l.untilEnded))
		synctest.Wait()
		l.start = time.Now()
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		_ = pool.Stop(ended) // names it unless it was quick
		drainedAt, endedAt := l.times()
		assert.Zero(t, drainedAt)
		assert.Zero(t, endedAt)
		require.NoError(t, pool.Stop(ended), "it has stopped now")
	})
}

func TestDrainingAfterTheFactIsClosedAtOnce(t *testing.T) {
	tests := map[string]func(ctx context.Context, pool *workerfx.Pool){
		"its context has ended": func(ctx context.Context, _ *workerfx.Pool) { <-ctx.Done() },
		"it is paused":          func(_ context.Context, pool *workerfx.Pool) { _ = pool.Pause("w") },
		"it is scaled down":     func(_ context.Context, pool *workerfx.Pool) { _ = pool.Scale("w", 0) },
		"its timeout passed":    func(context.Context, *workerfx.Pool) { time.Sleep(time.Hour + 1) },
	}
	for name, wait := range tests {
		bubble(name, t, func(t *testing.T) {
			told := false
			pool := newPool(t)
			require.NoError(t, pool.Add(workerfx.NewWorker("w", func(ctx context.Context) error {
				wait(ctx, pool)
				select {
				case <-workerfx.Draining(ctx):
					told = true
				case <-time.After(time.Minute):
				}
				return ctx.Err()
			}, workerfx.WithRunTimeout(time.Hour))))
			require.NoError(t, pool.Start(t.Context()))
			synctest.Wait()
			if name != "its timeout passed" {
				require.NoError(t, pool.Stop(within(t, time.Minute)))
			} else {
				time.Sleep(2 * time.Hour)
				require.NoError(t, pool.Stop(within(t, time.Minute)))
			}
			assert.True(t, told)
		})
	}
}

func TestRestartEndsTheRunWithoutDraining(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l drainLog
		pool := startPool(t, workerfx.NewWorker("w", l.untilEnded))
		synctest.Wait()
		start := time.Now()
		require.NoError(t, pool.Restart("w"))
		assert.Zero(t, time.Since(start))
		assert.EqualValues(t, 2, execution(t, pool, "w").Runs)
		require.NoError(t, pool.Stop(within(t, time.Second)))
	})
}

func TestRemoveDrains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l drainLog
		pool := startPool(t, workerfx.NewWorker("w", l.body(5*time.Second)), workerfx.NewWorker("bounded", func(ctx context.Context) error {
			<-workerfx.Draining(ctx)
			return untilStopped(ctx)
		}, workerfx.WithStopTimeout(4*time.Second)))
		synctest.Wait()
		l.start = time.Now()
		require.NoError(t, pool.Remove(t.Context(), "w"))
		assert.Equal(t, 5*time.Second, time.Since(l.start))
		_, ended := l.times()
		assert.EqualValues(t, -1, ended)
		start := time.Now()
		require.NoError(t, pool.Remove(t.Context(), "bounded"))
		assert.Equal(t, 3*time.Second, time.Since(start))
	})
}

func TestPauseLetsTheCurrentRunEnd(t *testing.T) {
	tests := map[string]struct {
		body     workerfx.RunFunc
		opts     []workerfx.Option
		paused   workerfx.Status // ten seconds after Pause
		resumed  workerfx.Status // and right after Resume
		wantRuns int64           // then
	}{
		"that does not listen":         {func(ctx context.Context) error { time.Sleep(5 * time.Second); return ctx.Err() }, nil, workerfx.StatusSuccess, workerfx.StatusSuccess, 1},
		"that goes on for ever":        {untilStopped, nil, workerfx.StatusRunning, workerfx.StatusRunning, 1},
		"that listens":                 {func(ctx context.Context) error { <-workerfx.Draining(ctx); time.Sleep(time.Second); return ctx.Err() }, nil, workerfx.StatusPaused, workerfx.StatusRunning, 2},
		"that listens and says so":     {func(ctx context.Context) error { <-workerfx.Draining(ctx); return workerfx.ErrStopping }, nil, workerfx.StatusPaused, workerfx.StatusRunning, 2},
		"of a schedule":                {func(ctx context.Context) error { time.Sleep(5 * time.Second); return ctx.Err() }, []workerfx.Option{workerfx.WithInterval(time.Minute), workerfx.WithStartImmediately()}, workerfx.StatusPaused, workerfx.StatusWaiting, 1},
		"of a schedule, that listens":  {func(ctx context.Context) error { <-workerfx.Draining(ctx); return nil }, []workerfx.Option{workerfx.WithInterval(time.Minute), workerfx.WithStartImmediately()}, workerfx.StatusPaused, workerfx.StatusWaiting, 1},
		"of a schedule, breaking off":  {func(ctx context.Context) error { <-workerfx.Draining(ctx); return workerfx.ErrStopping }, []workerfx.Option{workerfx.WithInterval(time.Minute), workerfx.WithStartImmediately()}, workerfx.StatusPaused, workerfx.StatusRunning, 2},
		"that fails while it finishes": {func(ctx context.Context) error { <-workerfx.Draining(ctx); return errBoom }, nil, workerfx.StatusError, workerfx.StatusError, 1},
	}
	for name, test := range tests {
		bubble(name, t, func(t *testing.T) {
			pool := startPool(t, workerfx.NewWorker("w", func(ctx context.Context) error {
				err := test.body(ctx)
				if workerfx.CtxAttempt(ctx) == 1 && test.wantRuns == 1 && name != "that goes on for ever" {
					assert.NoError(t, ctx.Err(), "its context goes on")
				}
				return err
			}, test.opts...))
			synctest.Wait()
			require.NoError(t, pool.Pause("w"))
			time.Sleep(10 * time.Second)
			assert.Equal(t, test.paused, execution(t, pool, "w").Status)
			require.NoError(t, pool.Resume("w"))
			e := execution(t, pool, "w")
			assert.Equal(t, test.resumed, e.Status)
			assert.Equal(t, test.wantRuns, e.Runs)
			require.NoError(t, pool.Stop(within(t, time.Minute)))
		})
	}
}

func TestScaledDownReplicaFinishesInItsOwnTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var finished atomic.Int64
		pool := startPool(t, workerfx.NewWorker("w", func(ctx context.Context) error {
			<-workerfx.Draining(ctx)
			time.Sleep(time.Hour)
			assert.NoError(t, ctx.Err())
			finished.Add(1)
			return nil
		}, workerfx.WithReplicas(3)))
		synctest.Wait()
		require.NoError(t, pool.Scale("w", 1))
		assert.Equal(t, 3, running(pool, "w"), "it does not wait")
		time.Sleep(time.Hour + 1)
		assert.Equal(t, 1, running(pool, "w"))
		assert.EqualValues(t, 2, finished.Load())
		require.NoError(t, pool.Stop(within(t, 2*time.Hour)))
	})
}

func TestStopOfAScaledDownReplicaThatFinishesIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := startPool(t, workerfx.NewWorker("w", func(ctx context.Context) error {
			<-workerfx.Draining(ctx)
			return untilStopped(ctx)
		}))
		synctest.Wait()
		require.NoError(t, pool.Scale("w", 0))
		time.Sleep(time.Minute)
		start := time.Now()
		require.NoError(t, pool.Stop(within(t, 101*time.Second)))
		assert.Equal(t, 75*time.Second, time.Since(start))
	})
}

func TestBodiesFinishWhatTheyHaveWhenTheItemListens(t *testing.T) {
	items := func(ctx context.Context) error {
		workerfx.Draining(ctx)
		time.Sleep(10 * time.Second)
		return ctx.Err()
	}
	ch := func() chan int { return filled(5) }
	tests := map[string]func() workerfx.RunFunc{
		"loop": func() workerfx.RunFunc { return workerfx.Loop(items) },
		"channel": func() workerfx.RunFunc {
			return workerfx.FromChannel(ch(), func(ctx context.Context, _ int) error { return items(ctx) })
		},
		"batch": func() workerfx.RunFunc {
			return workerfx.Batch(ch(), 1, 0, func(ctx context.Context, _ []int) error { return items(ctx) })
		},
	}
	for name, body := range tests {
		bubble(name, t, func(t *testing.T) {
			pool := startPool(t, workerfx.NewWorker("w", body()))
			time.Sleep(15 * time.Second)
			start := time.Now()
			require.NoError(t, pool.Stop(within(t, time.Minute)))
			assert.Equal(t, 5*time.Second, time.Since(start), "it finishes the second and begins no third")
			e := execution(t, pool, "w")
			assert.Equal(t, workerfx.StatusStopped, e.Status)
			assert.EqualValues(t, 2, e.Jobs)
			assert.Zero(t, e.FailedJobs)
		})
	}
}

func TestChildrenDrainWithTheirParent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l drainLog
		pool := startPool(t, workerfx.NewWorker("w", func(ctx context.Context) error {
			if err := workerfx.AddChild(ctx, workerfx.NewWorker("c", l.body(5*time.Second))); err != nil {
				return err
			}
			<-workerfx.Draining(ctx)
			return nil
		}))
		synctest.Wait()
		l.start = time.Now()
		require.NoError(t, pool.Stop(within(t, 10*time.Second)))
		assert.Equal(t, 5*time.Second, time.Since(l.start))
		drained, ended := l.times()
		assert.Zero(t, drained)
		assert.EqualValues(t, -1, ended)
	})
}

func TestDrainingDependentHoldsItsPredecessorsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l, first drainLog
		pool := startPool(t, workerfx.NewWorker("a", l.body(5*time.Second), after("b")), workerfx.NewWorker("b", first.body(time.Second)))
		synctest.Wait()
		l.start, first.start = time.Now(), time.Now()
		require.NoError(t, pool.Stop(within(t, 20*time.Second)))
		drained, _ := l.times()
		assert.Zero(t, drained)
		drained, ended := first.times()
		assert.Equal(t, 5*time.Second, drained)
		assert.EqualValues(t, -1, ended)
		assert.Equal(t, 6*time.Second, time.Since(l.start))
	})
}

func TestDrainWhileAllElseHappens(t *testing.T) {
	for i := range 30 {
		var begun atomic.Int64
		pool := newPool(t)
		for j := range 4 {
			require.NoError(t, pool.Add(workerfx.NewWorker(fmt.Sprint(j), func(ctx context.Context) error {
				begun.Add(1)
				go workerfx.Draining(ctx)
				select {
				case <-workerfx.Draining(ctx):
				case <-time.After(time.Duration(j) * 50 * time.Microsecond):
				}
				return nil
			}, workerfx.WithInterval(time.Microsecond), workerfx.WithReplicas(2))))
		}
		require.NoError(t, pool.Start(t.Context()))
		for j := range 4 {
			name := fmt.Sprint(j)
			go func() { _ = pool.Pause(name); _ = pool.Resume(name) }()
			go func() { _ = pool.Scale(name, (i+j)%3); _ = pool.Scale(name, 1) }()
			go func() { _ = pool.Restart(name) }()
		}
		time.Sleep(time.Duration(i) * 20 * time.Microsecond)
		require.NoError(t, pool.Stop(within(t, 10*time.Second)))
		n := begun.Load()
		time.Sleep(time.Millisecond)
		assert.Equal(t, n, begun.Load(), "no run begins after the stop")
	}
}
