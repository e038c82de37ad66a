package dashboard

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/internal/names"
)

// reportJSON is the report on one replica, as the API has it.
type reportJSON struct {
	Worker      string    `json:"worker"`
	Replica     int       `json:"replica"`
	Status      string    `json:"status"`
	Essential   bool      `json:"essential"`
	Ready       bool      `json:"ready"`
	Stuck       bool      `json:"stuck"`
	WaitsFor    string    `json:"waitsFor,omitempty"`
	ExecutionID string    `json:"executionId,omitempty"`
	Attempt     int       `json:"attempt"`
	MaxAttempts int       `json:"maxAttempts"`
	Runs        int64     `json:"runs"`
	Restarts    int64     `json:"restarts"`
	Failures    int64     `json:"failures"`
	Jobs        int64     `json:"jobs"`
	FailedJobs  int64     `json:"failedJobs"`
	MissedTicks int64     `json:"missedTicks"`
	StartedAt   time.Time `json:"startedAt,omitzero"`
	FinishedAt  time.Time `json:"finishedAt,omitzero"`
	SucceededAt time.Time `json:"succeededAt,omitzero"`
	NextRunAt   time.Time `json:"nextRunAt,omitzero"`
	Error       string    `json:"error,omitempty"`
	RecentRuns  []runJSON `json:"recentRuns"`
}

func newReport(e *workerfx.Execution) reportJSON {
	return reportJSON{
		Worker: e.Worker, Replica: e.Replica, Status: e.Status.String(),
		Essential: e.Essential, Ready: e.Ready, Stuck: e.Stuck, WaitsFor: e.WaitsFor,
		ExecutionID: e.ID, Attempt: e.Attempt, MaxAttempts: e.MaxAttempts,
		Runs: e.Runs, Restarts: e.Restarts, Failures: e.Failures,
		Jobs: e.Jobs, FailedJobs: e.FailedJobs, MissedTicks: e.MissedTicks,
		StartedAt: e.StartedAt, FinishedAt: e.FinishedAt, SucceededAt: e.SucceededAt, NextRunAt: e.NextRunAt,
		Error: e.ErrText, RecentRuns: recentRuns(e.Events),
	}
}

// Label is the worker's name with the number of the replica.
func (r reportJSON) Label() string { return names.Replica(r.Worker, r.Replica) }

// Unready tells whether the replica should be ready and is not. One that has ended is not expected to be.
func (r reportJSON) Unready() bool {
	return !r.Ready && r.Status != workerfx.StatusError.String() && r.Status != workerfx.StatusStopped.String()
}

// Recovered tells whether the replica runs again after its last failure, and is ready. A list then leaves the error out.
func (r reportJSON) Recovered() bool { return r.Status == running && r.Ready }

// eventJSON is an event of a replica.
type eventJSON struct {
	Time        time.Time `json:"time"`
	ExecutionID string    `json:"executionId,omitempty"`
	Message     string    `json:"message"`
}

func newEvents(events []workerfx.Event) []eventJSON {
	list := make([]eventJSON, len(events))
	for i, e := range events {
		list[i] = eventJSON{e.Time, e.ExecutionID, e.Message}
	}
	return list
}

// settingJSON is a setting in force and where it comes from.
type settingJSON struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	Source string `json:"source"`
}

func newSettings(settings []workerfx.Setting) []settingJSON {
	list := make([]settingJSON, len(settings))
	for i, s := range settings {
		list[i] = settingJSON{s.Name, s.Value, s.Source.String()}
	}
	return list
}

// stackOf returns the stack of a panic, or what an error prints beyond its text with %+v, or nothing.
func stackOf(err error) (stack string) {
	defer func() {
		if recover() != nil { // the user's As or Unwrap
			stack = ""
		}
	}()
	if p, ok := errors.AsType[*workerfx.PanicError](err); ok {
		return string(p.Stack)
	}
	if _, ok := err.(fmt.Formatter); ok { // only the error itself prints its stack
		if detailed := fmt.Sprintf("%+v", err); strings.Contains(detailed, "\n") {
			return detailed
		}
	}
	return ""
}
