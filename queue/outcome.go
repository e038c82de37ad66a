package queue

import (
	"errors"
	"fmt"
	"time"
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

// outcome says how an attempt ended.
type outcome uint8

const (
	succeeded   outcome = iota
	failed              // there is another attempt
	exhausted           // there is none
	discarded           // the handler gave the job up
	rescheduled         // the handler wants it to run again later
	interrupted         // its worker stops, or its session is over
)

var outcomeNames = [...]string{"succeeded", "failed", "exhausted", "discarded", "rescheduled", "interrupted"}

func (o outcome) String() string { return outcomeNames[o] }

// isFailure tells whether the attempt failed.
func (o outcome) isFailure() bool { return o == failed || o == exhausted || o == discarded }
