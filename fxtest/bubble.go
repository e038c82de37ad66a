package fxtest

import (
	"os"
	"os/signal"
	"slices"
	"time"

	"github.com/workerfx/workerfx"
)

// The first call of signal.Notify in a process starts goroutines that never end. An app's Done and Wait call it.
// Inside of a synctest bubble, the runtime would kill the process for such goroutines. So they are started here,
// outside of a bubble.
func init() { //nolint:gochecknoinits // it must come before any test
	c := make(chan os.Signal, 1)
	signal.Notify(c, os.Interrupt)
	signal.Stop(c)
}

// inBubble tells whether the caller is in a synctest bubble. The clock of a bubble starts in the year 2000. After
// decades of fake time the answer may be wrong.
func inBubble() bool { return time.Now().Year() < 2020 }

// awaitStragglers waits for runs that outlast the stop, such as those of [Stubborn]. Inside of a bubble, the clock stands
// still when the test is over, and they would never end.
func (a *App) awaitStragglers() {
	if !inBubble() {
		return
	}
	isRunning := func(e workerfx.Execution) bool { return e.Status == workerfx.StatusRunning }
	for begun := time.Now(); slices.ContainsFunc(a.Pool.Executions(), isRunning); {
		waited := time.Since(begun)
		if waited >= defaultFakeTimeout {
			return
		}
		time.Sleep(max(waited/100, time.Millisecond))
	}
}
