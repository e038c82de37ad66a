package workerfx_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx"
)

func TestNoRunStartsAfterStop(t *testing.T) {
	var stopped atomic.Bool
	for range 20 {
		pool := newPool(t)
		for i := range 4 {
			w := workerfx.NewWorker(fmt.Sprint(i), func(context.Context) error {
				assert.False(t, stopped.Load())
				return errBoom
			}, workerfx.WithMaxAttempts(0), workerfx.WithBackoff(workerfx.StaticBackoff{}))
			require.NoError(t, pool.Add(w))
		}
		require.NoError(t, pool.Start(t.Context()))
		time.Sleep(time.Duration(rand.IntN(200)) * time.Microsecond)
		require.NoError(t, pool.Stop(t.Context()))
		stopped.Store(true)
		assert.ErrorIs(t, pool.Add(workerfx.NewWorker("late", untilStopped)), workerfx.ErrPoolStopped)
		time.Sleep(50 * time.Microsecond)
		stopped.Store(false)
	}
}

func TestStopWaitsUntilAllHaveStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var stopped atomic.Int64
		pool := newPool(t)
		for i := range 10 {
			require.NoError(t, pool.Add(workerfx.NewWorker(fmt.Sprint(i), func(ctx context.Context) error {
				<-ctx.Done()
				time.Sleep(time.Duration(i) * time.Second)
				stopped.Add(1)
				return nil
			})))
		}
		require.NoError(t, pool.Start(t.Context()))
		synctest.Wait()
		start := time.Now()
		require.NoError(t, pool.Stop(context.Background()))
		assert.Equal(t, 9*time.Second, time.Since(start))
		assert.EqualValues(t, 10, stopped.Load())
	})
}

func TestStopIsFineTwiceBeforeStartAndFromManyGoroutines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := startPool(t, workerfx.NewWorker("w", untilStopped))
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() { assert.NoError(t, pool.Stop(context.Background())) })
		}
		wg.Wait()
		assert.NoError(t, pool.Stop(context.Background()))

		never := newPool(t, workerfx.NewWorker("w", untilStopped))
		require.NoError(t, never.Stop(context.Background()))
		assert.ErrorIs(t, never.Start(t.Context()), workerfx.ErrPoolStopped)
		require.NoError(t, never.Stop(context.Background()))
	})
}

func TestStartTwiceIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := startPool(t, workerfx.NewWorker("w", untilStopped))
		assert.ErrorIs(t, pool.Start(t.Context()), workerfx.ErrPoolStarted)
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		assert.ErrorIs(t, newPool(t).Start(ended), context.Canceled)
	})
}

func hangHere(release <-chan struct{}) { <-release }

func TestStopNamesStragglersWithTheirStacks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		pool := startPool(t,
			workerfx.NewWorker("good", untilStopped),
			workerfx.NewWorker("stubborn", func(ctx context.Context) error {
				go func() { <-release }() // has the labels of the run too
				hangHere(release)
				return nil
			}))
		synctest.Wait()
		start := time.Now()
		err := pool.Stop(within(t, 3*time.Second))
		assert.Equal(t, 3*time.Second, time.Since(start))
		var stop *workerfx.StopError
		require.ErrorAs(t, err, &stop)
		require.Len(t, stop.Stragglers, 1)
		assert.Equal(t, "stubborn", stop.Stragglers[0].Worker)
		assert.Contains(t, stop.Stragglers[0].Stack, "workerfx_test.hangHere")
		assert.Contains(t, err.Error(), `"stubborn"`)
		close(release)
		assert.NoError(t, pool.Stop(context.Background()), "it has stopped now")
	})
}

func TestStopTimeoutBoundsAWorkersOwnStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		slow := func(ctx context.Context) error {
			<-ctx.Done()
			time.Sleep(5 * time.Second)
			return nil
		}
		pool := startPool(t,
			workerfx.NewWorker("one", stubborn(release), workerfx.WithStopTimeout(time.Second)),
			workerfx.NewWorker("two", stubborn(release), workerfx.WithStopTimeout(2*time.Second)),
			workerfx.NewWorker("slow", slow),
			workerfx.NewWorker("bounded", slow, workerfx.WithStopTimeout(time.Minute)))
		synctest.Wait()
		start := time.Now()
		err := pool.Stop(context.Background())
		assert.Equal(t, 5*time.Second, time.Since(start), "waits for those that may take longer")
		var stop *workerfx.StopError
		require.ErrorAs(t, err, &stop)
		assert.Len(t, stop.Stragglers, 2)
	})
}

func TestStopTimeoutDoesNotOutlastThePoolsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		pool := startPool(t, workerfx.NewWorker("w", stubborn(release), workerfx.WithStopTimeout(time.Hour)))
		synctest.Wait()
		start := time.Now()
		require.Error(t, pool.Stop(within(t, time.Second)))
		assert.Equal(t, time.Second, time.Since(start))
	})
}

func TestStopEndsWaitsAtOnce(t *testing.T) {
	fail := func(context.Context) error { return errBoom }
	tests := map[string]workerfx.Worker{
		"deferred start": workerfx.NewWorker("w", untilStopped, workerfx.WithDeferredStart(time.Hour)),
		"backoff":        workerfx.NewWorker("w", fail, workerfx.WithMaxAttempts(0), workerfx.WithBackoff(workerfx.StaticBackoff{Sleep: time.Hour})),
		"failure pause": workerfx.NewWorker("w", fail, workerfx.WithMaxAttempts(0), static,
			workerfx.WithFailureLimit(workerfx.FailureLimit{Threshold: 1, Decay: time.Hour, Pause: time.Hour})),
	}
	for name, w := range tests {
		bubble(name, t, func(t *testing.T) {
			pool := startPool(t, w)
			time.Sleep(10 * time.Second)
			start := time.Now()
			require.NoError(t, pool.Stop(context.Background()))
			assert.Zero(t, time.Since(start))
			e := execution(t, pool, "w")
			assert.Equal(t, workerfx.StatusStopped, e.Status)
			assert.True(t, e.NextRunAt.IsZero())
			assert.True(t, e.HasEvent(workerfx.EventStopped))
		})
	}
}

func TestContextOutlivesStartHook(t *testing.T) {
	type key struct{}
	synctest.Test(t, func(t *testing.T) {
		var got any
		pool := newPool(t, workerfx.NewWorker("w", func(ctx context.Context) error {
			got = ctx.Value(key{})
			return untilStopped(ctx)
		}))
		ctx, cancel := context.WithTimeout(context.WithValue(t.Context(), key{}, "value"), time.Second)
		defer cancel()
		require.NoError(t, pool.Start(ctx))
		time.Sleep(time.Hour)
		assert.Equal(t, workerfx.StatusRunning, execution(t, pool, "w").Status)
		assert.Equal(t, "value", got)
		require.NoError(t, pool.Stop(context.Background()))
	})
}

func TestRunsContextEndsWithTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var before, during context.Context
		startPool(t, workerfx.NewWorker("w", func(ctx context.Context) error {
			before = ctx
			var cancel context.CancelFunc
			during, cancel = context.WithCancel(ctx)
			t.Cleanup(cancel) // later than the run's end, which is what must end it
			return nil
		}))
		synctest.Wait()
		<-during.Done()
		<-before.Done()
		assert.ErrorIs(t, before.Err(), context.Canceled)
		assert.ErrorIs(t, context.Cause(before), context.Canceled)
	})
}

func TestRunsContextEndsEvenIfNobodyLooked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ctx context.Context
		startPool(t, workerfx.NewWorker("w", func(c context.Context) error {
			assert.NoError(t, c.Err())
			ctx = c
			return nil
		}))
		synctest.Wait()
		assert.ErrorIs(t, ctx.Err(), context.Canceled)
		<-ctx.Done()
	})
}

func TestRunEndsWithThePoolsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := newPool(t, workerfx.NewWorker("w", untilStopped))
		start := time.Now()
		require.NoError(t, pool.Run(within(t, time.Minute)))
		assert.Equal(t, time.Minute, time.Since(start))

		ended, cancel := context.WithCancel(t.Context())
		cancel()
		assert.NoError(t, newPool(t, workerfx.NewWorker("w", untilStopped)).Run(ended), "asked to stop before it began")
		ending := &endsOnceAsked{Context: ended}
		assert.NoError(t, newPool(t, workerfx.NewWorker("w", untilStopped)).Run(ending), "asked to stop as it begins")
	})
}

// endsOnceAsked is a context that has ended when it is asked for the second time.
type endsOnceAsked struct {
	context.Context
	asked bool
}

func (c *endsOnceAsked) Err() error {
	if !c.asked {
		c.asked = true
		return nil
	}
	return c.Context.Err()
}

func TestRunGivesUpOnStragglers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		pool := must(workerfx.NewPool(silent, workerfx.WithConfig(workerfx.Config{StopTimeout: 4 * time.Second})))
		require.NoError(t, pool.Add(workerfx.NewWorker("w", stubborn(release))))
		start := time.Now()
		var stop *workerfx.StopError
		require.ErrorAs(t, pool.Run(within(t, time.Second)), &stop)
		assert.Equal(t, 5*time.Second, time.Since(start))
	})
}

func TestAddAfterStartRunsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := startPool(t)
		require.NoError(t, pool.Add(workerfx.NewWorker("late", untilStopped)))
		assert.Equal(t, workerfx.StatusRunning, execution(t, pool, "late").Status)
		assert.ErrorIs(t, pool.Add(workerfx.NewWorker("late", untilStopped)), workerfx.ErrDuplicateWorker)
	})
}

func TestRemoveStopsAndForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := workerfx.NewWorker("w", untilStopped)
		pool := newPool(t, w)
		require.NoError(t, pool.Remove(t.Context(), "w"), "before the start")
		require.NoError(t, pool.Add(w))
		require.NoError(t, pool.Start(t.Context()))
		synctest.Wait()
		require.NoError(t, pool.Remove(t.Context(), "w"))
		assert.Empty(t, pool.Executions())
		assert.ErrorIs(t, pool.Remove(t.Context(), "w"), workerfx.ErrUnknownWorker)
		require.NoError(t, pool.Add(w), "its name is free again")
		assert.Equal(t, workerfx.StatusRunning, execution(t, pool, "w").Status)
		require.NoError(t, pool.Stop(t.Context()))
	})
}

func TestRemoveOfAStragglerComesBackAndNamesIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		w := workerfx.NewWorker("w", stubborn(release))
		pool := startPool(t, w)
		synctest.Wait()
		start := time.Now()
		err := pool.Remove(context.Background(), "w")
		assert.Equal(t, 15*time.Second, time.Since(start))
		var stop *workerfx.StopError
		require.ErrorAs(t, err, &stop)
		assert.ErrorContains(t, err, `worker "w": remove`)
		assert.ErrorIs(t, pool.Add(w), workerfx.ErrDuplicateWorker, "the old run must not be doubled")
		close(release)
		synctest.Wait()
		assert.NoError(t, pool.Add(w), "forgotten once it has stopped")
		require.NoError(t, pool.Stop(t.Context()))
	})
}

func TestRemoveOfItselfDoesNotHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var pool *workerfx.Pool
		var err error
		pool = newPool(t, workerfx.NewWorker("w", func(ctx context.Context) error {
			err = pool.Remove(ctx, "w")
			return ctx.Err()
		}))
		require.NoError(t, pool.Start(t.Context()))
		synctest.Wait()
		assert.Error(t, err)
		assert.Empty(t, pool.Executions())
		require.NoError(t, pool.Stop(t.Context()))
	})
}

func TestAllMethodsFromAllGoroutinesAtAnyTime(t *testing.T) {
	pool := newPool(t)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 50 {
				name := fmt.Sprint("w", (i+j)%5)
				_ = pool.Add(workerfx.NewWorker(name, untilStopped))
				_, _ = pool.Execution(name)
				_ = pool.Executions()
				if i == 3 && j == 10 {
					_ = pool.Start(t.Context())
				}
				_ = pool.Remove(t.Context(), name)
				if i == 5 && j == 40 {
					_ = pool.Stop(t.Context())
				}
			}
		})
	}
	wg.Wait()
	assert.NoError(t, pool.Stop(within(t, 10*time.Second)))
}

func TestATimeoutOfAParentCoversItsChildren(t *testing.T) {
	bubble("", t, func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		pool := newPool(t, workerfx.NewWorker("parent", func(ctx context.Context) error {
			if err := workerfx.AddChild(ctx, workerfx.NewWorker("child", stubborn(release))); err != nil {
				return err
			}
			return untilStopped(ctx)
		}, workerfx.WithStopTimeout(2*time.Second)))
		require.NoError(t, pool.Start(t.Context()))
		synctest.Wait()
		begin := time.Now()
		err := pool.Stop(within(t, time.Minute))
		require.ErrorContains(t, err, `"parent", "parent/child"`)
		require.Equal(t, 2*time.Second, time.Since(begin))
	})
}
