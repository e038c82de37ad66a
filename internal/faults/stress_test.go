package faults_test

import (
	"cmp"
	"flag"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx"
)

// How long the stress test takes, and where its chance begins.
var (
	stressTime = flag.Duration("faults.stress", 0, "how long to stress the pool; else $FAULTS_STRESS, else 3s")
	stressSeed = flag.Uint64("faults.seed", 0, "the seed of the stress; else the time")
)

func stressFor(t *testing.T) time.Duration {
	t.Helper()
	fromEnvironment, err := time.ParseDuration(cmp.Or(os.Getenv("FAULTS_STRESS"), "0s"))
	require.NoError(t, err)
	byDefault := 3 * time.Second
	if testing.Short() {
		byDefault = 300 * time.Millisecond
	}
	return cmp.Or(*stressTime, fromEnvironment, byDefault)
}

func TestStressOfAllCommandsAtRandom(t *testing.T) {
	s := newStorm(t, cmp.Or(*stressSeed, uint64(time.Now().UnixNano())))
	registry := newRegistry(t, s.pool)
	start(t, s.pool)
	var over atomic.Bool
	var given atomic.Int64
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			r := s.source()
			for !over.Load() {
				pick(r, commands)(s, r, t.Context())
				given.Add(1)
			}
		})
	}
	before := make(map[string]workerfx.Execution)
	for begin := time.Now(); time.Since(begin) < stressFor(t) && !t.Failed(); time.Sleep(time.Millisecond) {
		before = requireConsistent(t, before, s.pool.Executions())
		scrape(t, registry)
	}
	over.Store(true)
	wg.Wait()
	s.requireCalm()
	s.finish()
	requireConsistent(t, before, s.pool.Executions())
	requireNoSeriesOfChildren(t, scrape(t, registry))
	require.Eventually(t, func() bool { return runtime.NumGoroutine() < 50 }, patience, 10*time.Millisecond)
	t.Logf("%d commands, %d runs, %d after a failure of their group", given.Load(), s.runs.Load(), s.groupWatch.checked)
	assert.Greater(t, s.runs.Load(), int64(100))
}

// requireConsistent requires that reports are sorted and make sense, each by itself and after those before.
func requireConsistent(t *testing.T, before map[string]workerfx.Execution, reports []workerfx.Execution) map[string]workerfx.Execution {
	t.Helper()
	after := make(map[string]workerfx.Execution, len(reports))
	last := workerfx.Execution{Replica: -1}
	for _, e := range reports {
		assert.Negative(t, cmp.Or(cmp.Compare(last.Worker, e.Worker), cmp.Compare(last.Replica, e.Replica)), "sorted, each once: %q", e.Worker)
		requireSense(t, e)
		if e.Replica == 0 && strings.HasPrefix(e.Worker, "stable") && !strings.Contains(e.Worker, "/") {
			requireNoDecrease(t, before[e.Worker], e)
			after[e.Worker] = e
		}
		last = e
	}
	assert.Len(t, after, len(stableNames))
	return after
}

func requireSense(t *testing.T, e workerfx.Execution) {
	t.Helper()
	assert.NotEqual(t, "unknown", e.Status.String())
	assert.GreaterOrEqual(t, e.Runs, e.Failures, e.Worker)
	assert.GreaterOrEqual(t, e.Runs, e.Restarts, e.Worker)
	assert.LessOrEqual(t, len(e.Events), 32, e.Worker)
	assert.Equal(t, e.Runs > 0, e.ID != "" && e.Attempt > 0 && !e.StartedAt.IsZero(), "%+v", e)
	if e.Status == workerfx.StatusRunning {
		assert.Positive(t, e.Runs, e.Worker)
		assert.True(t, e.FinishedAt.IsZero() && e.NextRunAt.IsZero(), "%+v", e)
	}
	if e.Status == workerfx.StatusError {
		assert.Error(t, e.Err, e.Worker)
	}
	if e.Status > workerfx.StatusWaiting {
		assert.True(t, e.NextRunAt.IsZero(), "%+v", e)
	}
}

// requireNoDecrease requires that no count of a worker is less than it was.
func requireNoDecrease(t *testing.T, before, now workerfx.Execution) {
	t.Helper()
	assert.GreaterOrEqual(t, now.Runs, before.Runs, now.Worker)
	assert.GreaterOrEqual(t, now.Failures, before.Failures, now.Worker)
	assert.GreaterOrEqual(t, now.Restarts, before.Restarts, now.Worker)
	assert.GreaterOrEqual(t, now.Jobs, before.Jobs, now.Worker)
	assert.GreaterOrEqual(t, now.MissedTicks, before.MissedTicks, now.Worker)
	assert.False(t, now.StartedAt.Before(before.StartedAt), now.Worker)
}

// requireNoSeriesOfChildren requires that no metric is left of a worker that has ended with its parent.
func requireNoSeriesOfChildren(t *testing.T, text string) {
	t.Helper()
	for _, name := range childNames {
		assert.NotContains(t, text, "/"+name+`"`)
	}
}
