package queue

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/riverqueue/river/rivertype"
)

// Args are the arguments of a job: a struct, or a map with string keys, that encodes to a JSON object. Kind names
// the job's type in the database, and finds its handler. It must not depend on the value. A handler with a new kind
// does not get jobs of the old kind. A kind has letters, digits and -_<>[]/.:+ only.
//
// A method InsertOpts() [river.InsertOpts] of Args sets defaults: queue, priority, attempts.
type Args interface {
	Kind() string
}

// Job is a job with its decoded arguments. The handler gets a copy.
type Job[A Args] struct {
	JobInfo

	Args A
}

// JobInfo is a report on a job. It is a copy: nothing in it changes later.
type JobInfo struct {
	ID    int64
	Kind  string
	Queue string
	State State
	// Priority is from 1 (first) to 4 (last).
	Priority int
	// Attempt counts the attempts, with the current one. The first attempt is 1. An attempt whose process died counts. An
	// attempt that rescheduled the job, or that a stop interrupted, does not count.
	Attempt, MaxAttempts int
	// EnqueuedAt is when the job was enqueued, and ScheduledAt when it is due. AttemptedAt and FinishedAt are zero
	// if there was no attempt and no end yet.
	EnqueuedAt, ScheduledAt, AttemptedAt, FinishedAt time.Time
	// Errors are the failed attempts, the oldest first.
	Errors []AttemptError
	// RawArgs are the arguments in the database, a JSON object.
	RawArgs json.RawMessage
}

// AttemptError is a failed attempt.
type AttemptError struct {
	Attempt int
	At      time.Time
	// Error is the error's text. Stack is the stack of a panic; it is empty if there was none.
	Error, Stack string
}

// State is the state of a job.
type State string

// The states of a job.
const (
	StateAvailable State = State(rivertype.JobStateAvailable) // may be worked now, or in a few seconds
	StateScheduled State = State(rivertype.JobStateScheduled) // not due yet
	StateRunning   State = State(rivertype.JobStateRunning)   // a handler has it
	StateRetryable State = State(rivertype.JobStateRetryable) // failed, and waits for its next attempt
	StateCompleted State = State(rivertype.JobStateCompleted) // done
	StateDiscarded State = State(rivertype.JobStateDiscarded) // given up: its attempts are used up
	StateCancelled State = State(rivertype.JobStateCancelled) // given up by its handler, see [Discard], or by Cancel
	StatePending   State = State(rivertype.JobStatePending)   // held back: it was enqueued so through River
)

var states = []State{
	StateAvailable, StateScheduled, StateRunning, StateRetryable, StateCompleted, StateDiscarded, StateCancelled, StatePending,
}

// CtxJob returns the job whose handler got ctx. ok is false for any other context.
func CtxJob(ctx context.Context) (job JobInfo, ok bool) {
	current, ok := ctx.Value(currentKey{}).(*current)
	if !ok {
		return JobInfo{}, false
	}
	return *current.info, true
}

// current is the job that a context belongs to.
type current struct {
	info *JobInfo
	tx   any // the handler's transaction, nil if it has none
}

type currentKey struct{}

// cancelPrefix is River's prefix of the text of an error that discarded a job.
const cancelPrefix = "JobCancelError: "

// infoOf returns the report of a row.
func infoOf(row *rivertype.JobRow) JobInfo {
	info := JobInfo{
		ID: row.ID, Kind: row.Kind, Queue: row.Queue, State: State(row.State), Priority: row.Priority,
		Attempt: row.Attempt, MaxAttempts: row.MaxAttempts,
		EnqueuedAt: row.CreatedAt, ScheduledAt: row.ScheduledAt,
		RawArgs: json.RawMessage(row.EncodedArgs),
	}
	if row.AttemptedAt != nil {
		info.AttemptedAt = *row.AttemptedAt
	}
	if row.FinalizedAt != nil {
		info.FinishedAt = *row.FinalizedAt
	}
	for _, e := range row.Errors {
		text := strings.TrimPrefix(e.Error, cancelPrefix)
		info.Errors = append(info.Errors, AttemptError{Attempt: e.Attempt, At: e.At, Error: text, Stack: e.Trace})
	}
	return info
}
