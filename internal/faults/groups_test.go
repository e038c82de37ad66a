package faults_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx"
)

// failingGroup is a group of workers that share their failures. It requires that the strategy is kept: when a run
// begins, no worker that had to stop for a failure before still runs.
type failingGroup struct {
	workersOf

	t *testing.T

	mu      sync.Mutex // guards what is below
	running map[string]int
	ending  map[string]bool // has to end before the failed workers run again
}

func (*failingGroup) Name() string { return "failing-group" }

// begin records a run, and requires that the workers that had to stop have stopped.
func (g *failingGroup) begin(name string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for other := range g.ending {
		if g.running[other] > 0 {
			g.t.Errorf("%q begins, and %q has not stopped", name, other)
		}
	}
	g.running[name]++
}

// fail records that these workers have to stop.
func (g *failingGroup) fail(names ...string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, name := range names {
		g.ending[name] = true
	}
}

func (g *failingGroup) end(name string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.running[name]--; g.running[name] == 0 {
		delete(g.ending, name)
	}
}

// newFailingGroup makes a group of "failing", which fails once when it is told to, "peer", which takes a second to
// stop, and "done", which is. The failed worker waits that long for its next attempt.
func newFailingGroup(t *testing.T, fail <-chan struct{}, backoff time.Duration) *failingGroup {
	t.Helper()
	g := &failingGroup{t: t, running: make(map[string]int), ending: make(map[string]bool)}
	g.workersOf = workersOf{
		workerfx.NewWorker("failing", func(ctx context.Context) error {
			g.begin("failing")
			defer g.end("failing")
			select {
			case <-fail:
				g.fail("peer")
				return errBoom
			case <-ctx.Done():
				return ctx.Err()
			}
		}, endless, workerfx.WithStrategy(workerfx.OneForAll), workerfx.WithBackoff(workerfx.StaticBackoff{Sleep: backoff})),
		workerfx.NewWorker("peer", func(ctx context.Context) error {
			g.begin("peer")
			defer g.end("peer")
			<-ctx.Done()
			time.Sleep(time.Second)
			return ctx.Err()
		}, workerfx.WithStopTimeout(10*time.Second)),
		workerfx.NewWorker("done", func(context.Context) error {
			g.begin("done")
			defer g.end("done")
			return nil
		}),
	}
	return g
}

// commandsToAGroup could make a run begin while the group waits.
var commandsToAGroup = map[string]func(p *workerfx.Pool) error{
	"none":             func(*workerfx.Pool) error { return nil },
	"more of the peer": func(p *workerfx.Pool) error { return p.Scale("failing-group/peer", 3) },
	"less, then more": func(p *workerfx.Pool) error {
		_ = p.Scale("failing-group/peer", 0)
		return p.Scale("failing-group/peer", 1)
	},
	"restart of the peer": func(p *workerfx.Pool) error { go func() { _ = p.Restart("failing-group/peer") }(); return nil },
	"restart of the done": func(p *workerfx.Pool) error { return p.Restart("failing-group/done") },
	"pause of the peer": func(p *workerfx.Pool) error {
		_ = p.Pause("failing-group/peer")
		return p.Resume("failing-group/peer")
	},
	"pause of the failing": func(p *workerfx.Pool) error {
		_ = p.Pause("failing-group/failing")
		return p.Resume("failing-group/failing")
	},
	"restart of the failing": func(p *workerfx.Pool) error { return p.Restart("failing-group/failing") },
	"trigger of the failing": func(p *workerfx.Pool) error { _ = p.Trigger("failing-group/failing"); return nil },
}

func TestACommandWhileAGroupWaitsNeitherDoublesARunNorEndsTheGroup(t *testing.T) {
	for name, command := range commandsToAGroup {
		for when, after := range map[string]time.Duration{"while it stops": time.Second / 2, "once it has": 5 * time.Second} {
			bubble(name+" "+when, t, func(t *testing.T) {
				fail := make(chan struct{})
				pool := newPool(t)
				require.NoError(t, pool.AddGroup(newFailingGroup(t, fail, time.Minute)))
				start(t, pool)
				synctest.Wait()
				fail <- struct{}{}
				time.Sleep(after)
				require.NoError(t, command(pool))
				time.Sleep(5 * time.Minute)
				for _, e := range pool.Executions() {
					want := workerfx.StatusRunning
					if e.Worker == "failing-group/done" {
						want = workerfx.StatusSuccess
					}
					assert.Equal(t, want, e.Status, "%s#%d: %v", e.Worker, e.Replica, e.Events)
				}
				stop(t, pool)
			})
		}
	}
}

func TestALogSinkThatMisbehavesDoesNotKeepAGroupTogether(t *testing.T) {
	for name, do := range misbehaviours {
		bubble(name, t, func(t *testing.T) {
			sink := writerFunc(func(line []byte) {
				if strings.Contains(string(line), "its group stops") {
					do()
				}
			})
			pool := newPool(t, workerfx.WithLogger(zerolog.New(sink)))
			require.NoError(t, pool.AddGroup(workersOf{
				workerfx.NewWorker("failing", fails, workerfx.WithStrategy(workerfx.OneForAll)),
				workerfx.NewWorker("peer", untilStopped),
			}, workerfx.WithName("failing-group")))
			start(t, pool)
			time.Sleep(time.Minute)
			assert.Equal(t, workerfx.StatusError, report(t, pool, "failing-group/failing").Status)
			assert.Equal(t, workerfx.StatusStopped, report(t, pool, "failing-group/peer").Status)
			stop(t, pool)
		})
	}
}

func TestALogSinkThatMisbehavesDoesNotKeepAGroupTogetherThatDoesNotStop(t *testing.T) {
	for name, do := range misbehaviours {
		bubble(name, t, func(t *testing.T) {
			sink := writerFunc(func(line []byte) {
				if strings.Contains(string(line), "its group stops") {
					do()
				}
			})
			release := make(chan struct{})
			pool := newPool(t, workerfx.WithLogger(zerolog.New(sink)))
			require.NoError(t, pool.AddGroup(workersOf{
				workerfx.NewWorker("failing", fails, endless, second, workerfx.WithDeferredStart(time.Second)), // when all others run
				workerfx.NewWorker("stubborn", func(context.Context) error { hangHere(release); return nil }, workerfx.WithStopTimeout(time.Minute)),
				workerfx.NewWorker("peer", untilStopped),
			}, workerfx.WithName("failing-group"), workerfx.WithStrategy(workerfx.OneForAll)))
			start(t, pool)
			time.Sleep(time.Hour)
			assert.Equal(t, workerfx.StatusError, report(t, pool, "failing-group/failing").Status)
			require.ErrorIs(t, report(t, pool, "failing-group/failing").Err, workerfx.ErrStuck)
			assert.Equal(t, workerfx.StatusStopped, report(t, pool, "failing-group/peer").Status)
			close(release)
			synctest.Wait()
			assert.GreaterOrEqual(t, report(t, pool, "failing-group/stubborn").Status, workerfx.StatusSuccess)
			stop(t, pool)
		})
	}
}

// randomGroup is a group of workers that fail and take their time to stop at random. It requires that no run begins while
// one of the others was asked to stop and has not.
type randomGroup struct {
	t     *testing.T
	chaos func(n int) int

	mu      sync.Mutex // guards what is below
	over    bool       // the pool stops: contexts end for that
	running map[string]context.Context
	runs    int
}

func (g *randomGroup) begin(ctx context.Context, name string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for other, run := range g.running {
		if run.Err() != nil && !g.over {
			g.t.Errorf("%q begins, and %q still stops", name, other)
		}
	}
	if g.running[name] != nil {
		g.t.Errorf("%q has two runs at a time", name)
	}
	g.running[name] = ctx
	g.runs++
}

func (g *randomGroup) end(name string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.running, name)
}

func (g *randomGroup) run(ctx context.Context) error {
	name := workerfx.CtxWorkerName(ctx)
	g.begin(ctx, name)
	defer g.end(name)
	workerfx.Wait(ctx, time.Duration(1+g.chaos(int(time.Second)))) // to the nanosecond: no two fail at the same moment
	workerfx.Ready(ctx)
	workerfx.Wait(ctx, 5*time.Duration(1+g.chaos(int(time.Second))))
	if ctx.Err() != nil {
		time.Sleep(time.Duration(g.chaos(2000)) * time.Millisecond)
		return ctx.Err()
	}
	switch g.chaos(3) {
	case 0:
		panic("chaos")
	case 1:
		runtime.Goexit()
	}
	return errBoom
}

// members are four workers, the last of which comes after the first.
func (g *randomGroup) members() workersOf {
	backoff := workerfx.WithBackoff(workerfx.StaticBackoff{Sleep: 300 * time.Millisecond})
	var workers workersOf
	for _, name := range []string{"a", "b", "c", "d"} {
		options := with(endless, backoff)
		if name == "a" {
			options = append(options, workerfx.WithReadiness())
		}
		if name == "d" {
			options = append(options, workerfx.WithAfter("a"))
		}
		workers = append(workers, workerfx.NewWorker(name, g.run, options...))
	}
	return workers
}

func TestNoRunOfAGroupBeginsWhileAnotherStillStops(t *testing.T) {
	for strategy, name := range strategyNames {
		for seed := range uint64(3) {
			bubble(fmt.Sprint(name, seed), t, func(t *testing.T) {
				r := rand.New(rand.NewPCG(seed, 0))
				var mu sync.Mutex
				g := &randomGroup{t: t, running: make(map[string]context.Context), chaos: func(n int) int {
					mu.Lock()
					defer mu.Unlock()
					return r.IntN(n)
				}}
				pool := newPool(t)
				require.NoError(t, pool.AddGroup(g.members(), workerfx.WithName(name), workerfx.WithStrategy(strategy)))
				start(t, pool)
				for begin := time.Now(); time.Since(begin) < 3*time.Minute; {
					time.Sleep(777 * time.Millisecond)
					if err := pool.Health(); err != nil {
						assert.NotContains(t, err.Error(), "failed since")
					}
					_ = pool.Ready(ended())
				}
				g.mu.Lock()
				assert.Greater(t, g.runs, 50)
				g.over = true
				g.mu.Unlock()
				stop(t, pool)
			})
		}
	}
}
