package queue

import (
	"errors"
	"fmt"
	"time"

	"github.com/workerfx/workerfx/queue/internal/database"
)

// Errors of calls, for errors.Is.
var (
	// ErrNotStarted says that the database is not open: the app has not started, or it has stopped.
	ErrNotStarted = errors.New("queue is not started")
	// ErrNoJob says that there is no job with this ID, or that it is not in a state that the call needs.
	ErrNoJob = database.ErrNoJob
	// ErrLockLost is the cause of a handler's context ([context.Cause]) when the process has lost its lock, so that
	// others may take over its jobs.
	ErrLockLost = database.ErrLockLost
	// ErrDatabaseRefuses says that the database answers, and refuses to work: its disk is full, or it is read-only. It is
	// the error of the queue's worker, and the cause of a handler's context then.
	ErrDatabaseRefuses = database.ErrRefused
	// ErrTakenOver is the error of an attempt whose job another process has taken over. Its transaction is rolled back.
	ErrTakenOver = database.ErrTakenOver
	// ErrSchemaBehind says that migrations are missing, and that this app must not run them.
	ErrSchemaBehind = database.ErrSchemaBehind
)

// Discard returns an error that gives the job up. The job is not tried again. It becomes a dead letter with the
// text of err, which may be nil.
func Discard(err error) error {
	if err == nil {
		err = errors.New("discarded by its handler")
	}
	return &discardError{err}
}

// RescheduleIn returns an error that makes the job run again after d. The attempt does not count. Zero means at
// once. A negative d makes the attempt fail.
func RescheduleIn(d time.Duration) error {
	if d < 0 {
		return fmt.Errorf("RescheduleIn: %v must not be negative", d)
	}
	return &rescheduleError{in: d}
}

// RescheduleAt returns an error that makes the job run again at t, or at once if t has passed. The attempt does not
// count.
func RescheduleAt(t time.Time) error { return &rescheduleError{at: t} }

type discardError struct{ error }

func (e *discardError) Unwrap() error { return e.error }

type rescheduleError struct {
	in time.Duration
	at time.Time // wins if it is set
}

func (e *rescheduleError) Error() string {
	if e.at.IsZero() {
		return fmt.Sprintf("reschedule in %v", e.in)
	}
	return "reschedule at " + e.at.Format(time.RFC3339)
}

// wait is how long the job has to wait from now on.
func (e *rescheduleError) wait() time.Duration {
	if e.at.IsZero() {
		return e.in
	}
	return max(time.Until(e.at), 0)
}
