package fxtest

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/workerfx/workerfx"
)

// The default limits of AwaitStatus and AwaitRuns. Fake time costs nothing, and two days are enough for a nightly
// schedule.
const (
	defaultPatience     = 5 * time.Second
	defaultFakePatience = 48 * time.Hour
)

// AwaitStatus waits until replica 0 of the worker has this status, and returns its report. If it takes too long
// ([App.Within]), the test fails with the last report. The worker may be added later. A status that lasts less than
// a millisecond may be missed: use [App.AwaitRuns] for short runs.
func (a *App) AwaitStatus(worker string, status workerfx.Status) workerfx.Execution {
	a.tb.Helper()
	return a.await(worker, "status "+status.String(), func(e workerfx.Execution) bool { return e.Status == status })
}

// AwaitRuns waits until replica 0 of the worker has begun at least n runs, and returns its report. If it takes too long
// ([App.Within]), the test fails with the last report.
func (a *App) AwaitRuns(worker string, n int64) workerfx.Execution {
	a.tb.Helper()
	return a.await(worker, fmt.Sprintf("%d runs", n), func(e workerfx.Execution) bool { return e.Runs >= n })
}

// await looks at the worker's report until it is as wanted. While nothing changes, it looks less and less often, so
// that hours of fake time need few looks.
func (a *App) await(worker, wanted string, met func(workerfx.Execution) bool) workerfx.Execution {
	a.tb.Helper()
	limit := a.limit()
	begun := time.Now()
	changed := begun
	var last workerfx.Execution
	for {
		e, err := a.Pool.Execution(worker)
		if err == nil && met(e) {
			return e
		}
		now := time.Now()
		left := limit - now.Sub(begun)
		if left <= 0 {
			a.tb.Fatalf("%s", a.complaint(worker, wanted, limit, e, err))
			return e
		}
		if e.Status != last.Status || e.Runs != last.Runs {
			changed, last = now, e
		}
		time.Sleep(min(left, untilNextLook(e, changed, now)))
	}
}

// limit is the longest wait.
func (a *App) limit() time.Duration {
	byDefault := defaultPatience
	if inBubble() {
		byDefault = defaultFakePatience
	}
	return max(cmp.Or(a.patience, byDefault), 0)
}

// untilNextLook is a hundredth of the time since the last change, at least a millisecond. It is less if a run
// begins before.
func untilNextLook(e workerfx.Execution, changed, now time.Time) time.Duration {
	pause := now.Sub(changed) / 100
	if !e.NextRunAt.IsZero() {
		pause = min(pause, e.NextRunAt.Sub(now))
	}
	return max(pause, time.Millisecond)
}

// complaint is the text of a failure: what the wait was for, and the last report.
func (a *App) complaint(worker, wanted string, limit time.Duration, e workerfx.Execution, err error) string {
	var b strings.Builder
	if err != nil {
		fmt.Fprintf(&b, "awaited %s for %v: %v\n  workers: %s", wanted, limit, err, strings.Join(a.workers(), ", "))
		return b.String()
	}
	fmt.Fprintf(&b, "worker %q: awaited %s for %v\n  last report: %s", worker, wanted, limit, summary(e))
	if e.Err != nil {
		fmt.Fprintf(&b, "\n  last failure: %v", e.Err)
	}
	if len(e.Events) > 0 {
		b.WriteString("\n  events:")
	}
	for _, event := range e.Events {
		fmt.Fprintf(&b, "\n    %s %s", event.Time.UTC().Format(eventTime), event.Message)
	}
	return b.String()
}

// eventTime is the format of times in a complaint, in UTC. A bubble begins at midnight on January 1, and may last
// for days.
const eventTime = "Jan _2 15:04:05.000"

func summary(e workerfx.Execution) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v, %d runs, %d failures, attempt %d", e.Status, e.Runs, e.Failures, e.Attempt)
	if e.MaxAttempts > 0 {
		fmt.Fprintf(&b, " of %d", e.MaxAttempts)
	}
	if !e.NextRunAt.IsZero() {
		b.WriteString(", next run at " + e.NextRunAt.UTC().Format(eventTime))
	}
	return b.String()
}

// workers are the quoted names of all workers.
func (a *App) workers() []string {
	names := []string{}
	for _, e := range a.Pool.Executions() {
		if e.Replica == 0 {
			names = append(names, fmt.Sprintf("%q", e.Worker))
		}
	}
	if len(names) == 0 {
		return []string{"none"}
	}
	return names
}
