package main

import (
	"math"
	"time"

	"github.com/workerfx/workerfx"
)

// ticks checks that every tick of a schedule was either run or reported as missed, and none twice. Between two
// reports of a worker that waits, the next run lies as many ticks later as there were runs and missed ticks.
type ticks struct {
	every      map[string]time.Duration // by worker, like all below
	first      map[string]workerfx.Execution
	accounts   map[string]account
	miscounted *faults
}

// account is what became of a worker's ticks.
type account struct{ due, ran, missed int64 }

func newTicks(every map[string]time.Duration, miscounted *faults) *ticks {
	return &ticks{
		every: every, first: make(map[string]workerfx.Execution), accounts: make(map[string]account), miscounted: miscounted,
	}
}

// check returns how many ticks there were, and how many of them were missed, until each worker last waited.
func (t *ticks) check(executions []workerfx.Execution) (all, missed int64) {
	for _, e := range executions {
		every, ok := t.every[e.Worker]
		if !ok || e.Status != workerfx.StatusWaiting || e.NextRunAt.IsZero() {
			continue
		}
		first, ok := t.first[e.Worker]
		if !ok {
			t.first[e.Worker] = e
			continue
		}
		a := account{ticksBetween(first.NextRunAt, e.NextRunAt, every), e.Runs - first.Runs, e.MissedTicks - first.MissedTicks}
		if a.due != a.ran+a.missed {
			t.miscounted.addf("%s: %d ticks, but %d runs and %d missed", e.Worker, a.due, a.ran, a.missed)
		}
		t.accounts[e.Worker] = a
	}
	for _, a := range t.accounts {
		all += a.due
		missed += a.missed
	}
	return all, missed
}

func ticksBetween(from, to time.Time, every time.Duration) int64 {
	return int64(math.Round(float64(to.Sub(from)) / float64(every)))
}
