package faults_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
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
)

// mostReplicas is the limit of every worker in a storm, and so of its runs at a time.
const mostReplicas = 3

// storm is a pool that is given all commands there are from many goroutines, also from its own workers.
type storm struct {
	stopWatch

	t    *testing.T
	pool *workerfx.Pool
	seed atomic.Uint64 // of the next random source
	runs atomic.Int64  // that have begun

	fromWithin []command    // what its workers do while they run
	giving     atomic.Int64 // how many are at it

	groupWatch *groupWatch   // of its groups
	calm       chan struct{} // closed once they are to fail no more

	leading atomic.Bool // the worker "first", which takes no commands, was about to say that it is ready

	running sync.Map // how many runs a worker has now, by name: *atomic.Int64
}

// newStorm makes a pool with a few workers to give commands to.
func newStorm(t *testing.T, seed uint64) *storm {
	t.Helper()
	t.Logf("seed %d", seed)
	s := &storm{t: t, fromWithin: commandsFromWithin, groupWatch: newGroupWatch(t), calm: make(chan struct{})}
	s.seed.Store(seed)
	s.pool = newPool(t, workerfx.WithPoolMiddleware(s.watch, s.count), workerfx.WithLogger(zerolog.New(s.groupWatch).Level(zerolog.WarnLevel)),
		workerfx.WithConfig(workerfx.Config{StopTimeout: 100 * time.Millisecond})) // how long a command waits
	s.groupWatch.pool = s.pool
	add(t, s.pool, workerfx.NewWorker("first", s.lead, endless, workerfx.WithReadiness(), workerfx.WithBackoff(soon)))
	for _, name := range stableNames {
		add(t, s.pool, s.worker(name))
	}
	for strategy, name := range strategyNames {
		require.NoError(t, s.pool.AddGroup(s.failureGroup(name, strategy)))
	}
	return s
}

// soon is a backoff of next to nothing.
var soon = workerfx.StaticBackoff{Sleep: 100 * time.Microsecond}

// strategyNames are those of the groups of each strategy, which are there to stay.
var strategyNames = map[workerfx.Strategy]string{
	workerfx.OneForOne: "each", workerfx.OneForAll: "all", workerfx.RestForOne: "rest",
}

// failureGroup is a group of workers that share their failures, and is watched by groupWatch.
func (s *storm) failureGroup(name string, strategy workerfx.Strategy) workerfx.Group {
	r := s.source()
	s.groupWatch.group(name, strategy)
	members := (&strategyGroup{chance: locked(r), calm: s.calm, unit: 200 * time.Microsecond}).members(s.groupWatch, func() []workerfx.Option {
		lasting := s.variety()[2:] // the others do not let a calm worker be
		return append(pick(r, lasting), workerfx.WithStrategy(strategy),
			workerfx.WithReplicas(r.IntN(mostReplicas+1)), workerfx.WithReplicaLimits(0, mostReplicas))
	})
	return namedGroup{members, name}
}

// lead is ready after a while, and fails after another.
func (s *storm) lead(ctx context.Context) error {
	workerfx.Wait(ctx, 2*time.Millisecond)
	s.leading.Store(true)
	workerfx.Ready(ctx)
	workerfx.Wait(ctx, 10*time.Millisecond)
	return errBoom
}

// follow wraps a worker that comes after "first".
func (s *storm) follow(next workerfx.RunFunc) workerfx.RunFunc {
	return func(ctx context.Context) error {
		if !s.leading.Load() {
			s.t.Errorf("worker %q begins before its predecessor was ready", workerfx.CtxWorkerName(ctx))
		}
		return next(ctx)
	}
}

// The names of workers that stay, of workers that come and go, and of children.
var (
	stableNames   = []string{"stable0", "stable1", "stable2"}
	volatileNames = []string{"v0", "v1", "v2", "group/v0", "group/v1"}
	childNames    = []string{"c0", "c1", "c2"}
	groupNames    = []string{
		"each/a", "each/b", "each/c", "each/d", "all/a", "all/b", "all/c", "all/d", "rest/a", "rest/b", "rest/c", "rest/d",
		"new all/a", "new all/b", "new all/c", "new all/d", "new rest/a", "new rest/b", "new rest/c", "new rest/d",
	}
)

// source is a source of chance for one goroutine.
func (s *storm) source() *rand.Rand {
	return rand.New(rand.NewPCG(s.seed.Add(1), 0))
}

// count requires that a replica never has two runs at a time.
func (s *storm) count(next workerfx.RunFunc) workerfx.RunFunc {
	return func(ctx context.Context) error {
		s.runs.Add(1)
		name := workerfx.CtxWorkerName(ctx)
		counter, _ := s.running.LoadOrStore(name, new(atomic.Int64))
		running, _ := counter.(*atomic.Int64)
		if n := running.Add(1); n > mostReplicas {
			s.t.Errorf("worker %q has %d runs at a time", name, n)
		}
		defer running.Add(-1)
		return next(ctx)
	}
}

// worker is one whose runs end in any way, and give commands while they last.
func (s *storm) worker(name string) workerfx.Worker {
	r := s.source()
	return workerfx.NewWorker(name, s.run, append(pick(r, s.variety()), endless,
		workerfx.WithBackoff(soon),
		workerfx.WithReplicas(r.IntN(mostReplicas+1)), workerfx.WithReplicaLimits(0, mostReplicas))...)
}

// variety are options of which a worker has some.
func (s *storm) variety() [][]workerfx.Option {
	return [][]workerfx.Option{
		{workerfx.WithRunTimeout(time.Millisecond)},
		{workerfx.WithHeartbeat(time.Millisecond, workerfx.RestartStuck)},
		nil,
		{workerfx.WithInterval(time.Millisecond), workerfx.WithStartImmediately()},
		{workerfx.WithInterval(time.Millisecond), workerfx.WithJitter(1)},
		{workerfx.WithDeferredStart(time.Millisecond)},
		{workerfx.WithCron("* * * * * *")},
		{workerfx.WithHeartbeat(time.Millisecond)},
		{workerfx.WithAfter("first"), workerfx.WithMiddleware(s.follow)},
	}
}

// pick is one of several.
func pick[T any](r *rand.Rand, several []T) T { return several[r.IntN(len(several))] }

func (s *storm) run(ctx context.Context) error {
	r := s.source()
	for range r.IntN(3) {
		s.giving.Add(1)
		if !s.isCalm() {
			pick(r, s.fromWithin)(s, r, ctx)
		}
		s.giving.Add(-1)
	}
	workerfx.Ready(ctx)
	switch r.IntN(11) {
	case 0:
		return nil
	case 1:
		return errBoom
	case 2:
		panic("storm")
	case 3:
		runtime.Goexit()
	case 4:
		return workerfx.ErrSkip
	case 5:
		return workerfx.Loop(func(ctx context.Context) error { workerfx.Wait(ctx, 100*time.Microsecond); return nil })(ctx)
	case 6:
		workerfx.Wait(ctx, time.Duration(r.IntN(int(2*time.Millisecond))))
		return nil
	case 7:
		<-workerfx.Draining(ctx)
		workerfx.Wait(ctx, 100*time.Microsecond)
		return workerfx.ErrStopping
	case 8:
		defer workerfx.Standby(ctx)()
	case 9:
		for ctx.Err() == nil {
			workerfx.Heartbeat(ctx)
			workerfx.Wait(ctx, 500*time.Microsecond)
		}
	}
	return untilStopped(ctx)
}

func (s *storm) isCalm() bool {
	select {
	case <-s.calm:
		return true
	default:
		return false
	}
}

// command is something that may be asked of a pool. Whether it can be carried out does not matter.
type command func(s *storm, r *rand.Rand, ctx context.Context)

// commands are the commands that anybody may give.
var commands = []command{
	func(s *storm, r *rand.Rand, _ context.Context) { _ = s.pool.Add(s.worker(pick(r, volatileNames[:3]))) },
	func(s *storm, _ *rand.Rand, _ context.Context) {
		_ = s.pool.AddGroup(namedGroup{workersOf{s.worker("v0"), s.worker("v1")}, "group"})
	},
	func(s *storm, r *rand.Rand, ctx context.Context) {
		name := pick(r, volatileNames)
		if r.IntN(2) == 0 && !errors.Is(s.pool.Health(), workerfx.ErrNotStarted) { // then its dependents may
			name = pick(r, groupNames[12:])
		}
		defer s.groupWatch.mayLeave(name)()
		_ = s.pool.Remove(ctx, name)
	},
	func(s *storm, r *rand.Rand, _ context.Context) {
		name := s.anyName(r)
		defer s.groupWatch.mayLeave(name)()
		_ = s.pool.Scale(name, r.IntN(mostReplicas+2))
	},
	func(s *storm, r *rand.Rand, _ context.Context) { _ = s.pool.More(s.anyName(r)) },
	func(s *storm, r *rand.Rand, _ context.Context) {
		name := s.anyName(r)
		defer s.groupWatch.mayLeave(name)()
		_ = s.pool.Less(name)
	},
	func(s *storm, r *rand.Rand, _ context.Context) { _ = s.pool.Pause(s.anyName(r)) },
	func(s *storm, r *rand.Rand, _ context.Context) { _ = s.pool.Resume(s.anyName(r)) },
	func(s *storm, r *rand.Rand, _ context.Context) { _ = s.pool.Resume(s.anyName(r)) },
	func(s *storm, r *rand.Rand, _ context.Context) { _ = s.pool.Restart(s.anyName(r)) },
	func(s *storm, r *rand.Rand, _ context.Context) { _ = s.pool.Trigger(s.anyName(r)) },
	func(s *storm, r *rand.Rand, _ context.Context) { _, _ = s.pool.Execution(s.anyName(r)) },
	func(s *storm, _ *rand.Rand, _ context.Context) { s.pool.Executions() },
	func(s *storm, _ *rand.Rand, _ context.Context) { collect(s.pool) },
	func(s *storm, r *rand.Rand, _ context.Context) {
		strategy := pick(r, []workerfx.Strategy{workerfx.OneForAll, workerfx.RestForOne})
		_ = s.pool.AddGroup(s.failureGroup("new "+strategyNames[strategy], strategy))
	},
	func(s *storm, _ *rand.Rand, _ context.Context) {
		if err := s.pool.Health(); err != nil {
			_ = err.Error()
		}
	},
	func(s *storm, _ *rand.Rand, ctx context.Context) {
		short, cancel := context.WithTimeout(ctx, 100*time.Microsecond)
		defer cancel()
		_ = s.pool.Ready(short)
	},
}

// commandsFromWithin are the commands that a worker may give itself.
var commandsFromWithin = append(slices.Clone(commands),
	func(s *storm, r *rand.Rand, ctx context.Context) {
		child := workerfx.NewWorker(pick(r, childNames), pick(r, []workerfx.RunFunc{untilStopped, fails, succeeds}), endless, second,
			workerfx.WithReplicas(1+r.IntN(2)), workerfx.WithReplicaLimits(0, mostReplicas))
		_ = workerfx.AddChild(ctx, child)
	},
	func(s *storm, r *rand.Rand, ctx context.Context) { _ = workerfx.RemoveChild(ctx, pick(r, childNames)) },
	func(s *storm, r *rand.Rand, ctx context.Context) { _ = workerfx.Children(ctx) },
)

// anyName is that of a worker, which may be there.
func (s *storm) anyName(r *rand.Rand) string {
	name := pick(r, slices.Concat(stableNames, volatileNames, groupNames))
	if r.IntN(4) == 0 {
		name += "/" + pick(r, childNames)
	}
	return name
}

// requireCalm requires that all groups that are there to stay run once nothing fails any more, and nobody gives commands.
func (s *storm) requireCalm() {
	s.t.Helper()
	close(s.calm)
	require.Eventually(s.t, func() bool { return s.giving.Load() == 0 }, patience, time.Millisecond)
	for _, group := range strategyNames {
		for _, member := range []string{"a", "b", "c", "d"} {
			over := s.groupWatch.mayLeave(group + "/" + member)
			require.NoError(s.t, s.pool.Scale(group+"/"+member, 1))
			over()
			require.NoError(s.t, s.pool.Resume(group+"/"+member))
		}
		if !assert.Eventually(s.t, func() bool { return allRunning(s.pool, group) }, patience, time.Millisecond, "group %q", group) {
			for _, e := range s.pool.Executions() {
				s.t.Logf("%s#%d: %v, next at %v: %v", e.Worker, e.Replica, e.Status, e.NextRunAt, e.Events[max(0, len(e.Events)-8):])
			}
			s.t.FailNow()
		}
	}
}

// finish stops the pool, and requires that all has ended with it.
func (s *storm) finish() {
	s.t.Helper()
	s.stopWatch.stop(s.t, s.pool)
	for _, e := range s.pool.Executions() {
		assert.NotContains(s.t, []workerfx.Status{workerfx.StatusRunning, workerfx.StatusWaiting, workerfx.StatusDeferred}, e.Status, e.Worker)
	}
	for _, name := range childNames {
		assert.NotContains(s.t, names(s.pool), stableNames[0]+"/"+name)
	}
}

func names(pool *workerfx.Pool) (names []string) {
	for _, e := range pool.Executions() {
		names = append(names, e.Worker)
	}
	return names
}

func TestCommandsInEveryOrderAroundStartAndStop(t *testing.T) {
	before := goleak.IgnoreCurrent()
	for round := range 20 {
		s := newStorm(t, uint64(round))
		all := append(slices.Clone(commands),
			func(s *storm, _ *rand.Rand, ctx context.Context) { _ = s.pool.Start(ctx) },
			func(s *storm, r *rand.Rand, _ context.Context) {
				if r.IntN(10) == 0 {
					_ = s.pool.Stop(within(t, time.Second))
				}
			})
		var wg sync.WaitGroup
		for range 6 {
			wg.Go(func() {
				r := s.source()
				for range 3 {
					for _, i := range r.Perm(len(all)) {
						all[i](s, r, t.Context())
					}
				}
			})
		}
		wg.Wait()
		s.finish()
	}
	goleak.VerifyNone(t, before)
}

// TestOneCommandFromManyGoroutines gives the same command to the same worker, again and again.
func TestOneCommandFromManyGoroutines(t *testing.T) {
	given := map[string]func(p *workerfx.Pool, n int) error{
		"Restart":       func(p *workerfx.Pool, _ int) error { return p.Restart("w") },
		"Scale":         func(p *workerfx.Pool, n int) error { return p.Scale("w", n%4) },
		"More and Less": func(p *workerfx.Pool, n int) error { return []func(string) error{p.More, p.Less}[n%2]("w") },
		"Pause, Resume": func(p *workerfx.Pool, n int) error { return []func(string) error{p.Pause, p.Resume}[n%2]("w") },
		"Trigger":       func(p *workerfx.Pool, _ int) error { return p.Trigger("w") },
		"Add, Remove": func(p *workerfx.Pool, n int) error {
			if n%2 == 0 {
				return p.Add(workerfx.NewWorker("w", untilStopped))
			}
			return p.Remove(context.Background(), "w")
		},
	}
	for name, give := range given {
		t.Run(name, func(t *testing.T) {
			s := newStorm(t, 1)
			start(t, s.pool, workerfx.NewWorker("w", untilStopped, workerfx.WithReplicaLimits(0, mostReplicas)))
			var wg sync.WaitGroup
			for i := range 8 {
				wg.Go(func() {
					for j := range 50 {
						_ = give(s.pool, i+j)
					}
				})
			}
			wg.Wait()
			s.finish()
		})
	}
}

func TestReplicasScaledAwayAreForgottenAlsoIfTheyWereDone(t *testing.T) {
	for name, body := range map[string]workerfx.RunFunc{"running": untilStopped, "done": succeeds} {
		bubble(name, t, func(t *testing.T) {
			pool := startPool(t, workerfx.NewWorker("w", body))
			require.NoError(t, pool.Scale("w", 5))
			synctest.Wait()
			require.NoError(t, pool.Scale("w", 1))
			synctest.Wait()
			assert.Len(t, pool.Executions(), 1)
			stop(t, pool)
		})
	}
}

func TestAChildStormLeavesNoChildBehind(t *testing.T) {
	s := newStorm(t, 1)
	var children atomic.Int64
	start(t, s.pool, workerfx.NewWorker("parent", func(ctx context.Context) error {
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				for j := range 50 {
					name := fmt.Sprint(i * j % 7)
					if workerfx.AddChild(ctx, workerfx.NewWorker(name, untilStopped)) == nil {
						children.Add(1)
					}
					if j%3 == 0 {
						_ = workerfx.RemoveChild(ctx, name)
					}
				}
			})
		}
		wg.Wait()
		return workerfx.ErrDoNotRestart
	}))
	require.Eventually(t, func() bool {
		e, _ := s.pool.Execution("parent")
		return e.Status == workerfx.StatusSuccess
	}, patience, time.Millisecond)
	assert.Greater(t, children.Load(), int64(50))
	for _, name := range names(s.pool) {
		assert.NotContains(t, name, "parent/")
	}
	s.finish()
}
