package queue

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/riverqueue/river/rivertype"
)

// Args are what a job is about: a struct, or a map with string keys, that encodes to a JSON object. Kind
// names the job's type in the database and finds its handler; it must not depend on the value, and jobs
// that wait under an old name are lost to a handler of a new one. Kinds have letters, digits and -_<>[]/.:+ only.
//
// Args that also have a method InsertOpts() [river.InsertOpts] bring defaults along: queue, priority, attempts.
type Args interface {
	Kind() string
}

// Job is a job as its handler sees it. It is the handler's own copy.
type Job[A Args] struct {
	JobInfo

	Args A
}

// JobInfo is what is known of a job but its decoded arguments. It is a copy: nothing in it changes later.
type JobInfo struct {
	ID    int64
	Kind  string
	Queue string
	State State
	// Priority is from 1, the first to be worked, to 4.
	Priority int
	// Attempt is the how-manieth attempt this is, or the last one was: 1 for the first, 0 before any.
	// One that ended because its process died counts; one that rescheduled the job, or was interrupted by
	// a stop, does not.
	Attempt, MaxAttempts int
	// EnqueuedAt is when it was enqueued, ScheduledAt when it is, or was, due at the earliest. AttemptedAt
	// and FinishedAt are zero if that has not happened.
	EnqueuedAt, ScheduledAt, AttemptedAt, FinishedAt time.Time
	// Errors are the failed attempts, the oldest first.
	Errors []AttemptError
	// RawArgs are the arguments as they are in the database, a JSON object.
	RawArgs json.RawMessage
}

// AttemptError is a failed attempt.
type AttemptError struct {
	Attempt int
	At      time.Time
	// Error is the error's text. Stack is where the handler panicked, empty if it did not.
	Error, Stack string
}

// State is where a job is in its life.
type State string

// The states of a job.
const (
	StateAvailable State = State(rivertype.JobStateAvailable) // may be worked now, or in a few seconds
	StateScheduled State = State(rivertype.JobStateScheduled) // not due yet
	StateRunning   State = State(rivertype.JobStateRunning)   // a handler has it
	StateRetryable State = State(rivertype.JobStateRetryable) // failed, and waits for its next attempt
	StateCompleted State = State(rivertype.JobStateCompleted) // done
	StateDiscarded State = State(rivertype.JobStateDiscarded) // given up: its attempts are used up
	StateCancelled State = State(rivertype.JobStateCancelled) // given up by its handler, see [Discard]
	StatePending   State = State(rivertype.JobStatePending)   // held back by whoever enqueued it through River
)

// CtxJob returns the job whose handler ctx was given to. ok is false for any other context.
func CtxJob(ctx context.Context) (job JobInfo, ok bool) {
	current, ok := ctx.Value(currentKey{}).(*current)
	if !ok {
		return JobInfo{}, false
	}
	return current.info, true
}

// current is the job that a context belongs to.
type current struct {
	info JobInfo
	tx   any // the handler's transaction, nil if it has none
}

type currentKey struct{}

// cancelPrefix is what River puts before the text of an error that discarded a job.
const cancelPrefix = "JobCancelError: "

// infoOf copies what River knows of a job.
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
