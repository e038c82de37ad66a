package faults_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/middleware"
)

// stopWatch counts the runs that begin after the pool was asked to stop.
type stopWatch struct {
	asked atomic.Bool
	late  atomic.Int64
}

// watch wraps each run. A run that was about to begin when Stop was called has a context that has ended.
func (g *stopWatch) watch(next workerfx.RunFunc) workerfx.RunFunc {
	return func(ctx context.Context) error {
		if g.asked.Load() && ctx.Err() == nil {
			g.late.Add(1)
		}
		return next(ctx)
	}
}

// stop stops the pool with a context that has ended, so that it returns as soon as all are asked, and then for good.
func (g *stopWatch) stop(t *testing.T, pool *workerfx.Pool) {
	t.Helper()
	_ = pool.Stop(ended())
	g.asked.Store(true)
	stop(t, pool)
	assert.Zero(t, g.late.Load(), "runs that began after Stop was called")
}

// busyWorkers are workers of every kind, most of which have something to begin at any time.
func busyWorkers() []workerfx.Worker {
	items := make(chan int, 100)
	for i := range cap(items) {
		items <- i
	}
	now := workerfx.WithBackoff(workerfx.StaticBackoff{Sleep: time.Microsecond})
	children := func(ctx context.Context) error {
		for i := 0; ctx.Err() == nil; i++ {
			_ = workerfx.AddChild(ctx, workerfx.NewWorker(fmt.Sprint(i%5), untilStopped))
		}
		return ctx.Err()
	}
	return []workerfx.Worker{
		workerfx.NewWorker("obedient", untilStopped, workerfx.WithReplicas(5)),
		workerfx.NewWorker("failing", fails, endless, now, workerfx.WithReplicas(3)),
		workerfx.NewWorker("panicking", func(context.Context) error { panic("storm") }, endless, now),
		workerfx.NewWorker("ticking", succeeds, workerfx.WithInterval(50*time.Microsecond)),
		workerfx.NewWorker("deferred", untilStopped, workerfx.WithDeferredStart(100*time.Microsecond)),
		workerfx.NewWorker("waiting", fails, endless),
		workerfx.NewWorker("late", untilStopped, workerfx.WithDeferredStart(time.Hour)),
		workerfx.NewWorker("daily", succeeds, workerfx.WithCron("@daily")),
		workerfx.NewWorker("looping", workerfx.Loop(func(ctx context.Context) error { workerfx.Wait(ctx, time.Microsecond); return nil })),
		workerfx.NewWorker("items", workerfx.FromChannel(items, func(context.Context, int) error { return nil }), workerfx.WithReplicas(2)),
		workerfx.NewWorker("parent", children),
		workerfx.NewWorker("bounded", untilStopped, workerfx.WithStopTimeout(time.Minute)),
		workerfx.NewWorker("single", untilStopped, workerfx.WithMiddleware(middleware.Singleton(middleware.NewLocalLocker())), workerfx.WithReplicas(2)),
	}
}

func TestStopInTheFirstMicrosecondsBeginsNoRunAndLeavesNothing(t *testing.T) {
	before := goleak.IgnoreCurrent()
	for after := time.Duration(0); after < 2*time.Millisecond; after += 20 * time.Microsecond {
		g := new(stopWatch)
		pool := newPool(t, workerfx.WithPoolMiddleware(g.watch))
		add(t, pool, busyWorkers()...)
		require.NoError(t, pool.Start(t.Context()))
		for begin := time.Now(); time.Since(begin) < after; {
		}
		g.stop(t, pool)
	}
	goleak.VerifyNone(t, before)
}

func TestNoRunBeginsWhileStopIsStillAskingOthers(t *testing.T) {
	var begun, first sync.Once
	witnessed := make(chan struct{})
	var asked time.Time
	pool := newPool(t)
	for i := range 2000 {
		add(t, pool, workerfx.NewWorker(fmt.Sprint("busy", i), fails, endless,
			workerfx.WithBackoff(workerfx.StaticBackoff{Sleep: time.Millisecond})))
		add(t, pool, workerfx.NewWorker(fmt.Sprint("witness", i), func(ctx context.Context) error {
			begun.Do(func() { close(witnessed) })
			<-ctx.Done()
			first.Do(func() { asked = time.Now() })
			return ctx.Err()
		}))
	}
	start(t, pool)
	<-witnessed
	time.Sleep(50 * time.Millisecond)
	stop(t, pool)
	for _, e := range pool.Executions() {
		assert.False(t, e.StartedAt.After(asked), e.Worker)
	}
}

func TestStopWhileStartIsStillUnderWay(t *testing.T) {
	for range 50 {
		g := new(stopWatch)
		pool := newPool(t, workerfx.WithPoolMiddleware(g.watch))
		add(t, pool, busyWorkers()...)
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := pool.Start(t.Context()); err != nil {
				assert.ErrorIs(t, err, workerfx.ErrPoolStopped)
			}
		})
		wg.Go(func() { _ = pool.Stop(within(t, 10*time.Second)) })
		wg.Wait()
		g.stop(t, pool)
	}
}

func TestStopBesideACommandBeginsNoRun(t *testing.T) {
	commands := map[string]func(*workerfx.Pool){
		"Restart": func(p *workerfx.Pool) { _ = p.Restart("obedient") },
		"Trigger": func(p *workerfx.Pool) { _ = p.Trigger("daily"); _ = p.Trigger("waiting"); _ = p.Trigger("late") },
		"Scale":   func(p *workerfx.Pool) { _ = p.Scale("obedient", 10) },
		"Less":    func(p *workerfx.Pool) { _ = p.Scale("obedient", 0); _ = p.Scale("obedient", 3) },
		"Resume":  func(p *workerfx.Pool) { _ = p.Pause("failing"); _ = p.Resume("failing") },
		"Add":     func(p *workerfx.Pool) { _ = p.Add(workerfx.NewWorker("new", untilStopped)) },
		"Remove":  func(p *workerfx.Pool) { _ = p.Remove(context.Background(), "parent") },
	}
	for name, command := range commands {
		t.Run(name, func(t *testing.T) {
			for range 20 {
				g := new(stopWatch)
				pool := start(t, newPool(t, workerfx.WithPoolMiddleware(g.watch)), busyWorkers()...)
				var wg sync.WaitGroup
				wg.Go(func() { command(pool) })
				wg.Go(func() { g.stop(t, pool) })
				wg.Wait()
				stop(t, pool)
			}
		})
	}
}

func TestStopTwiceBeforeStartAndFromManyGoroutines(t *testing.T) {
	pool := newPool(t)
	add(t, pool, busyWorkers()...)
	require.NoError(t, pool.Stop(ended()), "before Start")
	require.ErrorIs(t, pool.Start(t.Context()), workerfx.ErrPoolStopped)
	require.ErrorIs(t, pool.Add(workerfx.NewWorker("new", untilStopped)), workerfx.ErrPoolStopped)
	require.NoError(t, pool.Run(ended()))

	pool = startPool(t, busyWorkers()...)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() { assert.NoError(t, pool.Stop(within(t, 10*time.Second))) })
	}
	wg.Wait()
	for range 3 {
		require.NoError(t, pool.Stop(ended()), "nobody is left to wait for")
	}
}

func TestStartWithAContextThatHasEndedStartsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := newPool(t)
		add(t, pool, workerfx.NewWorker("w", untilStopped))
		require.ErrorIs(t, pool.Start(ended()), context.Canceled)
		assert.Equal(t, workerfx.StatusPending, report(t, pool, "w").Status)
		require.NoError(t, pool.Start(t.Context()), "it may be tried again")
		assert.Equal(t, workerfx.StatusRunning, report(t, pool, "w").Status)
		stop(t, pool)
		require.NoError(t, newPool(t).Run(ended()))
	})
}

func TestStopWithAContextThatHasEndedAsksAllTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := startPool(t, workerfx.NewWorker("w", func(ctx context.Context) error {
			<-ctx.Done()
			time.Sleep(time.Minute)
			return ctx.Err()
		}))
		synctest.Wait()
		var late *workerfx.StopError
		require.ErrorAs(t, pool.Stop(ended()), &late)
		assert.Equal(t, "w", late.Stragglers[0].Worker)
		time.Sleep(time.Hour)
		assert.Equal(t, workerfx.StatusStopped, report(t, pool, "w").Status)
		require.NoError(t, pool.Stop(ended()))
	})
}

func TestStopFromWithinAWorkerReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var pool *workerfx.Pool
		var err error
		pool = newPool(t)
		start(t, pool, workerfx.NewWorker("other", untilStopped), workerfx.NewWorker("suicidal", func(ctx context.Context) error {
			err = pool.Stop(within(t, time.Second))
			return ctx.Err()
		}))
		time.Sleep(time.Minute)
		synctest.Wait()
		var late *workerfx.StopError
		require.ErrorAs(t, err, &late)
		assert.Equal(t, "suicidal", late.Stragglers[0].Worker)
		assert.Equal(t, workerfx.StatusStopped, report(t, pool, "other").Status)
		stop(t, pool)
	})
}

func TestStopNamesEveryKindOfStraggler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		stubborn := func(context.Context) error { hangHere(release); return nil }
		pool := startPool(t,
			workerfx.NewWorker("replicas", stubborn, workerfx.WithReplicas(2)),
			workerfx.NewWorker("scaled", stubborn),
			workerfx.NewWorker("removed", stubborn, workerfx.WithStopTimeout(time.Second)),
			workerfx.NewWorker("parent", func(ctx context.Context) error {
				_ = workerfx.AddChild(ctx, workerfx.NewWorker("child", stubborn))
				return untilStopped(ctx)
			}),
			workerfx.NewWorker("overdue", stubborn, workerfx.WithStopTimeout(time.Millisecond)))
		synctest.Wait()
		require.NoError(t, pool.Scale("scaled", 0))
		require.Error(t, pool.Remove(t.Context(), "removed"))
		var late *workerfx.StopError
		require.ErrorAs(t, pool.Stop(within(t, time.Minute)), &late)
		var names []string
		for _, s := range late.Stragglers {
			names = append(names, s.String())
			if s.Worker != "parent" {
				assert.Contains(t, s.Stack, "faults_test.hangHere", s.Worker)
			}
		}
		assert.Equal(t, []string{"overdue", "parent", "parent/child", "removed", "replicas", "replicas#1", "scaled"}, names)
	})
}

func TestStopReturnsThoughTheLogSinkIsSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := writerFunc(func([]byte) { time.Sleep(100 * time.Millisecond) })
		pool := start(t, newPool(t, workerfx.WithLogger(zerolog.New(slow))),
			workerfx.NewWorker("w", untilStopped, workerfx.WithReplicas(10)), workerfx.NewWorker("v", fails, endless))
		time.Sleep(time.Minute)
		stop(t, pool)
		for _, e := range pool.Executions() {
			assert.Equal(t, workerfx.StatusStopped, e.Status)
		}
	})
}

func TestStopEndsEveryWaitAtOnce(t *testing.T) {
	waits := map[string][]workerfx.Option{
		"deferral":      with(workerfx.WithDeferredStart(time.Hour)),
		"backoff":       with(endless, workerfx.WithBackoff(workerfx.StaticBackoff{Sleep: time.Hour})),
		"failure pause": with(endless, second, workerfx.WithFailureLimit(limit{Threshold: 1, Decay: time.Hour, Pause: time.Hour})),
		"schedule":      with(workerfx.WithCron("@yearly")),
		"retry":         wrapped(middleware.Retry(2, workerfx.StaticBackoff{Sleep: time.Hour})),
		"pause":         wrapped(middleware.Pause(time.Hour)),
		"no replicas":   with(workerfx.WithReplicas(0)),
	}
	for name, options := range waits {
		bubble(name, t, func(t *testing.T) {
			pool := startPool(t, workerfx.NewWorker("w", fails, options...))
			time.Sleep(time.Minute)
			if name == "deferral" {
				require.NoError(t, pool.Pause("w"))
			}
			begin := time.Now()
			stop(t, pool)
			assert.Zero(t, time.Since(begin))
			assert.Greater(t, report(t, pool, "w").Status, workerfx.StatusWaiting)
		})
	}
}

func TestStopDoesNotDependOnTheNumberOfItsCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		pool := startPool(t, workerfx.NewWorker("w", func(context.Context) error { <-release; return nil }))
		synctest.Wait()
		var wg sync.WaitGroup
		for i := range 10 {
			wg.Go(func() {
				begin, budget := time.Now(), time.Duration(i+1)*time.Second
				err := pool.Stop(within(t, budget))
				assert.ErrorContains(t, err, `"w"`)
				assert.Equal(t, budget, time.Since(begin))
			})
		}
		wg.Wait()
	})
}

func TestAStopThatComesBackLeavesNoReportBehindThatSaysRunning(t *testing.T) {
	for range 20 {
		pool := startPool(t, busyWorkers()...)
		stop(t, pool)
		for _, e := range pool.Executions() {
			assert.Greater(t, e.Status, workerfx.StatusPaused, "%s", e.Worker)
			assert.True(t, e.NextRunAt.IsZero(), "%s", e.Worker)
			assert.NotContains(t, e.Worker, "parent/", "a child has outlived its parent")
		}
	}
}
