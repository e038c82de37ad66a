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
)

// filled is a channel with the numbers from 1 to n in it.
func filled(n int) chan int {
	ch := make(chan int, n)
	for i := range n {
		ch <- i + 1
	}
	return ch
}

func TestLoopRunsJobsUntilItStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		jobs := 0
		pool := startPool(t, workerfx.NewWorker("w", workerfx.Loop(func(ctx context.Context) error {
			jobs++
			workerfx.Wait(ctx, time.Second)
			return nil
		})))
		time.Sleep(9500 * time.Millisecond)
		require.NoError(t, pool.Stop(context.Background()))
		e := execution(t, pool, "w")
		assert.Equal(t, workerfx.StatusStopped, e.Status)
		assert.Equal(t, 10, jobs)
		assert.EqualValues(t, 10, e.Jobs)
		assert.Zero(t, e.FailedJobs)
		assert.EqualValues(t, 1, e.Runs)
		assert.InDelta(t, 10, gather(t, registered(t, pool))[`worker_jobs_total{status="success",worker="w"}`], 0)
	})
}

func TestJobThatObeysIsNoFailedJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := startPool(t, workerfx.NewWorker("w", workerfx.Loop(untilStopped)))
		synctest.Wait()
		require.NoError(t, pool.Stop(context.Background()))
		e := execution(t, pool, "w")
		assert.Equal(t, workerfx.StatusStopped, e.Status)
		assert.Zero(t, e.FailedJobs)
	})
}

func TestFailedJobOfALoopIsAFailedAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		jobs := 0
		pool := startPool(t, workerfx.NewWorker("w", workerfx.Loop(func(context.Context) error {
			if jobs++; jobs%3 == 0 {
				panic("third")
			}
			if jobs > 8 {
				return workerfx.ErrDoNotRestart
			}
			return nil
		}), workerfx.WithMaxAttempts(0), static))
		time.Sleep(time.Minute)
		e := execution(t, pool, "w")
		assert.EqualValues(t, 3, e.FailedJobs)
		assert.EqualValues(t, 7, e.Jobs, "the one that ended it well included")
		assert.EqualValues(t, 3, e.Failures)
	})
}

func TestFromChannelLosesNothing(t *testing.T) {
	tests := map[string]func(n int) error{
		"error": func(n int) error {
			if n%4 == 0 {
				return errBoom
			}
			return nil
		},
		"panic": func(n int) error {
			if n%4 == 0 {
				panic("boom")
			}
			return nil
		},
	}
	for name, fail := range tests {
		bubble(name, t, func(t *testing.T) {
			ch := filled(20)
			close(ch)
			var got []int
			tries := map[int]int{}
			pool := startPool(t, workerfx.NewWorker("w", workerfx.FromChannel(ch, func(ctx context.Context, item int) error {
				require.NoError(t, ctx.Err(), "nothing is handed out with a dead context")
				assert.Equal(t, "w", workerfx.CtxWorkerName(ctx))
				if tries[item]++; tries[item] == 1 {
					if err := fail(item); err != nil {
						return err
					}
				}
				got = append(got, item)
				return nil
			}), workerfx.WithMaxAttempts(2), static, workerfx.WithHealthyAfter(0)))
			for range 10 {
				time.Sleep(time.Minute)
				if synctest.Wait(); execution(t, pool, "w").Status == workerfx.StatusError {
					require.NoError(t, pool.Restart("w"))
				}
			}
			e := execution(t, pool, "w")
			assert.Equal(t, workerfx.StatusSuccess, e.Status, "a closed channel ends the worker well")
			assert.Len(t, got, 20)
			assert.IsIncreasing(t, got)
			assert.EqualValues(t, 20, e.Jobs)
			assert.EqualValues(t, 5, e.FailedJobs)
		})
	}
}

func TestItemInHandIsFinishedOnStopWithALivingContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ch := filled(3)
		var done []int
		pool := startPool(t, workerfx.NewWorker("w", workerfx.FromChannel(ch, func(ctx context.Context, item int) error {
			time.Sleep(10 * time.Second)
			done = append(done, item)
			return ctx.Err()
		})))
		time.Sleep(time.Second)
		require.NoError(t, pool.Stop(context.Background()))
		assert.Equal(t, []int{1}, done)
		assert.Len(t, ch, 2, "what was not received stays where it is")
		assert.Equal(t, workerfx.StatusStopped, execution(t, pool, "w").Status)
	})
}

func TestItemsContextEndsWithTheStopTimeout(t *testing.T) {
	tests := map[string]struct {
		opts []workerfx.Option
		pool time.Duration
	}{
		"of the worker": {[]workerfx.Option{workerfx.WithStopTimeout(5 * time.Second)}, time.Hour},
		"of the pool":   {nil, 5 * time.Second},
	}
	for name, test := range tests {
		bubble(name, t, func(t *testing.T) {
			var lived time.Duration
			var stopAt time.Time
			pool := startPool(t, workerfx.NewWorker("w", workerfx.FromChannel(filled(1), func(ctx context.Context, _ int) error {
				<-ctx.Done()
				lived = time.Since(stopAt)
				return ctx.Err()
			}), test.opts...))
			synctest.Wait()
			stopAt = time.Now()
			require.NoError(t, pool.Stop(within(t, test.pool)))
			synctest.Wait()
			assert.Equal(t, 4500*time.Millisecond, lived, "a little sooner, so that it can still stop in time")
			e := execution(t, pool, "w")
			assert.ErrorContains(t, e.Err, "handed over again: 1")
		})
	}
}

func TestExhaustedAttemptsSayHowManyItemsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fail := true
		var got []int
		pool := startPool(t, workerfx.NewWorker("w", workerfx.Batch(filled(3), 10, 0, func(_ context.Context, batch []int) error {
			if fail {
				return errBoom
			}
			got = append(got, batch...)
			return nil
		})))
		e := execution(t, pool, "w")
		assert.Equal(t, workerfx.StatusError, e.Status)
		require.ErrorIs(t, e.Err, errBoom)
		assert.ErrorContains(t, e.Err, "handed over again: 3")
		fail = false
		require.NoError(t, pool.Restart("w"))
		synctest.Wait()
		assert.Equal(t, []int{1, 2, 3}, got)
	})
}

func TestBatchCollectsBySizeAndDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ch := make(chan int)
		start := time.Now()
		var sizes []int
		var at []time.Duration
		startPool(t, workerfx.NewWorker("w", workerfx.Batch(ch, 3, time.Second, func(_ context.Context, batch []int) error {
			sizes, at = append(sizes, len(batch)), append(at, time.Since(start))
			return nil
		})))
		for i := range 5 {
			ch <- i
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(time.Minute)
		close(ch)
		synctest.Wait()
		assert.Equal(t, []int{3, 2}, sizes)
		assert.Equal(t, []time.Duration{200 * time.Millisecond, 1300 * time.Millisecond}, at)
	})
}

func TestBatchThatFailedIsHandedOverAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ch := filled(10)
		close(ch)
		tries := 0
		var got []int
		pool := startPool(t, workerfx.NewWorker("w", workerfx.Batch(ch, 4, time.Second, func(_ context.Context, batch []int) error {
			switch tries++; tries {
			case 1:
				return errBoom
			case 2:
				panic("flush")
			}
			got = append(got, batch...)
			for i := range batch {
				batch[i] = -1 // it is the callee's
			}
			return nil
		}), workerfx.WithMaxAttempts(0), static))
		time.Sleep(time.Hour)
		synctest.Wait()
		assert.Equal(t, []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, got)
		assert.Equal(t, workerfx.StatusSuccess, execution(t, pool, "w").Status)
	})
}

func TestBatchIsFlushedOnStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ch := make(chan int, 10)
		var got []int
		pool := startPool(t, workerfx.NewWorker("w", workerfx.Batch(ch, 100, time.Hour, func(ctx context.Context, batch []int) error {
			got = append(got, batch...)
			return ctx.Err()
		})))
		for i := range 7 {
			ch <- i
			synctest.Wait()
		}
		require.NoError(t, pool.Stop(context.Background()))
		assert.Len(t, got, 7)
		assert.Equal(t, workerfx.StatusStopped, execution(t, pool, "w").Status)
	})
}

func TestOneBodyServesSeveralReplicas(t *testing.T) {
	ch := filled(1000)
	close(ch)
	var mu sync.Mutex
	seen := map[int]int{}
	var n atomic.Int64
	pool := startPool(t, workerfx.NewWorker("w", workerfx.FromChannel(ch, func(_ context.Context, item int) error {
		if n.Add(1)%50 == 0 {
			return errBoom
		}
		mu.Lock()
		defer mu.Unlock()
		seen[item]++
		return nil
	}), workerfx.WithReplicas(4), workerfx.WithMaxAttempts(0), workerfx.WithBackoff(workerfx.StaticBackoff{})))
	require.Eventually(t, func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(seen) == 1000
	}, time.Minute, time.Millisecond)
	for item, times := range seen {
		assert.Equal(t, 1, times, item)
	}
	require.NoError(t, pool.Stop(context.Background()))
}

func TestBadBodiesAreErrorsAtAdd(t *testing.T) {
	var none chan int
	item := func(context.Context, int) error { return nil }
	batch := func(context.Context, []int) error { return nil }
	for want, body := range map[string]workerfx.RunFunc{
		"Loop: job is nil":             workerfx.Loop(nil),
		"FromChannel: channel is nil":  workerfx.FromChannel(none, item),
		"FromChannel: function is nil": workerfx.FromChannel[int](filled(1), nil),
		"Batch: channel is nil":        workerfx.Batch(none, 1, 0, batch),
		"Batch: function is nil":       workerfx.Batch[int](filled(1), 1, 0, nil),
		"Batch: max size 0":            workerfx.Batch(filled(1), 0, 0, batch),
		"Batch: max delay -1s":         workerfx.Batch(filled(1), 1, -time.Second, batch),
	} {
		err := newPool(t).Add(workerfx.NewWorker("w", body))
		require.ErrorContains(t, err, `worker "w"`)
		assert.ErrorContains(t, err, want)
		assert.ErrorIs(t, body(t.Context()), workerfx.ErrDoNotRestart, "wrapped, it says so when it runs")
	}
}

func TestBodiesWorkOutsideOfAPool(t *testing.T) {
	ch := filled(3)
	close(ch)
	sum := 0
	require.NoError(t, workerfx.FromChannel(ch, func(_ context.Context, item int) error { sum += item; return nil })(t.Context()))
	assert.Equal(t, 6, sum)
	ctx, cancel := context.WithCancel(t.Context())
	err := workerfx.Loop(func(context.Context) error { cancel(); return nil })(ctx)
	assert.ErrorIs(t, err, context.Canceled)
}

func TestRunAllStopsWithTheFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		err := workerfx.RunAll(t.Context(), workerfx.RunFunc(untilStopped), workerfx.RunFunc(untilStopped),
			workerfx.NewWorker("first", func(context.Context) error { time.Sleep(time.Second); return errBoom }))
		assert.Equal(t, time.Second, time.Since(start))
		require.ErrorIs(t, err, workerfx.ErrExitedPrematurely)
		require.ErrorIs(t, err, errBoom)
		assert.ErrorContains(t, err, `"first"`)
		assert.NoError(t, workerfx.RunAll(within(t, time.Second), workerfx.RunFunc(untilStopped)))
		assert.NoError(t, workerfx.RunAll(t.Context()))
		assert.Error(t, workerfx.RunAll(t.Context(), nil))
	})
}

func TestRunAllJobsRunsAllToTheirEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := errors.New("slow")
		err := workerfx.RunAllJobs(t.Context(),
			func(context.Context) error { return errBoom },
			func(context.Context) error { time.Sleep(time.Minute); return slow },
			func(context.Context) error { panic("aargh") },
			nil,
			func(context.Context) error { return nil })
		require.ErrorIs(t, err, errBoom)
		require.ErrorIs(t, err, slow)
		var panicked *workerfx.PanicError
		require.ErrorAs(t, err, &panicked)
		assert.ErrorContains(t, err, "job 4 is nil")
		assert.NoError(t, workerfx.RunAllJobs(t.Context()))
	})
}

func TestItemsOfAReplicaThatIsScaledDownAreTakenUpByAnother(t *testing.T) {
	bodies := map[string]func(<-chan string, func(context.Context, string) error) workerfx.RunFunc{
		"FromChannel": workerfx.FromChannel[string],
		"Batch": func(ch <-chan string, fn func(context.Context, string) error) workerfx.RunFunc {
			return workerfx.Batch(ch, 2, 0, func(ctx context.Context, batch []string) error { return fn(ctx, batch[0]) })
		},
	}
	for name, body := range bodies {
		bubble(name, t, func(t *testing.T) {
			ch := make(chan string)
			var bad, good atomic.Int64
			pool := startPool(t, workerfx.NewWorker("w", body(ch, func(_ context.Context, item string) error {
				time.Sleep(time.Second)
				if item == "bad" && bad.Add(1) == 1 {
					return errBoom
				}
				good.Add(1)
				return nil
			}), workerfx.WithMaxAttempts(0), workerfx.WithBackoff(workerfx.StaticBackoff{Sleep: time.Hour})))
			ch <- "good"
			synctest.Wait()
			require.NoError(t, pool.Scale("w", 2))
			synctest.Wait()
			ch <- "bad" // replica 1 has it, and fails when replica 0 is idle
			time.Sleep(2 * time.Second)
			require.NoError(t, pool.Scale("w", 1))
			time.Sleep(2 * time.Second)
			require.EqualValues(t, 2, good.Load(), "nothing else came that would have made replica 0 look")
		})
	}
}

func TestItemsThatAreLeftWhenTheirWorkerStopsAreLogged(t *testing.T) {
	bubble("", t, func(t *testing.T) {
		var log logBuffer
		pool, err := workerfx.NewPool(workerfx.WithLogger(*log.logger()))
		require.NoError(t, err)
		ch := make(chan int, 3)
		ch <- 1
		ch <- 2
		ch <- 3
		require.NoError(t, pool.Add(workerfx.NewWorker("w", workerfx.Batch(ch, 3, 0, func(context.Context, []int) error {
			return errBoom
		}), workerfx.WithMaxAttempts(0), workerfx.WithBackoff(workerfx.StaticBackoff{Sleep: time.Hour}))))
		require.NoError(t, pool.Start(t.Context()))
		synctest.Wait()
		require.NoError(t, pool.Stop(t.Context()))
		line := log.find(t, "worker ended with items that were not handled")
		require.EqualValues(t, 3, line["items"])
		require.Equal(t, "w", line["worker"])
	})
}

func TestARunAfterAPauseIsNoRestart(t *testing.T) {
	bubble("", t, func(t *testing.T) {
		var calls atomic.Int64
		pool := startPool(t, workerfx.NewWorker("w", workerfx.Loop(func(ctx context.Context) error {
			if calls.Add(1) == 1 {
				return errBoom
			}
			workerfx.Wait(ctx, time.Second)
			return nil
		}), workerfx.WithMaxAttempts(0)))
		for range 3 {
			time.Sleep(3 * time.Second)
			require.NoError(t, pool.Pause("w"))
			time.Sleep(3 * time.Second)
			require.NoError(t, pool.Resume("w"))
		}
		e := execution(t, pool, "w")
		require.EqualValues(t, 5, e.Runs)
		require.EqualValues(t, 1, e.Failures)
		require.EqualValues(t, 1, e.Restarts)
	})
}

func TestTheLogSaysWhichItemsNoReplicaHandled(t *testing.T) {
	const line = "worker ended with items that were not handled"
	hourly := workerfx.WithBackoff(workerfx.StaticBackoff{Sleep: time.Hour})
	start := func(t *testing.T, fn func(context.Context, int) error, opts ...workerfx.Option) (*workerfx.Pool, chan int, *logBuffer) {
		t.Helper()
		log, ch := new(logBuffer), make(chan int)
		pool, err := workerfx.NewPool(workerfx.WithLogger(*log.logger()))
		require.NoError(t, err)
		require.NoError(t, pool.Add(workerfx.NewWorker("w", workerfx.FromChannel(ch, fn), opts...), hourly))
		require.NoError(t, pool.Start(t.Context()))
		synctest.Wait()
		return pool, ch, log
	}
	bubble("none, as another replica handled it", t, func(t *testing.T) {
		var calls atomic.Int64
		pool, ch, log := start(t, func(context.Context, int) error {
			if calls.Add(1) == 1 {
				return errBoom
			}
			return nil
		}, workerfx.WithReplicas(2))
		ch <- 1 // its replica fails for good
		synctest.Wait()
		ch <- 2
		synctest.Wait()
		require.EqualValues(t, 3, calls.Load())
		require.NoError(t, pool.Stop(context.Background()))
		require.Zero(t, log.count(t, line))
	})
	bubble("one, though each replica failed with it", t, func(t *testing.T) {
		pool, ch, log := start(t, func(context.Context, int) error { return errBoom }, workerfx.WithReplicas(4))
		ch <- 1
		synctest.Wait()
		for range 3 { // another replica takes it when it looks for an item
			select {
			case ch <- 1:
			default:
			}
			synctest.Wait()
		}
		require.NoError(t, pool.Stop(context.Background()))
		require.Equal(t, 1, log.count(t, line))
	})
	bubble("one, of a worker without replicas", t, func(t *testing.T) {
		pool, ch, log := start(t, func(context.Context, int) error { return errBoom }, workerfx.WithMaxAttempts(0))
		ch <- 1
		synctest.Wait()
		require.NoError(t, pool.Scale("w", 0))
		synctest.Wait()
		require.Zero(t, log.count(t, line), "it may be scaled up")
		require.NoError(t, pool.Stop(context.Background()))
		require.Equal(t, 1, log.count(t, line))
		require.EqualValues(t, 1, log.find(t, line)["items"])
	})
}

func TestAnItemThatAlwaysFailsBlocksItsReplicaOnly(t *testing.T) {
	const bad = 0
	var handled, attempts atomic.Int64
	handle := func(_ context.Context, item int) error {
		if item == bad {
			attempts.Add(1)
			return errBoom
		}
		handled.Add(1)
		return nil
	}
	for name, body := range map[string]func(ch chan int) workerfx.RunFunc{
		"FromChannel": func(ch chan int) workerfx.RunFunc { return workerfx.FromChannel(ch, handle) },
		"Batch": func(ch chan int) workerfx.RunFunc {
			return workerfx.Batch(ch, 1, 0, func(ctx context.Context, batch []int) error { return handle(ctx, batch[0]) })
		},
	} {
		bubble(name, t, func(t *testing.T) {
			handled.Store(0)
			attempts.Store(0)
			ch := make(chan int)
			startPool(t, workerfx.NewWorker("w", body(ch), workerfx.WithReplicas(2),
				workerfx.WithMaxAttempts(0), workerfx.WithBackoff(workerfx.StaticBackoff{Sleep: time.Minute})))
			ch <- bad
			synctest.Wait()
			for item := 1; item <= 100; item++ {
				ch <- item
				synctest.Wait()
			}
			require.EqualValues(t, 100, handled.Load())
			require.EqualValues(t, 1, attempts.Load(), "the backoff is not over")
			time.Sleep(time.Minute)
			synctest.Wait()
			require.EqualValues(t, 2, attempts.Load())
		})
	}
}

func TestItemsOfAWorkerThatIsRemovedAreLogged(t *testing.T) {
	bubble("", t, func(t *testing.T) {
		var log logBuffer
		pool, err := workerfx.NewPool(workerfx.WithLogger(*log.logger()))
		require.NoError(t, err)
		ch := make(chan int)
		require.NoError(t, pool.Add(workerfx.NewWorker("w", workerfx.FromChannel(ch, func(context.Context, int) error { return errBoom }),
			workerfx.WithMaxAttempts(0), workerfx.WithBackoff(workerfx.StaticBackoff{Sleep: time.Hour}))))
		require.NoError(t, pool.Start(t.Context()))
		ch <- 1
		synctest.Wait()
		require.NoError(t, pool.Scale("w", 0))
		synctest.Wait()
		require.NoError(t, pool.Remove(t.Context(), "w"))
		require.Equal(t, 1, log.count(t, "worker ended with items that were not handled"))
		require.NoError(t, pool.Stop(context.Background()))
		require.Equal(t, 1, log.count(t, "worker ended with items that were not handled"))
	})
}

func TestAnIdleReplicaTakesTheItemOfOneThatFailedForGood(t *testing.T) {
	for _, closes := range []bool{false, true} {
		bubble(fmt.Sprint("closes=", closes), t, func(t *testing.T) {
			var calls, handled atomic.Int64
			ch := make(chan int)
			startPool(t, workerfx.NewWorker("w", workerfx.FromChannel(ch, func(context.Context, int) error {
				if calls.Add(1) == 1 {
					return errBoom
				}
				handled.Add(1)
				return nil
			}), workerfx.WithReplicas(2)))
			synctest.Wait()
			ch <- 1
			synctest.Wait()
			if closes {
				close(ch)
			}
			time.Sleep(24 * time.Hour)
			synctest.Wait()
			require.EqualValues(t, 1, handled.Load())
		})
	}
}

func TestAllBodiesOfARunHandOverTheirItems(t *testing.T) {
	bubble("", t, func(t *testing.T) {
		var mu sync.Mutex
		handled := map[int]int{}
		failedIn := -1
		a, b := make(chan int), make(chan int)
		first := workerfx.FromChannel(a, func(ctx context.Context, item int) error {
			mu.Lock()
			defer mu.Unlock()
			if replicaIn(ctx) == 1 {
				failedIn = item
				return errBoom
			}
			handled[item]++
			return nil
		})
		second := workerfx.FromChannel(b, func(context.Context, int) error { return nil })
		pool := startPool(t, workerfx.NewWorker("w", func(ctx context.Context) error {
			if err := workerfx.Go(ctx, first); err != nil {
				return err
			}
			time.Sleep(time.Second)
			return second(ctx)
		}, workerfx.WithReplicas(2), workerfx.WithMaxAttempts(0), workerfx.WithBackoff(workerfx.StaticBackoff{Sleep: time.Hour})))
		time.Sleep(2 * time.Second)
		for i := 0; failedIn < 0; i++ {
			a <- i
			synctest.Wait()
		}
		require.NoError(t, pool.Scale("w", 1)) // replica 1 waits for its backoff with the item
		synctest.Wait()
		require.NoError(t, pool.Scale("w", 2))
		time.Sleep(24 * time.Hour)
		a <- 1000 // replica 0 looks for items; a new replica 1 fails
		synctest.Wait()
		require.NoError(t, pool.Restart("w"))
		time.Sleep(24 * time.Hour)
		mu.Lock()
		defer mu.Unlock()
		require.Equal(t, 1, handled[failedIn], "item %d", failedIn)
	})
}

func TestTheLogCountsNoItemThatAnotherWorkerHandles(t *testing.T) {
	bubble("", t, func(t *testing.T) {
		log := new(logBuffer)
		ch := make(chan int)
		var handled atomic.Int64
		body := workerfx.FromChannel(ch, func(ctx context.Context, item int) error {
			if workerfx.CtxWorkerName(ctx) == "b" && workerfx.CtxAttempt(ctx) == 1 {
				return errBoom
			}
			handled.Add(1)
			return nil
		})
		pool, err := workerfx.NewPool(workerfx.WithLogger(*log.logger()))
		require.NoError(t, err)
		require.NoError(t, pool.Add(workerfx.NewWorker("b", body, workerfx.WithMaxAttempts(0), workerfx.WithBackoff(workerfx.StaticBackoff{Sleep: time.Hour}))))
		require.NoError(t, pool.Start(t.Context()))
		synctest.Wait()
		ch <- 1
		synctest.Wait() // b waits for its next attempt with the item
		require.NoError(t, pool.Add(workerfx.NewWorker("a", body)))
		synctest.Wait()
		require.NoError(t, pool.Remove(t.Context(), "a"))
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		require.EqualValues(t, 1, handled.Load())
		require.NoError(t, pool.Stop(context.Background()))
		require.Zero(t, log.count(t, "worker ended with items that were not handled"))
	})
}

func TestARunThatWasToldToFinishBeforeItsBodyTakesNoItemOfOthers(t *testing.T) {
	bubble("", t, func(t *testing.T) {
		ch := make(chan int)
		var paused atomic.Bool
		var late atomic.Int64
		slow := func(next workerfx.RunFunc) workerfx.RunFunc {
			return func(ctx context.Context) error {
				if replicaIn(ctx) == 1 {
					time.Sleep(time.Second)
				}
				return next(ctx)
			}
		}
		pool := startPool(t, workerfx.NewWorker("w", workerfx.FromChannel(ch, func(context.Context, int) error {
			if paused.Load() {
				late.Add(1)
			}
			return errBoom
		}), workerfx.WithReplicas(2), workerfx.WithMiddleware(slow)))
		synctest.Wait()
		ch <- 1 // replica 0 fails for good
		synctest.Wait()
		require.NoError(t, pool.Pause("w"))
		paused.Store(true)
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Zero(t, late.Load())
	})
}

// replicaIn returns the number of the replica whose run has this context.
func replicaIn(ctx context.Context) int {
	for _, e := range workerfx.CtxPool(ctx).Executions() {
		if e.ID == workerfx.CtxExecutionID(ctx) {
			return e.Replica
		}
	}
	return -1
}
