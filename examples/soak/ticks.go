package main

import (
	"math"
	"time"

	"github.com/workerfx/workerfx"
)

// ticks checks that every tick of a schedule was either run or reported as missed, and none twice. Between two
// reports of a worker that waits, the next run lies as many ticks later as there were runs and missed ticks.
type ticks struct {
	every      map[string]time.Duration // by worker
	first      map[string]workerfx.Execution
	miscounted *faults
}

func newTicks(every map[string]time.Duration, miscounted *faults) *ticks {
	return &ticks{every: every, first: make(map[string]workerfx.Execution), miscounted: miscounted}
}

// check returns how many ticks there were until now, and how many of them were missed.
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
		due := ticksBetween(first.NextRunAt, e.NextRunAt, every)
		accounted := e.Runs - first.Runs + e.MissedTicks - first.MissedTicks
		if due != accounted {
			t.miscounted.addf("%s: %d ticks, but %d runs and %d missed", e.Worker, due, e.Runs-first.Runs, e.MissedTicks-first.MissedTicks)
		}
		all += due
		missed += e.MissedTicks - first.MissedTicks
	}
	return all, missed
}

func ticksBetween(from, to time.Time, every time.Duration) int64 {
	return int64(math.Round(float64(to.Sub(from)) / float64(every)))
}
