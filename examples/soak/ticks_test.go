package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx"
)

func TestTicksAreRunsOrReportedAsMissed(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	waiting := func(next time.Duration, runs, missed int64) workerfx.Execution {
		return workerfx.Execution{
			Worker: "w", Status: workerfx.StatusWaiting, NextRunAt: start.Add(next), Runs: runs, MissedTicks: missed,
		}
	}
	running := workerfx.Execution{Worker: "w", Status: workerfx.StatusRunning, Runs: 100}
	cases := map[string]struct {
		then        workerfx.Execution
		all, missed int64
		wrong       bool
	}{
		"every tick ran":         {then: waiting(20*time.Second, 12, 1), all: 10},
		"some were missed":       {then: waiting(20*time.Second, 5, 8), all: 10, missed: 7},
		"the clock is not exact": {then: waiting(20*time.Second-300*time.Millisecond, 12, 1), all: 10},
		"one ran twice":          {then: waiting(20*time.Second, 13, 1), all: 10, wrong: true},
		"one is not reported":    {then: waiting(20*time.Second, 5, 7), all: 10, missed: 6, wrong: true},
		"it is running":          {then: running},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var wrong faults
			ticks := newTicks(map[string]time.Duration{"w": 2 * time.Second}, &wrong)

			ticks.check([]workerfx.Execution{running})
			ticks.check([]workerfx.Execution{waiting(0, 2, 1), {Worker: "another", Status: workerfx.StatusWaiting}})
			all, missed := ticks.check([]workerfx.Execution{c.then})

			require.Equal(t, c.all, all)
			require.Equal(t, c.missed, missed)
			require.Equal(t, c.wrong, wrong.count() > 0, wrong.examples())
		})
	}
}
