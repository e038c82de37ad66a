package faults_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx"
)

// meter measures the process after a tenth of many steps, and after all of them.
type meter struct {
	steps, taken int

	early, late usage
}

type usage struct {
	heap       uint64
	goroutines int
}

// metered is a meter for so many steps, or fewer where they would take too long.
func metered(steps int) *meter {
	steps /= raceFactor
	if testing.Short() {
		steps /= 10
	}
	return &meter{steps: steps}
}

// step tells whether there is another step to take.
func (m *meter) step() bool {
	switch m.taken++; m.taken {
	case m.steps / 10:
		m.early = measure()
	case m.steps:
		m.late = measure()
	}
	return m.taken < m.steps
}

func measure() usage {
	var memory runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&memory)
	return usage{memory.HeapAlloc, runtime.NumGoroutine()}
}

// requireFlat requires that the steps after the first tenth left next to nothing behind.
func (m *meter) requireFlat(t *testing.T) {
	t.Helper()
	const slack = 200 << 10
	t.Logf("%d steps: heap %d kB, then %d kB; goroutines %d, then %d",
		m.steps, m.early.heap>>10, m.late.heap>>10, m.early.goroutines, m.late.goroutines)
	require.GreaterOrEqual(t, m.taken, m.steps)
	assert.Less(t, m.late.heap, m.early.heap+slack)
	assert.Less(t, m.late.goroutines, m.early.goroutines+20)
}

// awaitDone waits until a worker is done.
func awaitDone(t *testing.T, pool *workerfx.Pool, name string) {
	t.Helper()
	require.Eventually(t, func() bool {
		e, err := pool.Execution(name)
		return err == nil && e.Status >= workerfx.StatusSuccess
	}, patience, 10*time.Millisecond)
}

func TestAMillionRestartsInFlatMemory(t *testing.T) {
	m := metered(1_000_000)
	ends := []func(n int) error{
		func(n int) error { return fmt.Errorf("run %d failed%s", n, strings.Repeat("!", 3000)) },
		func(n int) error { return fmt.Errorf("run %d: %w", n, errBoom) },
		func(n int) error { panic(fmt.Sprint("run ", n)) },
		func(int) error { runtime.Goexit(); return nil },
	}
	pool := startPool(t, workerfx.NewWorker("w", func(ctx context.Context) error {
		if !m.step() {
			return workerfx.ErrDoNotRestart
		}
		if m.taken%7 == 0 { // what a run may make use of
			workerfx.CtxLogger(ctx).Info().Msg("hello")
			go func() { <-ctx.Done() }()
		}
		return ends[m.taken%len(ends)](m.taken)
	}, endless, workerfx.WithBackoff(workerfx.StaticBackoff{})))
	awaitDone(t, pool, "w")
	stop(t, pool)
	m.requireFlat(t)
	e, err := pool.Execution("w")
	require.NoError(t, err)
	assert.EqualValues(t, m.steps, e.Runs)
	assert.Len(t, e.Events, 32)
}

func TestAHundredThousandChildrenInFlatMemory(t *testing.T) {
	m := metered(100_000)
	ended := make(chan struct{}, 10)
	pool := newPool(t)
	registry := newRegistry(t, pool)
	parent := func(ctx context.Context) error {
		for next := true; next; next = m.step() {
			child := workerfx.NewWorker(fmt.Sprint("child", m.taken), func(context.Context) error {
				ended <- struct{}{}
				return errBoom
			})
			if err := workerfx.AddChild(ctx, child); err != nil {
				return err
			}
			<-ended
		}
		for len(workerfx.Children(ctx)) > 0 {
			workerfx.Wait(ctx, time.Millisecond)
		}
		assert.NotContains(t, scrape(t, registry), "child")
		assert.Len(t, pool.Executions(), 1)
		return nil
	}
	start(t, pool, workerfx.NewWorker("parent", parent))
	awaitDone(t, pool, "parent")
	e, err := pool.Execution("parent")
	require.NoError(t, err)
	require.NoError(t, e.Err)
	stop(t, pool)
	m.requireFlat(t)
}

func TestCommandsWithoutEndInFlatMemory(t *testing.T) {
	ctx := t.Context()
	given := map[string]func(p *workerfx.Pool) error{
		"Add and Remove": func(p *workerfx.Pool) error {
			if err := p.Add(workerfx.NewWorker("new", untilStopped)); err != nil {
				return err
			}
			return p.Remove(ctx, "new")
		},
		"Scale":             func(p *workerfx.Pool) error { _ = p.Scale("w", 20); return p.Scale("w", 1) },
		"Restart":           func(p *workerfx.Pool) error { return p.Restart("w") },
		"Restart when done": func(p *workerfx.Pool) error { return p.Restart("done") },
		"Pause and Resume":  func(p *workerfx.Pool) error { _ = p.Pause("ticking"); return p.Resume("ticking") },
		"Trigger":           func(p *workerfx.Pool) error { return p.Trigger("ticking") },
		"Executions":        func(p *workerfx.Pool) error { p.Executions(); collect(p); return nil },
	}
	for name, give := range given {
		t.Run(name, func(t *testing.T) {
			m := metered(20_000)
			pool := startPool(t, workerfx.NewWorker("w", untilStopped), workerfx.NewWorker("done", succeeds),
				workerfx.NewWorker("ticking", succeeds, workerfx.WithInterval(time.Hour)))
			awaitDone(t, pool, "done")
			require.Eventually(t, func() bool { return pool.Trigger("ticking") == nil }, patience, time.Millisecond)
			for m.step() {
				require.NoError(t, give(pool))
			}
			m.requireFlat(t)
			stop(t, pool)
		})
	}
}

func TestPoolsWithoutEndInFlatMemory(t *testing.T) {
	m := metered(5_000)
	registry := newRegistry(t)
	for m.step() {
		pool := newPool(t, workerfx.WithRegisterer(registry))
		add(t, pool, workerfx.NewWorker("w", untilStopped)) // without helpers that keep it until the test is over
		require.NoError(t, pool.Start(t.Context()))
		require.NoError(t, pool.Stop(t.Context()))
	}
	m.requireFlat(t)
}

func TestGroupsBegunAgainWithoutEndInFlatMemory(t *testing.T) {
	m := metered(20_000)
	pool := newPool(t)
	require.NoError(t, pool.AddGroup(namedGroup{workersOf{
		workerfx.NewWorker("failing", func(ctx context.Context) error {
			if !m.step() {
				return workerfx.ErrDoNotRestart
			}
			return errBoom
		}, endless, workerfx.WithBackoff(workerfx.StaticBackoff{})),
		workerfx.NewWorker("peer", untilStopped, workerfx.WithReadiness()),
		workerfx.NewWorker("dependent", untilStopped, workerfx.WithAfter("failing")),
	}, "group"}, workerfx.WithStrategy(workerfx.OneForAll)))
	start(t, pool)
	awaitDone(t, pool, "group/failing")
	stop(t, pool)
	m.requireFlat(t)
}

func TestBeingStuckWithoutEndInFlatMemory(t *testing.T) {
	m := metered(1_000)
	pool := startPool(t, workerfx.NewWorker("w", func(ctx context.Context) error {
		for m.step() {
			time.Sleep(200 * time.Microsecond)
			workerfx.Heartbeat(ctx)
		}
		return nil
	}, workerfx.WithHeartbeat(50*time.Microsecond)))
	awaitDone(t, pool, "w")
	stop(t, pool)
	m.requireFlat(t)
}
