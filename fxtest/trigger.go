package fxtest

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/workerfx/workerfx"
)

// Trigger runs a worker now that waits for its next tick or attempt, waits until this run has ended, and returns the report
// on replica 0. If the replica runs already, and has a schedule, the run that follows is awaited. The test fails if the
// worker cannot be triggered ([workerfx.Pool.Trigger]), or if the run does not end in time ([App.Within]). If the next
// run begins at once, the report may be about it already.
func (a *App) Trigger(worker string) workerfx.Execution {
	a.tb.Helper()
	subscription := a.Pool.Subscribe(triggerBuffer)
	defer subscription.Close()
	before, _ := a.Pool.Execution(worker)
	if err := a.trigger(worker); err != nil {
		a.failf("%v%s", err, a.reports(""))
		return workerfx.Execution{}
	}
	if e, err := a.Pool.Execution(worker); err == nil && goesOn(before, e) && !a.hasSchedule(worker) {
		a.failf("worker %q: trigger: replica 0 runs already, only other replicas were triggered%s", worker, a.reports(""))
		return e
	}
	limit := a.limit()
	timeout := time.After(limit)
	run := triggeredRun{worker: worker}
	for over := false; !over; {
		select {
		case change, open := <-subscription.C:
			over = !open || run.endsWith(change)
		case <-timeout:
			e, err := a.Pool.Execution(worker)
			a.failf("%s", a.awaitFailure(worker, "the end of the triggered run", limit, e, err))
			return e
		}
	}
	e, err := a.Pool.Execution(worker)
	if err != nil {
		a.failf("%v%s", err, a.reports(""))
	}
	return e
}

// goesOn tells whether a replica is in the same run as before.
func goesOn(before, e workerfx.Execution) bool {
	return before.Status == workerfx.StatusRunning && e.Status == workerfx.StatusRunning && before.ID == e.ID
}

// hasSchedule tells whether a worker that runs will run again for a trigger.
func (a *App) hasSchedule(worker string) bool {
	settings, _ := a.Pool.Settings(worker)
	return slices.ContainsFunc(settings, func(s workerfx.Setting) bool { return s.Name == "schedule" && s.Value != "" })
}

// trigger triggers a worker. Just after the start of the pool, it lets the worker come to its first wait.
func (a *App) trigger(worker string) error {
	a.tb.Helper()
	err := a.Pool.Trigger(worker)
	for _, final := range []error{nil, workerfx.ErrNotStarted, workerfx.ErrPoolStopped, workerfx.ErrUnknownWorker} {
		if errors.Is(err, final) {
			return err
		}
	}
	a.await(worker, "its first wait", func(e workerfx.Execution) bool { return e.Status != workerfx.StatusPending })
	return a.Pool.Trigger(worker)
}

// triggerBuffer is enough for changes that come while the test's goroutine does not run.
const triggerBuffer = 1024

// triggeredRun finds the run of a trigger in the changes of a pool.
type triggeredRun struct {
	worker    string
	triggered bool
	id        string // once it has begun
}

// endsWith tells whether a change is the end of the run.
func (r *triggeredRun) endsWith(c workerfx.Change) bool {
	switch {
	case c.Worker != r.worker || c.Replica != 0:
	case c.Message == workerfx.EventTriggered:
		r.triggered = true
	case r.id == "" && r.triggered && c.Message == workerfx.EventStarted:
		r.id = c.ExecutionID
	case r.id != "" && c.ExecutionID == r.id:
		return isEnd(c.Message)
	}
	return false
}

// isEnd tells whether an event is the end of a run.
func isEnd(event string) bool {
	switch event {
	case workerfx.EventSucceeded, workerfx.EventSkipped, workerfx.EventStopped:
		return true
	default:
		return strings.HasPrefix(event, workerfx.EventFailed)
	}
}
