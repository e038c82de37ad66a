package faults_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx"
)

// drained wraps a run that begins to end once it is told to finish.
func drained(run workerfx.RunFunc) workerfx.RunFunc {
	return func(ctx context.Context) error {
		<-workerfx.Draining(ctx)
		return run(ctx)
	}
}

// endOfContext notes when the context of a run ended.
type endOfContext struct {
	mu sync.Mutex
	at time.Time
}

// body is that of a run which takes so long to finish, if its context does not end before.
func (e *endOfContext) body(finish time.Duration) workerfx.RunFunc {
	return drained(func(ctx context.Context) error {
		defer e.watch(ctx)()
		workerfx.Wait(ctx, finish)
		return ctx.Err()
	})
}

// watch notes when ctx ends. A run that returns at that moment calls stop before the note is made: stop makes it then.
func (e *endOfContext) watch(ctx context.Context) (stop func()) {
	note := func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.at = time.Now()
	}
	unwatch := context.AfterFunc(ctx, note)
	return func() {
		if unwatch() && ctx.Err() != nil {
			note()
		}
	}
}

// after is when, after a time, the context ended; -1 for never.
func (e *endOfContext) after(begin time.Time) time.Duration {
	synctest.Wait()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.at.IsZero() {
		return -1
	}
	return e.at.Sub(begin)
}

func TestStopDoesNotWaitForARunThatNeverFinishesAndEndsItsContextInTime(t *testing.T) {
	tests := map[string]struct {
		budget, own time.Duration // of Stop and of the worker; 0 = none
		returns     time.Duration
		ends        time.Duration
	}{
		"the pool's":                  {10 * time.Second, 0, 10 * time.Second, 6750 * time.Millisecond},
		"the pool's, and a long own":  {10 * time.Second, time.Hour, 10 * time.Second, 6750 * time.Millisecond},
		"the longest own":             {10 * time.Second, longest, 10 * time.Second, 6750 * time.Millisecond},
		"a short own":                 {10 * time.Second, 2 * time.Second, 2 * time.Second, 1500 * time.Millisecond},
		"the shortest own":            {10 * time.Second, 4, 4, 3},
		"a short own, no other":       {0, 4 * time.Second, 4 * time.Second, 3 * time.Second},
		"its own, longer than no end": {0, time.Minute, time.Minute, 11250 * time.Millisecond},
		"next to nothing":             {20, 0, 20, 14},
	}
	for name, test := range tests {
		bubble(name, t, func(t *testing.T) {
			release := make(chan struct{})
			var end endOfContext
			pool := startPool(t, workerfx.NewWorker("w", drained(func(ctx context.Context) error {
				defer end.watch(ctx)()
				hangHere(release)
				return nil
			}), workerfx.WithStopTimeout(test.own)), workerfx.NewWorker("other", untilStopped))
			synctest.Wait()
			ctx := context.Background()
			if test.budget > 0 {
				ctx = within(t, test.budget)
			}
			begin := time.Now()
			var late *workerfx.StopError
			require.ErrorAs(t, pool.Stop(ctx), &late)
			assert.Equal(t, test.returns, time.Since(begin))
			require.Len(t, late.Stragglers, 1)
			assert.Equal(t, "w", late.Stragglers[0].Worker)
			assert.Contains(t, late.Stragglers[0].Stack, "faults_test.hangHere")
			time.Sleep(time.Hour)
			assert.Equal(t, test.ends, end.after(begin))
			close(release)
			synctest.Wait()
			stop(t, pool)
		})
	}
}

// commandsToFinish let a run finish. bad is the worker's status when the run then ends badly, obeys when the run obeys.
// The status is -1 when the worker is removed.
var commandsToFinish = map[string]struct {
	give       func(p *workerfx.Pool) error
	bad, obeys workerfx.Status
}{
	"Stop":   {func(p *workerfx.Pool) error { return p.Stop(context.Background()) }, workerfx.StatusError, workerfx.StatusStopped},
	"Remove": {func(p *workerfx.Pool) error { return p.Remove(context.Background(), "w") }, -1, -1},
	"Scale":  {func(p *workerfx.Pool) error { return p.Scale("w", 0) }, workerfx.StatusPaused, workerfx.StatusPaused},
	"Pause":  {func(p *workerfx.Pool) error { return p.Pause("w") }, workerfx.StatusPaused, workerfx.StatusPaused},
}

func TestARunThatEndsBadlyWhileItFinishesIsOneFailure(t *testing.T) {
	for name, broken := range brokenRuns() {
		for what, command := range commandsToFinish {
			bubble(name+", "+what, t, func(t *testing.T) {
				pool := startPool(t, workerfx.NewWorker("w", drained(broken.run), endless, second), workerfx.NewWorker("other", untilStopped))
				registry := newRegistry(t, pool)
				synctest.Wait()
				begin := time.Now()
				require.NoError(t, command.give(pool))
				assert.Zero(t, time.Since(begin))
				time.Sleep(time.Minute)
				synctest.Wait()
				if command.bad < 0 {
					assert.Equal(t, []string{"other"}, names(pool))
					stop(t, pool)
					return
				}
				e := report(t, pool, "w")
				assert.EqualValues(t, 1, e.Runs, "no other begins")
				assert.Contains(t, scrape(t, registry), fmt.Sprintf("worker_panics_total{worker=\"w\"} %v", broken.panics))
				if name == "ErrStopping out of the blue" { // it is not
					assert.Equal(t, command.obeys, e.Status)
				} else {
					assert.Equal(t, command.bad, e.Status)
					assert.EqualValues(t, 1, e.Failures)
					assert.ErrorContains(t, e.Err, broken.says)
				}
				stop(t, pool)
			})
		}
	}
}

func TestRunThatAsksForDrainingDuringStopIsTold(t *testing.T) {
	for round := range 300 {
		asked, begun := make(chan struct{}), make(chan struct{})
		pool := startPool(t, workerfx.NewWorker("w", func(ctx context.Context) error {
			close(begun)
			for range rand.IntN(1 + 20*round) { // to be at it at another moment each time
			}
			<-workerfx.Draining(ctx)
			close(asked)
			return nil
		}))
		<-begun
		for range rand.IntN(1 + 20*round) { // as above
		}
		begin := time.Now()
		require.NoError(t, pool.Stop(within(t, time.Minute)))
		assert.Less(t, time.Since(begin), 20*time.Second, "nobody sleeps through it")
		<-asked
		e, err := pool.Execution("w")
		require.NoError(t, err)
		assert.Equal(t, workerfx.StatusSuccess, e.Status)
	}
}

func TestGoroutinesThatAskAfterTheRunHasEndedAreToldAndChangeNothing(t *testing.T) {
	for _, listens := range []bool{false, true} {
		bubble(fmt.Sprint(listens), t, func(t *testing.T) {
			var told atomic.Int64
			var left context.Context
			pool := startPool(t, workerfx.NewWorker("w", func(ctx context.Context) error {
				if listens {
					_ = workerfx.Draining(ctx)
				}
				if left == nil {
					left = ctx
					return errBoom
				}
				return untilStopped(ctx)
			}, endless, second))
			synctest.Wait()
			for range 100 {
				go func() { <-workerfx.Draining(left); told.Add(1) }()
			}
			time.Sleep(2 * time.Second)
			synctest.Wait()
			assert.EqualValues(t, 100, told.Load())
			begin := time.Now()
			require.NoError(t, pool.Stop(within(t, time.Minute)))
			took := time.Since(begin)
			assert.Equal(t, listens, took > 0, "the next run does not listen for it, unless it does: %v", took)
		})
	}
}

type unrelatedKey struct{}

func TestDrainingOfAContextOutsideOfARun(t *testing.T) {
	contexts := map[string]struct {
		ctx  context.Context
		told bool // at once
	}{
		"background":       {context.Background(), false},
		"with a value":     {context.WithValue(context.Background(), unrelatedKey{}, 1), false},
		"an ended context": {ended(), true},
	}
	for name, test := range contexts {
		bubble(name, t, func(t *testing.T) {
			told := false
			release := make(chan struct{})
			pool := startPool(t, workerfx.NewWorker("w", func(context.Context) error {
				select {
				case <-workerfx.Draining(test.ctx):
					told = true
				case <-release:
				}
				return nil
			}))
			synctest.Wait()
			assert.Equal(t, test.told, told)
			if !test.told { // it waits in vain, and is named
				begin := time.Now()
				requireStraggler(t, pool, "w", time.Second)
				assert.Equal(t, time.Second, time.Since(begin))
			}
			close(release)
			stop(t, pool)
		})
	}
}

func TestDrainingOfNoContextIsAFailedAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := startPool(t, workerfx.NewWorker("w", func(context.Context) error {
			<-workerfx.Draining(nil) //nolint:staticcheck // a mistake that one can make
			return nil
		}), workerfx.NewWorker("other", untilStopped))
		e := report(t, pool, "w")
		assert.Equal(t, workerfx.StatusError, e.Status)
		assert.ErrorContains(t, e.Err, "nil pointer")
		assert.Equal(t, workerfx.StatusRunning, report(t, pool, "other").Status)
		stop(t, pool)
	})
}

func TestManyGoroutinesThatListenAreAllTold(t *testing.T) {
	for what, command := range commandsToFinish {
		bubble(what, t, func(t *testing.T) {
			var told atomic.Int64
			pool := startPool(t, workerfx.NewWorker("w", func(ctx context.Context) error {
				var wg sync.WaitGroup
				for i := range 1000 {
					wg.Go(func() {
						time.Sleep(time.Duration(i) * time.Millisecond)
						<-workerfx.Draining(context.WithoutCancel(ctx))
						assert.NoError(t, ctx.Err())
						told.Add(1)
					})
				}
				wg.Wait()
				return workerfx.ErrStopping
			}))
			time.Sleep(500 * time.Millisecond) // half of them ask when it has been told
			require.NoError(t, command.give(pool))
			time.Sleep(time.Second)
			synctest.Wait()
			assert.EqualValues(t, 1000, told.Load())
			if command.obeys >= 0 {
				assert.Equal(t, command.obeys, report(t, pool, "w").Status)
			}
			stop(t, pool)
		})
	}
}

func TestNothingBeginsOnceARunWasToldToFinish(t *testing.T) {
	for what, command := range commandsToFinish {
		bubble(what, t, func(t *testing.T) {
			var told atomic.Bool
			var began, finished atomic.Int64
			at := func() { // something begins
				if told.Load() {
					began.Add(1)
				}
			}
			job := func(ctx context.Context) error {
				at()
				_ = workerfx.Draining(ctx)
				time.Sleep(5 * time.Second)
				assert.NoError(t, ctx.Err())
				finished.Add(1)
				return nil
			}
			items := make(chan int, 1000)
			for i := range cap(items) {
				items <- i
			}
			bodies := []workerfx.Worker{
				workerfx.NewWorker("w", drained(func(context.Context) error { finished.Add(1); return errBoom }), endless, second),
				workerfx.NewWorker("w", job, workerfx.WithInterval(time.Second), workerfx.WithStartImmediately()),
				workerfx.NewWorker("w", workerfx.Loop(job)),
				workerfx.NewWorker("w", workerfx.FromChannel(items, func(ctx context.Context, _ int) error { return job(ctx) })),
				workerfx.NewWorker("w", workerfx.Batch(items, 10, time.Second, func(ctx context.Context, _ []int) error { return job(ctx) })),
			}
			for i, w := range bodies {
				told.Store(false)
				began.Store(0)
				finished.Store(0)
				pool := start(t, newPool(t), w)
				time.Sleep(2 * time.Second)
				told.Store(true)
				require.NoError(t, command.give(pool))
				time.Sleep(time.Minute)
				synctest.Wait()
				assert.Zero(t, began.Load(), "%d", i)
				assert.EqualValues(t, 1, finished.Load(), "%d: what was begun is finished", i)
				stop(t, pool)
			}
		})
	}
}

func TestDrainingReplicaTakesNoItemsOfOthers(t *testing.T) {
	// Two of three replicas fail while the third is busy. What they had in hand is theirs to hand over again.
	hand := map[string]func(ch <-chan int, one func(context.Context, int) error) workerfx.RunFunc{
		"FromChannel": workerfx.FromChannel[int],
		"Batch": func(ch <-chan int, one func(context.Context, int) error) workerfx.RunFunc {
			return workerfx.Batch(ch, 1, 0, func(ctx context.Context, batch []int) error { return one(ctx, batch[0]) })
		},
	}
	for kind, body := range hand {
		for what, command := range commandsToFinish {
			bubble(kind+", "+what, t, func(t *testing.T) {
				ch := make(chan int, 3)
				for i := range cap(ch) {
					ch <- i
				}
				var mu sync.Mutex
				begun, done := 0, []int{}
				one := func(_ context.Context, item int) error {
					mu.Lock()
					begun++
					failing := item < 2 && begun <= 3
					mu.Unlock()
					if failing {
						time.Sleep(time.Second)
						return errBoom
					}
					time.Sleep(5 * time.Second)
					mu.Lock()
					defer mu.Unlock()
					done = append(done, item)
					return nil
				}
				pool := startPool(t, workerfx.NewWorker("w", body(ch, one), workerfx.WithReplicas(3), endless,
					workerfx.WithBackoff(workerfx.StaticBackoff{Sleep: time.Hour})))
				time.Sleep(2 * time.Second)
				begin := time.Now()
				require.NoError(t, command.give(pool))
				time.Sleep(10*time.Minute - time.Since(begin))
				synctest.Wait()
				mu.Lock()
				assert.Equal(t, []int{2}, done)
				assert.Equal(t, 3, begun)
				mu.Unlock()
				if what != "Pause" && what != "Scale" {
					return
				}
				if what == "Pause" {
					require.NoError(t, pool.Resume("w"))
				} else {
					require.NoError(t, pool.Scale("w", 1))
				}
				time.Sleep(2 * time.Hour)
				synctest.Wait()
				mu.Lock()
				slices.Sort(done)
				assert.Equal(t, upTo(3), done, "nothing is lost")
				mu.Unlock()
				stop(t, pool)
			})
		}
	}
}

func TestASecondStopWithLessTimeShortensADrain(t *testing.T) {
	commands := map[string]struct {
		first, second func(ctx context.Context, p *workerfx.Pool) error
		ends          time.Duration
	}{
		"Remove, then Remove": {remove, remove, 7500 * time.Millisecond},
		"Remove, then Stop":   {remove, (func(ctx context.Context, p *workerfx.Pool) error { return p.Stop(ctx) }), 6750 * time.Millisecond},
		"Stop, then Remove":   {(func(ctx context.Context, p *workerfx.Pool) error { return p.Stop(ctx) }), remove, 7500 * time.Millisecond},
		"Scale, then Remove":  {func(_ context.Context, p *workerfx.Pool) error { return p.Scale("w", 0) }, remove, 7500 * time.Millisecond},
		"Pause, then Remove":  {func(_ context.Context, p *workerfx.Pool) error { return p.Pause("w") }, remove, 7500 * time.Millisecond},
	}
	for name, command := range commands {
		bubble(name, t, func(t *testing.T) {
			var end endOfContext
			pool := startPool(t, workerfx.NewWorker("w", end.body(time.Hour)))
			synctest.Wait()
			first := make(chan error, 1)
			go func() { first <- command.first(within(t, 2*time.Hour), pool) }()
			time.Sleep(time.Minute)
			begin := time.Now()
			require.NoError(t, command.second(within(t, 10*time.Second), pool))
			assert.Equal(t, command.ends, end.after(begin))
			require.NoError(t, <-first)
			stop(t, pool)
		})
	}
}

func remove(ctx context.Context, p *workerfx.Pool) error { return p.Remove(ctx, "w") }

func TestASecondStopWithMoreTimeDoesNotExtendADrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var end endOfContext
		pool := startPool(t, workerfx.NewWorker("w", end.body(time.Hour)))
		synctest.Wait()
		begin := time.Now()
		first := make(chan error, 1)
		go func() { first <- remove(within(t, 10*time.Second), pool) }()
		time.Sleep(time.Second)
		require.NoError(t, remove(within(t, 2*time.Hour), pool))
		require.NoError(t, <-first)
		assert.Equal(t, 7500*time.Millisecond, end.after(begin))
		stop(t, pool)
	})
}

func TestRestartOfAWorkerThatIsRemovedIsRefusedAndLetsItFinish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var end endOfContext
		pool := startPool(t, workerfx.NewWorker("w", end.body(time.Minute)))
		synctest.Wait()
		begin := time.Now()
		removed := make(chan error, 1)
		go func() { removed <- remove(within(t, time.Hour), pool) }()
		time.Sleep(time.Second)
		for name, err := range map[string]error{
			"Restart": pool.Restart("w"), "Pause": pool.Pause("w"), "Resume": pool.Resume("w"), "Scale": pool.Scale("w", 2), "Trigger": pool.Trigger("w"),
		} {
			require.ErrorIs(t, err, workerfx.ErrUnknownWorker, name)
			require.ErrorContains(t, err, "it was removed", name)
		}
		require.NoError(t, <-removed)
		assert.Equal(t, time.Minute, time.Since(begin))
		assert.EqualValues(t, -1, end.after(begin))
		stop(t, pool)
	})
}

func TestRestartLeavesReplicasThatWereScaledDownToFinish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var finished, cut atomic.Int64
		pool := startPool(t, workerfx.NewWorker("w", drained(func(ctx context.Context) error {
			workerfx.Wait(ctx, time.Minute)
			if ctx.Err() != nil {
				cut.Add(1)
				return ctx.Err()
			}
			finished.Add(1)
			return nil
		}), workerfx.WithReplicas(3)))
		synctest.Wait()
		require.NoError(t, pool.Scale("w", 1))
		time.Sleep(time.Second)
		begin := time.Now()
		require.NoError(t, pool.Restart("w"), "it does not wait for them")
		assert.Zero(t, time.Since(begin))
		time.Sleep(time.Hour)
		synctest.Wait()
		assert.EqualValues(t, 2, finished.Load())
		assert.EqualValues(t, 1, cut.Load(), "the replica that begins again")
		require.Len(t, pool.Executions(), 1)
		assert.EqualValues(t, 2, report(t, pool, "w").Runs)
		require.NoError(t, pool.Stop(within(t, 2*time.Minute)))
	})
}

func TestARestartWhileAPausedRunFinishesEndsItAndItStaysPaused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var end endOfContext
		pool := startPool(t, workerfx.NewWorker("w", end.body(time.Hour)))
		synctest.Wait()
		require.NoError(t, pool.Pause("w"))
		time.Sleep(time.Second)
		begin := time.Now()
		require.NoError(t, pool.Restart("w"))
		assert.Zero(t, end.after(begin))
		e := report(t, pool, "w")
		assert.Equal(t, workerfx.StatusPaused, e.Status)
		assert.EqualValues(t, 1, e.Runs)
		require.NoError(t, pool.Resume("w"))
		assert.EqualValues(t, 2, report(t, pool, "w").Runs)
		stop(t, pool)
	})
}

// replicaOf returns the index of the replica that runs.
func replicaOf(pool *workerfx.Pool, ctx context.Context) int { //nolint:revive // as in all helpers here, what is tested comes first
	id := workerfx.CtxExecutionID(ctx)
	for _, e := range pool.Executions() {
		if e.ID == id {
			return e.Replica
		}
	}
	return -1
}

func TestTheLastItemIsTakenUpThoughItsReplicaWasScaledDownAndTheOthersAreDone(t *testing.T) {
	for kind, body := range bodies {
		for name, fault := range flushFaults {
			bubble(kind+", "+name, t, func(t *testing.T) {
				ch := make(chan int, 1)
				ch <- 0
				close(ch)
				s := &sink{fault: func(ctx context.Context) error { time.Sleep(time.Minute); return fault(ctx) }}
				pool := newPool(t)
				secondFirst := func(next workerfx.RunFunc) workerfx.RunFunc {
					return func(ctx context.Context) error {
						if replicaOf(pool, ctx) == 0 {
							workerfx.Wait(ctx, time.Second)
						}
						return next(ctx)
					}
				}
				start(t, pool, workerfx.NewWorker("w", body(ch, s), append(persistent, workerfx.WithReplicas(2), workerfx.WithMiddleware(secondFirst))...))
				time.Sleep(10 * time.Second)
				require.Equal(t, workerfx.StatusSuccess, report(t, pool, "w").Status, "nothing is left for it")
				require.NoError(t, pool.Scale("w", 1))
				time.Sleep(time.Hour)
				e := report(t, pool, "w")
				assert.Equal(t, workerfx.StatusSuccess, e.Status)
				assert.Equal(t, []int{0}, s.items)
				stop(t, pool)
			})
		}
	}
}

// TestNoItemOfAnElasticWorkerIsLost scales, pauses and restarts workers at random while their items listen for the
// command to finish, take their time, and fail.
func TestNoItemOfAnElasticWorkerIsLost(t *testing.T) {
	const items = 300
	for kind, body := range bodies {
		for seed := range uint64(8) {
			bubble(fmt.Sprint(kind, ", ", seed), t, func(t *testing.T) {
				var mu sync.Mutex
				r := rand.New(rand.NewPCG(seed, 0))
				chance := func(n int) int {
					mu.Lock()
					defer mu.Unlock()
					return r.IntN(n)
				}
				s := &sink{fault: func(ctx context.Context) error {
					_ = workerfx.Draining(ctx)
					time.Sleep(time.Duration(chance(20_000)) * time.Millisecond)
					return []error{nil, errBoom, context.Cause(ctx)}[chance(3)]
				}}
				pool := startPool(t,
					workerfx.NewWorker("w", body(feed(items), s), append(persistent, workerfx.WithReplicaLimits(0, 5), workerfx.WithRunTimeout(0))...),
					&workerfx.Autoscaler{Worker: "w", Every: 700 * time.Millisecond, CoolDown: 1, Demand: func(context.Context) (float64, error) {
						return float64(chance(6)), nil
					}})
				for range 100 {
					time.Sleep(time.Duration(chance(1500)) * time.Millisecond)
					switch chance(4) {
					case 0:
						_ = pool.Pause("w")
					case 1:
						_ = pool.Restart("w")
					default:
						_ = pool.Resume("w")
					}
				}
				require.NoError(t, pool.Remove(t.Context(), "autoscaler:w"))
				require.NoError(t, pool.Scale("w", 2))
				require.NoError(t, pool.Resume("w"))
				time.Sleep(24 * time.Hour)
				synctest.Wait()
				slices.Sort(s.items)
				assert.Equal(t, upTo(items), s.items)
				for _, e := range pool.Executions() {
					assert.Equal(t, workerfx.StatusSuccess, e.Status, "%v", e.Err)
				}
				stop(t, pool)
			})
		}
	}
}
