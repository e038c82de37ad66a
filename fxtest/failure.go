package fxtest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/internal/text"
)

// failf fails the test at once. The message has the report and the last log lines. They are not logged again at the end.
func (a *App) failf(format string, args ...any) {
	a.tb.Helper()
	*a.reported = true
	a.tb.Fatalf(format, args...)
}

// reportFailure logs the reports and the last log lines if the test has failed, and nothing has shown them yet.
func (a *App) reportFailure() {
	if t, ok := a.tb.(interface{ Failed() bool }); !ok || !t.Failed() || *a.reported {
		return
	}
	*a.reported = true
	a.tb.Logf("the app when the test failed%s", a.reports(""))
}

// awaitFailure is the text of a wait that failed: what the wait was for, why it failed if that is known, the worker's
// last report, and what happened beside it.
func (a *App) awaitFailure(worker, wanted string, waited time.Duration, e workerfx.Execution, err error) string {
	var b strings.Builder
	if err != nil {
		fmt.Fprintf(&b, "awaited %s for %v: %v%s", wanted, waited, err, a.obstacle(e))
	} else {
		fmt.Fprintf(&b, "worker %q: awaited %s for %v%s\n  last report: %s", worker, wanted, waited, a.obstacle(e), summary(e))
		if e.Err != nil {
			fmt.Fprintf(&b, "\n  last failure: %s", text.OneLine(e.ErrText))
		}
		writeEvents(&b, e.Events)
	}
	b.WriteString(a.reports(worker))
	return b.String()
}

// obstacle is a line that says why the replica does not run, or nothing.
func (a *App) obstacle(e workerfx.Execution) string {
	switch {
	case a.isStopped():
		return "\n  the pool is stopped: no run begins any more"
	case hasEnded(e):
		return "\n  the worker has ended: it does not run again by itself"
	}
	return a.notStarted()
}

// notStarted is a line that says that the app has not started, or nothing.
func (a *App) notStarted() string {
	if a.Pool.Health() == workerfx.ErrNotStarted { //nolint:errorlint // a wrapped one is a worker's
		return "\n  the app has not started: was RequireStart called?"
	}
	return ""
}

// isStopped tells whether the pool has stopped, or stops.
func (a *App) isStopped() bool {
	err := a.Pool.Health()
	_, ofWorkers := err.(*workerfx.HealthError)                      //nolint:errorlint // a wrapped one comes with ErrPoolStopped
	return err != nil && !ofWorkers && err != workerfx.ErrNotStarted //nolint:errorlint // as in notStarted
}

// reports are the reports on all workers but one, in a line each, and the last log lines.
func (a *App) reports(except string) string {
	var b strings.Builder
	for _, e := range a.Pool.Executions() {
		if e.Worker == except && e.Replica == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n  worker %q", e.Worker)
		if e.Replica > 0 {
			fmt.Fprintf(&b, " #%d", e.Replica)
		}
		fmt.Fprintf(&b, ": %s", summary(e))
		if e.Err != nil {
			fmt.Fprintf(&b, ", last failure: %s", text.OneLine(e.ErrText))
		}
	}
	writeLogs(&b, a.logs.read())
	return b.String()
}

// timeFormat is the format of times in a failure, in UTC. A bubble begins at midnight on January 1, and may last for
// days.
const timeFormat = "Jan _2 15:04:05.000"

func summary(e workerfx.Execution) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v, %d runs, %d failures, attempt %d", e.Status, e.Runs, e.Failures, e.Attempt)
	if e.MaxAttempts > 0 {
		fmt.Fprintf(&b, " of %d", e.MaxAttempts)
	}
	if !e.NextRunAt.IsZero() {
		b.WriteString(", next run at " + e.NextRunAt.UTC().Format(timeFormat))
	}
	if e.WaitsFor != "" {
		b.WriteString(", waits for " + e.WaitsFor)
	}
	return b.String()
}

func writeEvents(b *strings.Builder, events []workerfx.Event) {
	if len(events) > 0 {
		b.WriteString("\n  events:")
	}
	for _, event := range events {
		fmt.Fprintf(b, "\n    %s %s", event.Time.UTC().Format(timeFormat), event.Message)
	}
}

// The size of the log in a failure.
const (
	maxShownLogs  = 20
	maxShownField = 200 // bytes
)

// writeLogs writes the last log lines, with their fields sorted by name. Lines at level trace are left out.
func writeLogs(b *strings.Builder, logs []Log) {
	logs = slices.DeleteFunc(logs, func(l Log) bool { return l.Level == zerolog.TraceLevel })
	switch {
	case len(logs) > maxShownLogs:
		fmt.Fprintf(b, "\n  last %d of %d log lines:", maxShownLogs, len(logs))
		logs = logs[len(logs)-maxShownLogs:]
	case len(logs) > 0:
		b.WriteString("\n  log:")
	}
	for _, l := range logs {
		fmt.Fprintf(b, "\n    %s %v %s", l.Time.UTC().Format(timeFormat), l.Level, text.OneLine(l.Message))
		for _, name := range slices.Sorted(maps.Keys(l.Fields)) {
			fmt.Fprintf(b, " %s=%s", name, text.OneLine(text.Cut(fmt.Sprint(l.Fields[name]), maxShownField)))
		}
	}
}
