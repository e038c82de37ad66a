package queue

import (
	"errors"
	"fmt"
	"time"
)

// What the package answers to calls that it cannot carry out, for errors.Is.
var (
	// ErrNotStarted says that the database was not opened yet, or is closed: the app has not started or has stopped.
	ErrNotStarted = errors.New("queue is not started")
	// ErrNoJob says that there is no job with that ID, or none in the state that the call needs.
	ErrNoJob = errors.New("no such job")
	// ErrLockLost is the cause of a handler's context ([context.Cause]) once the database no longer counts its
	// process among the living, and others may take its jobs over.
	ErrLockLost = errors.New("liveness lock was lost")
	// ErrTakenOver is the error of a job that another process has begun anew: nothing that this attempt wrote
	// in its transaction stays.
	ErrTakenOver = errors.New("job was taken over by another process")
	// ErrSchemaBehind says that the database lacks migrations, and that this app was told not to run them.
	ErrSchemaBehind = errors.New("database schema is behind")
)

// Discard returns an error that gives the job up: it is not tried again, and is kept among the dead letters
// with the text of err. A nil err says only that it was discarded.
func Discard(err error) error {
	if err == nil {
		err = errors.New("discarded by its handler")
	}
	return &discardError{err}
}

// RescheduleIn returns an error that makes the job run again after d, without counting the attempt. Zero is
// at once; a negative d is taken for a failed attempt that says so.
func RescheduleIn(d time.Duration) error {
	if d < 0 {
		return fmt.Errorf("RescheduleIn: %v must not be negative", d)
	}
	return &rescheduleError{in: d}
}

// RescheduleAt returns an error that makes the job run again at t, without counting the attempt. A time that
// has passed is at once.
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

// wait is how long the job is to wait from now on.
func (e *rescheduleError) wait() time.Duration {
	if e.at.IsZero() {
		return e.in
	}
	return max(time.Until(e.at), 0)
}
