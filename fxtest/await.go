package fxtest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/workerfx/workerfx"
)

// The default limits of waits. Fake time costs nothing, and two days are enough for a nightly schedule.
const (
	defaultTimeout     = 5 * time.Second
	defaultFakeTimeout = 48 * time.Hour
)

// AwaitStatus waits until replica 0 of the worker has this status, and returns its report. If it takes too long
// ([App.Within]), the test fails with the reports and the last log lines. It fails at once if the pool is stopped and the
// worker has ended. Another goroutine may start the app later, or add the worker later. A status that lasts less than a
// millisecond may be missed: use [App.AwaitRuns] or [App.AwaitEvent] for short runs.
func (a *App) AwaitStatus(worker string, status workerfx.Status) workerfx.Execution {
	a.tb.Helper()
	return a.await(worker, "status "+status.String(), func(e workerfx.Execution) bool { return e.Status == status })
}

// AwaitRuns waits until replica 0 of the worker has begun at least n runs, and returns its report. It fails as
// [App.AwaitStatus] does.
func (a *App) AwaitRuns(worker string, n int64) workerfx.Execution {
	a.tb.Helper()
	return a.await(worker, fmt.Sprintf("%d runs", n), func(e workerfx.Execution) bool { return e.Runs >= n })
}

// AwaitEvent waits until the report on replica 0 of the worker has an event, and returns the report. The event is the
// begin of its message: [workerfx.EventFailed] is any failure, workerfx.EventFailed+"boom" is that of an error. It may have
// happened before the call. It fails as [App.AwaitStatus] does.
func (a *App) AwaitEvent(worker, event string) workerfx.Execution {
	a.tb.Helper()
	return a.await(worker, fmt.Sprintf("event %q", event), func(e workerfx.Execution) bool {
		return slices.ContainsFunc(e.Events, func(ev workerfx.Event) bool { return strings.HasPrefix(ev.Message, event) })
	})
}

// AwaitReady waits until all workers are ready: see [workerfx.Pool.Ready]. It returns the app. If it takes too long
// ([App.Within]), or if a worker failed for good, the test fails with the reports and the last log lines.
func (a *App) AwaitReady() *App {
	a.tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), a.limit())
	defer cancel()
	if err := a.Pool.Ready(ctx); err != nil {
		a.failf("awaited that all workers are ready: %v%s%s", err, a.notStarted(), a.reports(""))
	}
	return a
}

// await looks at the worker's report until it is as wanted: after each change in the pool, and from time to time, as not
// all changes are published. While nothing changes it looks less and less often, so that hours of fake time need few looks.
func (a *App) await(worker, wanted string, met func(workerfx.Execution) bool) workerfx.Execution {
	a.tb.Helper()
	subscription := a.Pool.Subscribe(1)
	defer subscription.Close()
	changes := subscription.C
	limit := a.limit()
	begun := time.Now()
	stopped := false
	for {
		e, err := a.Pool.Execution(worker)
		if err == nil && met(e) {
			return e
		}
		waited := time.Since(begun)
		if waited >= limit || stopped && isOver(e, err) {
			a.failf("%s", a.awaitFailure(worker, wanted, min(waited.Round(time.Millisecond), limit), e, err))
			return e
		}
		select {
		case _, open := <-changes:
			if !open { // the pool has stopped
				changes = nil
			}
		case <-time.After(min(limit-waited, max(waited/100, time.Millisecond))):
		}
		stopped = isOver(e, err) && a.isStopped() // it counts at the next look: this report may be older than the stop
	}
}

// isOver tells whether a worker of a pool that is stopped changes no more. A run may outlast the stop.
func isOver(e workerfx.Execution, err error) bool { return err != nil || hasEnded(e) }

// hasEnded tells whether only a restart makes the replica run again.
func hasEnded(e workerfx.Execution) bool {
	return e.Status == workerfx.StatusSuccess || e.Status == workerfx.StatusError || e.Status == workerfx.StatusStopped
}

// limit is the longest wait.
func (a *App) limit() time.Duration {
	byDefault := defaultTimeout
	if inBubble() {
		byDefault = defaultFakeTimeout
	}
	return max(cmp.Or(a.timeout, byDefault), 0)
}
