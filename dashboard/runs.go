package dashboard

import (
	"strings"
	"time"

	"github.com/workerfx/workerfx"
)

// runJSON is one of the recent runs of a replica.
type runJSON struct {
	ExecutionID string    `json:"executionId"`
	StartedAt   time.Time `json:"startedAt"`
	FinishedAt  time.Time `json:"finishedAt,omitzero"`
	// Outcome is running, succeeded, failed, stopped or skipped.
	Outcome string `json:"outcome"`
	Error   string `json:"error,omitempty"`
}

const running = "running"

// took is how long the run took, or has taken so far.
func (r runJSON) took(now time.Time) time.Duration {
	if r.FinishedAt.IsZero() {
		return max(now.Sub(r.StartedAt), 0)
	}
	return r.FinishedAt.Sub(r.StartedAt)
}

// recentRuns returns the runs whose begin is among the events, the oldest first. The events outlive restarts. So do the
// runs.
func recentRuns(events []workerfx.Event) []runJSON {
	runs := []runJSON{}
	for _, e := range events {
		if e.Message == workerfx.EventStarted {
			runs = append(runs, runJSON{ExecutionID: e.ExecutionID, StartedAt: e.Time, Outcome: running})
			continue
		}
		if len(runs) == 0 {
			continue
		}
		last := &runs[len(runs)-1]
		if last.ExecutionID == e.ExecutionID && last.Outcome == running {
			last.end(e)
		}
	}
	return runs
}

// end ends the run if the event is about its end.
func (r *runJSON) end(e workerfx.Event) {
	switch {
	case e.Message == workerfx.EventSucceeded, e.Message == workerfx.EventStopped, e.Message == workerfx.EventSkipped:
		r.Outcome = e.Message
	case strings.HasPrefix(e.Message, workerfx.EventFailed):
		r.Outcome, r.Error = "failed", strings.TrimPrefix(e.Message, workerfx.EventFailed)
	default:
		return
	}
	r.FinishedAt = e.Time
}
