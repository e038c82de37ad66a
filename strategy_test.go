package workerfx_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"github.com/workerfx/workerfx"
)

// testGroup is a group of workers that fail when they are told to, and note what they do.
type testGroup struct {
	workers []workerfx.Worker
	fails   map[string]chan error
	pause   time.Duration // before they fail once they were told to

	mu      sync.Mutex // guards journal
	journal []string
}

func newTestGroup(names ...string) *testGroup {
	g := &testGroup{fails: make(map[string]chan error)}
	for _, name := range names {
		g.add(name)
	}
	return g
}

// add adds a worker that takes a second to stop.
func (g *testGroup) add(name string, opts ...workerfx.Option) {
	fails := make(chan error)
	g.fails[name] = fails
	g.workers = append(g.workers, workerfx.NewWorker(name, func(ctx context.Context) error {
		g.note(name + " begins")
		select {
		case err := <-fails:
			time.Sleep(g.pause)
			g.note(name + " fails")
			return err
		case <-ctx.Done():
			time.Sleep(time.Second)
			g.note(name + " stops")
			return ctx.Err()
		}
	}, opts...))
}

func (g *testGroup) note(line string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.journal = append(g.journal, line)
}

// notes returns what was noted since it was last asked.
func (g *testGroup) notes() []string {
	synctest.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	notes := g.journal
	g.journal = nil
	return notes
}

func (*testGroup) Name() string                 { return "g" }
func (g *testGroup) Workers() []workerfx.Worker { return g.workers }

// start starts a pool with the group, whose workers have attempts without end and ten seconds between them.
func (g *testGroup) start(t *testing.T, opts ...workerfx.Option) *workerfx.Pool {
	t.Helper()
	pool := newPool(t)
	opts = append([]workerfx.Option{
		workerfx.WithMaxAttempts(0),
		workerfx.WithBackoff(workerfx.StaticBackoff{Sleep: 10 * time.Second}),
	}, opts...)
	require.NoError(t, pool.AddGroup(g, opts...))
	require.NoError(t, pool.Start(t.Context()))
	t.Cleanup(func() { _ = pool.Stop(context.Background()) })
	g.notes()
	return pool
}

func TestStrategySaysWhoIsRunAgain(t *testing.T) {
	tests := []struct {
		strategy workerfx.Strategy
		stop     []string
		begin    []string
	}{
		{workerfx.OneForOne, nil, []string{"b begins"}},
		{workerfx.OneForAll, []string{"a stops", "c stops"}, []string{"a begins", "b begins", "c begins"}},
		{workerfx.RestForOne, []string{"c stops"}, []string{"b begins", "c begins"}},
	}
	for _, test := range tests {
		bubble(test.strategy.String(), t, func(t *testing.T) {
			g := newTestGroup("a", "b", "c")
			pool := g.start(t, workerfx.WithStrategy(test.strategy))

			g.fails["b"] <- errBoom
			time.Sleep(5 * time.Second)
			require.ElementsMatch(t, append([]string{"b fails"}, test.stop...), g.notes())
			time.Sleep(5 * time.Second)
			require.ElementsMatch(t, test.begin, g.notes(), "all at once, after the backoff of the one that failed")

			a := execution(t, pool, "g/a")
			require.Zero(t, a.Failures, "to stop for another is no failure")
			require.Equal(t, 1, a.Attempt)
			require.Equal(t, 2, execution(t, pool, "g/b").Attempt)
		})
	}
}

func TestTheOthersOfAGroupHaveStoppedBeforeOneRunsAgain(t *testing.T) {
	bubble("", t, func(t *testing.T) {
		g := newTestGroup("a", "b")
		g.start(t, workerfx.WithStrategy(workerfx.OneForAll), workerfx.WithBackoff(workerfx.StaticBackoff{}))
		g.fails["a"] <- errBoom
		time.Sleep(500 * time.Millisecond)
		require.Equal(t, []string{"a fails"}, g.notes(), "b takes a second")
		time.Sleep(time.Second)
		notes := g.notes()
		require.Equal(t, "b stops", notes[0])
		require.ElementsMatch(t, []string{"a begins", "b begins"}, notes[1:])
	})
}

func TestAGroupBeginsAgainInItsOrder(t *testing.T) {
	bubble("", t, func(t *testing.T) {
		g := newTestGroup("db")
		g.add("web", workerfx.WithAfter("db"))
		pool := g.start(t, workerfx.WithStrategy(workerfx.OneForAll))
		changes := pool.Subscribe(100)
		defer changes.Close()
		g.fails["web"] <- errBoom
		time.Sleep(10 * time.Second)
		notes := g.notes()
		require.Equal(t, []string{"web fails", "db stops"}, notes[:2])
		require.ElementsMatch(t, []string{"db begins", "web begins"}, notes[2:])
		var begun []string
		for len(changes.C) > 0 {
			if c := <-changes.C; c.Message == workerfx.EventStarted {
				begun = append(begun, c.Worker)
			}
		}
		require.Equal(t, []string{"g/db", "g/web"}, begun)
		require.NoError(t, pool.Ready(within(t, time.Second)))
	})
}

func TestAWorkerWhoseGroupDoesNotStopFailsForGood(t *testing.T) {
	bubble("", t, func(t *testing.T) {
		g := newTestGroup("a")
		release := make(chan struct{})
		defer close(release)
		g.workers = append(g.workers, workerfx.NewWorker("deaf", stubborn(release), workerfx.WithStopTimeout(3*time.Second)))
		pool := g.start(t, workerfx.WithStrategy(workerfx.OneForAll))

		g.fails["a"] <- errBoom
		time.Sleep(2 * time.Second)
		require.Equal(t, workerfx.StatusWaiting, execution(t, pool, "g/a").Status)
		time.Sleep(time.Second)
		a := execution(t, pool, "g/a")
		require.Equal(t, workerfx.StatusError, a.Status)
		require.ErrorIs(t, a.Err, workerfx.ErrStuck)
		require.ErrorIs(t, a.Err, errBoom)
		require.EqualError(t, a.Err, `worker "g/deaf" of its group did not stop; boom`)
		time.Sleep(time.Minute)
		require.Equal(t, int64(1), execution(t, pool, "g/deaf").Runs, "the old run is not doubled by a new one")
	})
}

func TestAWorkerThatIsGivenUpEndsItsGroup(t *testing.T) {
	bubble("", t, func(t *testing.T) {
		g := newTestGroup("a", "b", "c")
		pool := g.start(t, workerfx.WithStrategy(workerfx.RestForOne), workerfx.WithMaxAttempts(1))
		g.fails["b"] <- errBoom
		time.Sleep(time.Minute)
		require.Equal(t, []string{"b fails", "c stops"}, g.notes())
		require.Equal(t, workerfx.StatusRunning, execution(t, pool, "g/a").Status)
		require.Equal(t, workerfx.StatusError, execution(t, pool, "g/b").Status)
		require.Equal(t, workerfx.StatusStopped, execution(t, pool, "g/c").Status)

		require.NoError(t, pool.Restart("g/b"), "an operator may begin again")
		require.NoError(t, pool.Restart("g/c"))
		require.ElementsMatch(t, []string{"b begins", "c begins"}, g.notes())
	})
}

func TestAGroupThatEndsTakesThePoolWithItIfOneOfItIsEssential(t *testing.T) {
	bubble("", t, func(t *testing.T) {
		g := newTestGroup("a")
		g.add("b", workerfx.WithEssential())
		pool := newPool(t)
		require.NoError(t, pool.AddGroup(g, workerfx.WithStrategy(workerfx.OneForAll)))
		done := make(chan error, 1)
		go func() { done <- pool.Run(t.Context()) }()
		synctest.Wait()
		g.fails["a"] <- errBoom
		err := <-done
		require.ErrorIs(t, err, workerfx.ErrExitedPrematurely)
		require.ErrorContains(t, err, `"g/b"`)
	})
}

func TestTwoFailuresAtOnceMakeOneRestartOfTheGroup(t *testing.T) {
	for _, strategy := range []workerfx.Strategy{workerfx.OneForAll, workerfx.RestForOne} {
		bubble(strategy.String(), t, func(t *testing.T) {
			g := newTestGroup("a", "b", "c")
			g.pause = time.Second // else the first may fail before the second was told to
			g.start(t, workerfx.WithStrategy(strategy))
			g.fails["b"] <- errBoom
			g.fails["a"] <- errBoom
			time.Sleep(time.Minute)
			notes := g.notes()
			require.ElementsMatch(t, []string{"b fails", "a fails", "c stops"}, notes[:3])
			require.ElementsMatch(t, []string{"a begins", "b begins", "c begins"}, notes[3:])
		})
	}
}

func TestAStopEndsTheRestartOfAGroupAtOnce(t *testing.T) {
	bubble("", t, func(t *testing.T) {
		g := newTestGroup("a", "b")
		pool := g.start(t, workerfx.WithStrategy(workerfx.OneForAll), workerfx.WithBackoff(workerfx.StaticBackoff{Sleep: time.Hour}))
		g.fails["a"] <- errBoom
		time.Sleep(time.Minute)
		start := time.Now()
		require.NoError(t, pool.Stop(within(t, time.Minute)))
		require.Zero(t, time.Since(start))
		require.Equal(t, []string{"a fails", "b stops"}, g.notes())
	})
}

func TestAPausedWorkerStaysPausedWhenItsGroupBeginsAgain(t *testing.T) {
	bubble("", t, func(t *testing.T) {
		g := newTestGroup("a", "b")
		pool := g.start(t, workerfx.WithStrategy(workerfx.OneForAll))
		require.NoError(t, pool.Pause("g/b"))
		g.fails["a"] <- errBoom
		time.Sleep(time.Minute)
		require.Equal(t, []string{"a fails", "b stops", "a begins"}, g.notes())
		require.Equal(t, workerfx.StatusPaused, execution(t, pool, "g/b").Status)
		require.NoError(t, pool.Resume("g/b"))
		require.Equal(t, []string{"b begins"}, g.notes())
	})
}

func TestAScheduledWorkerMissesNoMoreTicksThanItsGroupTakes(t *testing.T) {
	bubble("", t, func(t *testing.T) {
		g := newTestGroup("a")
		var ticks atomic.Int64
		g.workers = append(g.workers, workerfx.NewWorker("tick", func(context.Context) error {
			ticks.Add(1)
			return nil
		}, workerfx.WithInterval(4*time.Second)))
		g.start(t, workerfx.WithStrategy(workerfx.OneForAll))
		time.Sleep(9 * time.Second)
		require.EqualValues(t, 2, ticks.Load())
		g.fails["a"] <- errBoom // at 9s; both go on at 19s
		time.Sleep(10500 * time.Millisecond)
		synctest.Wait()
		require.EqualValues(t, 2, ticks.Load(), "those at 12s and 16s were missed, no burst makes up for them")
		time.Sleep(time.Second)
		require.EqualValues(t, 3, ticks.Load(), "the grid has not moved")
	})
}

func TestRemovedFailedWorkerReleasesItsGroup(t *testing.T) {
	bubble("", t, func(t *testing.T) {
		g := newTestGroup("a", "b")
		pool := g.start(t, workerfx.WithStrategy(workerfx.OneForAll))
		g.fails["a"] <- errBoom
		time.Sleep(5 * time.Second)
		require.NoError(t, pool.Remove(within(t, time.Second), "g/a"))
		require.Equal(t, []string{"a fails", "b stops", "b begins"}, g.notes())
	})
}

func TestAStrategyIsForAGroup(t *testing.T) {
	pool := newPool(t)
	err := pool.Add(workerfx.NewWorker("lonely", untilStopped, workerfx.WithStrategy(workerfx.OneForAll)))
	require.EqualError(t, err, `worker "lonely": strategy one for all: is for workers of a Group, and this one is in none`)
	for _, strategy := range []workerfx.Strategy{-1, 3} {
		err := pool.AddGroup(newTestGroup("a"), workerfx.WithStrategy(strategy))
		require.EqualError(t, err, fmt.Sprintf(`worker "g/a": strategy %d: must be OneForOne, OneForAll or RestForOne`, strategy))
		err = pool.Add(workerfx.NewWorker("lonely", untilStopped, workerfx.WithStrategy(strategy)))
		require.EqualError(t, err, fmt.Sprintf(`worker "lonely": strategy %d: must be OneForOne, OneForAll or RestForOne`, strategy))
	}
}

func TestGroupsThatFailAtRandomNeverDoubleARun(t *testing.T) {
	bubble("", t, func(t *testing.T) {
		names := strings.Split("abcdefgh", "")
		g := newTestGroup(names...)
		pool := g.start(t, workerfx.WithStrategy(workerfx.RestForOne), workerfx.WithBackoff(workerfx.StaticBackoff{Sleep: 300 * time.Millisecond}))
		for i := range 500 {
			select {
			case g.fails[names[i*7%len(names)]] <- errBoom:
			default:
			}
			time.Sleep(170 * time.Millisecond)
		}
		time.Sleep(time.Minute)
		running := make(map[string]int)
		for _, name := range names {
			running[name] = 1 // at the start
		}
		for _, line := range g.notes() {
			name, what, _ := strings.Cut(line, " ")
			if what == "begins" {
				running[name]++
			} else {
				running[name]--
			}
			require.LessOrEqual(t, running[name], 1, "two runs of %s", name)
		}
		for _, name := range names {
			require.Equal(t, workerfx.StatusRunning, execution(t, pool, "g/"+name).Status, name)
		}
	})
}

func TestARestartByHandRunsAWorkerThatStillStopsWithItsGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newTestGroup("a", "b") // each takes a second to stop
		pool := g.start(t, workerfx.WithStrategy(workerfx.OneForAll), workerfx.WithMaxAttempts(1))
		g.fails["a"] <- errBoom // its only attempt
		synctest.Wait()
		require.NoError(t, pool.Restart("g/b"), "it waits for the old run")
		synctest.Wait()
		require.Equal(t, workerfx.StatusRunning, execution(t, pool, "g/b").Status)
		require.NoError(t, pool.Stop(context.Background()))
	})
}

func TestAWorkerThatStoppedWithItsGroupCannotBecomeReady(t *testing.T) {
	group := func() *testGroup {
		g := newTestGroup("a") // each takes a second to stop
		g.add("b", workerfx.WithReadiness())
		return g
	}
	bubble("the start of an app fails at once", t, func(t *testing.T) {
		g := group()
		app := fx.New(fx.NopLogger, workerfx.Module,
			workerfx.ProvideWorker(func() workerfx.Group { return g }, workerfx.WithStrategy(workerfx.OneForAll)))
		time.AfterFunc(time.Second, func() { g.fails["a"] <- errBoom }) // both have begun
		begin := time.Now()
		require.ErrorContains(t, app.Start(t.Context()), `worker "g/b" is not ready`)
		require.Equal(t, 2*time.Second, time.Since(begin))
	})
	bubble("a worker that comes after it does not start", t, func(t *testing.T) {
		g := group()
		pool := g.start(t, workerfx.WithStrategy(workerfx.OneForAll), workerfx.WithMaxAttempts(1))
		require.NoError(t, pool.Add(workerfx.NewWorker("next", untilStopped, workerfx.WithAfter("g/b"))))
		synctest.Wait()
		g.fails["a"] <- errBoom
		time.Sleep(time.Minute)
		events := execution(t, pool, "next").Events
		require.Equal(t, "waits for g/b, which failed", events[len(events)-1].Message)
		require.NoError(t, pool.Stop(context.Background()))
	})
}

func TestAGroupWithAnExcludedMemberStillRestartsTogether(t *testing.T) {
	for name, config := range map[string]workerfx.Config{
		"except":   {Except: []string{"g/a"}},
		"only":     {Only: []string{"g/b", "g/c"}},
		"disabled": {Workers: map[string]workerfx.WorkerConfig{"g/a": {Disabled: true}}},
	} {
		bubble(name, t, func(t *testing.T) {
			g := newTestGroup("a", "b", "c")
			pool := newPoolWith(t, workerfx.WithConfig(config))
			require.NoError(t, pool.AddGroup(g, workerfx.WithStrategy(workerfx.OneForAll), workerfx.WithMaxAttempts(0)))
			require.NoError(t, pool.Start(t.Context()))
			synctest.Wait()
			g.fails["c"] <- errBoom
			time.Sleep(time.Minute)
			require.EqualValues(t, 2, execution(t, pool, "g/b").Runs)
			require.EqualValues(t, 2, execution(t, pool, "g/c").Runs)
			require.NoError(t, pool.Stop(context.Background()))
		})
	}
}

func TestAWorkerThatStoppedWithItsGroupIsNotReady(t *testing.T) {
	bubble("", t, func(t *testing.T) {
		g := newTestGroup("a", "b")
		pool := g.start(t, workerfx.WithStrategy(workerfx.OneForAll), workerfx.WithMaxAttempts(1))
		g.fails["a"] <- errBoom
		time.Sleep(time.Minute)
		require.False(t, execution(t, pool, "g/b").Ready)
		require.NoError(t, pool.Add(workerfx.NewWorker("late", untilStopped, workerfx.WithAfter("g/b"))))
		synctest.Wait()
		require.Equal(t, workerfx.StatusPending, execution(t, pool, "late").Status)
		require.NoError(t, pool.Stop(context.Background()))
	})
}

func TestAGroupKeepsItsOrderHoweverLongTheIDsTake(t *testing.T) {
	bubble("", t, func(t *testing.T) {
		g := newTestGroup("a")
		g.add("b", workerfx.WithAfter("a"))
		ids := 0
		pool := newPoolWith(t, workerfx.WithIDGenerator(func() string {
			if ids++; ids == 3 { // of the second run of a
				time.Sleep(time.Minute)
			}
			return strconv.Itoa(ids)
		}))
		require.NoError(t, pool.AddGroup(g, workerfx.WithStrategy(workerfx.OneForAll), workerfx.WithMaxAttempts(0)))
		require.NoError(t, pool.Start(t.Context()))
		synctest.Wait()
		g.fails["a"] <- errBoom
		time.Sleep(30 * time.Second)
		require.EqualValues(t, 1, execution(t, pool, "g/a").Runs)
		require.EqualValues(t, 1, execution(t, pool, "g/b").Runs, "it waits for a")
		time.Sleep(time.Hour)
		require.EqualValues(t, 2, execution(t, pool, "g/a").Runs)
		require.EqualValues(t, 2, execution(t, pool, "g/b").Runs)
		require.NoError(t, pool.Stop(context.Background()))
	})
}

func TestAHoldThatIsTakenBackLeavesTheWorkerReady(t *testing.T) {
	bubble("", t, func(t *testing.T) {
		fail := make(chan struct{}, 1)
		pool := newPool(t)
		require.NoError(t, pool.AddGroup(groupOf{
			workerfx.NewWorker("a", untilTold(fail, errBoom)),
			workerfx.NewWorker("b", func(ctx context.Context) error {
				<-workerfx.Draining(ctx)
				time.Sleep(5 * time.Second)
				return nil
			}, workerfx.WithInterval(time.Hour)),
		}, workerfx.WithName("g"), workerfx.WithStrategy(workerfx.OneForAll), workerfx.WithMaxAttempts(0)))
		require.NoError(t, pool.Start(t.Context()))
		time.Sleep(time.Hour + time.Second)
		fail <- struct{}{}
		time.Sleep(2 * time.Second)
		require.NoError(t, pool.Scale("g/a", 0)) // while b still drains
		time.Sleep(time.Minute)
		require.True(t, execution(t, pool, "g/b").Ready)
		require.NoError(t, pool.Stop(context.Background()))
	})
}

func TestAnEssentialWorkerFailsWithItsGroup(t *testing.T) {
	bubble("", t, func(t *testing.T) {
		g := newTestGroup("a")
		g.add("b", workerfx.WithEssential(workerfx.OnFailure))
		pool := g.start(t, workerfx.WithStrategy(workerfx.OneForAll), workerfx.WithMaxAttempts(1))
		g.fails["a"] <- errBoom
		time.Sleep(time.Minute)
		require.ErrorIs(t, pool.Health(), workerfx.ErrPoolStopped)
	})
}

func TestThePoolSaysWhyAnEssentialWorkerFailed(t *testing.T) {
	bubble("", t, func(t *testing.T) {
		fail, failB := make(chan struct{}, 1), make(chan struct{})
		pool := newPool(t)
		require.NoError(t, pool.AddGroup(groupOf{
			workerfx.NewWorker("a", untilTold(fail, errBoom), workerfx.WithReplicas(2), workerfx.WithEssential(), workerfx.WithStrategy(workerfx.OneForOne)),
			workerfx.NewWorker("b", untilTold(failB, errors.New("other"))),
		}, workerfx.WithName("g"), workerfx.WithStrategy(workerfx.OneForAll)))
		ended := make(chan error, 1)
		go func() { ended <- pool.Run(t.Context()) }()
		synctest.Wait()
		fail <- struct{}{} // one replica of a fails by itself, and the other one with the group
		synctest.Wait()
		close(failB)
		require.ErrorIs(t, <-ended, errBoom)
	})
}

// pair is a group of two workers.
type pair []workerfx.Worker

func (pair) Name() string { return "g" }

func (p pair) Workers() []workerfx.Worker { return p }

func startGroup(t *testing.T, g workerfx.Group, opts ...workerfx.Option) *workerfx.Pool {
	t.Helper()
	pool := newPool(t)
	require.NoError(t, pool.AddGroup(g, opts...))
	require.NoError(t, pool.Start(t.Context()))
	t.Cleanup(func() { _ = pool.Stop(context.Background()) })
	return pool
}

var endless = []workerfx.Option{
	workerfx.WithMaxAttempts(0), workerfx.WithBackoff(workerfx.StaticBackoff{Sleep: time.Second}), workerfx.WithStrategy(workerfx.OneForAll),
}

func TestRestartOfALeaderWhoseGroupDoesNotStop(t *testing.T) {
	bubble("", t, func(t *testing.T) {
		release := make(chan struct{})
		fail := make(chan struct{}, 1)
		pool := startGroup(t, pair{
			workerfx.NewWorker("leader", untilTold(fail, errBoom)),
			workerfx.NewWorker("deaf", stubborn(release), workerfx.WithStopTimeout(5*time.Second)),
		}, endless...)
		synctest.Wait()
		fail <- struct{}{}
		time.Sleep(2 * time.Second)
		require.NoError(t, pool.Restart("g/leader"))
		time.Sleep(time.Minute)
		e := execution(t, pool, "g/leader")
		require.Equal(t, workerfx.StatusRunning, e.Status)
		require.True(t, e.HasEvent(`failed: worker "g/deaf" of its group did not stop; boom`), "%v", e.Events)
		close(release)
	})
}

func TestAPausedLeaderHoldsNobody(t *testing.T) {
	bubble("", t, func(t *testing.T) {
		fail := make(chan struct{}, 1)
		pool := startGroup(t, pair{
			workerfx.NewWorker("leader", untilTold(fail, errBoom)),
			workerfx.NewWorker("other", untilStopped),
		}, endless...)
		synctest.Wait()
		require.NoError(t, pool.Pause("g/leader")) // it fails while it is paused
		fail <- struct{}{}
		time.Sleep(time.Minute)
		require.Equal(t, workerfx.StatusPaused, execution(t, pool, "g/leader").Status)
		other := execution(t, pool, "g/other")
		require.Equal(t, workerfx.StatusRunning, other.Status)
		require.EqualValues(t, 2, other.Runs)
		require.NoError(t, pool.Resume("g/leader"))
		require.Equal(t, workerfx.StatusRunning, execution(t, pool, "g/leader").Status)
		fail <- struct{}{} // and it is paused while it waits
		synctest.Wait()
		require.NoError(t, pool.Pause("g/leader"))
		time.Sleep(time.Minute)
		require.Equal(t, workerfx.StatusRunning, execution(t, pool, "g/other").Status)
		require.NoError(t, pool.Resume("g/leader"))
		require.EqualValues(t, 3, execution(t, pool, "g/leader").Runs)
		require.EqualValues(t, 3, execution(t, pool, "g/other").Runs)
	})
}

func TestALeaderSaysThatItWaitsForItsGroup(t *testing.T) {
	bubble("", t, func(t *testing.T) {
		fail := make(chan struct{}, 1)
		pool := startGroup(t, pair{
			workerfx.NewWorker("leader", untilTold(fail, errBoom)),
			workerfx.NewWorker("slow", func(ctx context.Context) error {
				<-ctx.Done()
				time.Sleep(5 * time.Second)
				return ctx.Err()
			}),
		}, endless...)
		synctest.Wait()
		fail <- struct{}{}
		time.Sleep(3 * time.Second)
		e := execution(t, pool, "g/leader")
		require.Equal(t, "its group", e.WaitsFor)
		require.True(t, e.NextRunAt.IsZero(), "its time has passed: %v", e.NextRunAt)
		time.Sleep(3 * time.Second)
		e = execution(t, pool, "g/leader")
		require.Equal(t, workerfx.StatusRunning, e.Status)
		require.Empty(t, e.WaitsFor)
	})
}

func TestALogSinkThatEndsTheGoroutineAtTheExitDoesNoHarm(t *testing.T) {
	bubble("", t, func(t *testing.T) {
		var runs, side, most atomic.Int64
		sink := &actingSink{text: "group", act: func() { // the line that a group was stopped
			time.Sleep(time.Second)
			runtime.Goexit()
		}}
		release := make(chan struct{})
		pool, err := workerfx.NewPool(workerfx.WithLogger(zerolog.New(sink)))
		require.NoError(t, err)
		require.NoError(t, pool.AddGroup(pair{
			workerfx.NewWorker("fails", func(ctx context.Context) error {
				if runs.Add(1) == 1 {
					time.Sleep(time.Millisecond)
					return errBoom
				}
				raise(&most, side.Add(1))
				defer side.Add(-1)
				<-ctx.Done()
				time.Sleep(time.Minute)
				return ctx.Err()
			}, workerfx.WithMaxAttempts(0), workerfx.WithStrategy(workerfx.OneForAll)),
			workerfx.NewWorker("hangs", stubborn(release), workerfx.WithStopTimeout(10*time.Second)),
		}))
		require.NoError(t, pool.Start(t.Context()))
		time.Sleep(10*time.Second + 500*time.Millisecond)
		require.NoError(t, pool.Restart("g/fails"))
		time.Sleep(time.Hour)
		e := execution(t, pool, "g/fails")
		close(release)
		require.Equal(t, e.Runs, runs.Load())
		require.EqualValues(t, 1, most.Load(), "runs side by side")
		require.Equal(t, workerfx.StatusRunning, e.Status)
		require.NoError(t, pool.Stop(context.Background()))
	})
}
