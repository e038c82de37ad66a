package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if keepIfAsked() {
		return
	}
	_ = needsServer() // PostgreSQL is looked after by a goroutine, which is not a leak
	before := goleak.IgnoreCurrent()
	code := m.Run()
	if err := goleak.Find(before, goleak.IgnoreTopFunction("github.com/ankorstore/yokai/worker.(*WorkerPool).startWorkerRegistration.func1")); code == 0 && err != nil {
		_, _ = os.Stderr.WriteString(err.Error())
		code = 1
	}
	if s, err := server(); err == nil {
		s.Stop()
	}
	os.Exit(code)
}

// TestEveryWorkIsDoneByAllSides keeps the benchmarks from rotting: it does each work once, and little of it.
func TestEveryWorkIsDoneByAllSides(t *testing.T) {
	little := func(n int) int { return min(max(n/1000, 10), 30) }
	var results []*result
	for _, w := range allWorks(little) {
		if w.needs != nil && w.needs() != nil {
			t.Logf("%s: left out: %v", w.name, w.needs())
			continue
		}
		r := newResult(w)
		r.round(0)
		results = append(results, r)
		require.Equal(t, "workerfx", r.sides[1].name, "%s: the table shows side 1", w.name)
		for i := range r.sides {
			require.Positive(t, r.samples[i][0].wall+r.samples[i][0].kept, "%s: %s", w.name, r.sides[i].name)
		}
		require.NoError(t, printResult(t.Output(), r))
	}
	file := filepath.Join(t.TempDir(), "page.md")
	require.NoError(t, os.WriteFile(file, []byte("before\n"+tableBegins+"old\n"+tableEnds+"after\n"), 0o600))
	require.NoError(t, writeTable(file, results))
	page, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Regexp(t, `(?s)^before\n.*\nMeasured on .*\nafter\n$`, string(page))
	require.NotContains(t, string(page), "old")
	require.Equal(t, len(results)+2, bytes.Count(page, []byte("\n| "))) // and two lines of the head
	require.NoError(t, os.WriteFile(file, []byte("no table"), 0o600))
	require.ErrorContains(t, writeTable(file, results), "it has no lines")
}

func TestQuantilesAreInterpolated(t *testing.T) {
	require.InDelta(t, 2.5, quantile([]float64{4, 1, 3, 2}, 0.5), 1e-9)
	require.InDelta(t, 1.75, quantile([]float64{4, 1, 3, 2}, 0.25), 1e-9)
	require.InDelta(t, 7, quantile([]float64{7}, 0.75), 1e-9)
}
