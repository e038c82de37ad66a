package queue

import (
	"errors"
	"fmt"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
)

// EnqueueOption says how a job is enqueued. It wins over what the arguments' own InsertOpts say. A value out of
// range is an error of the call, which names the kind, the field and the value.
type EnqueueOption func(*enqueueSettings)

// enqueueSettings are the options of one job put together.
type enqueueSettings struct {
	river.InsertOpts

	errs []error
}

func (s *enqueueSettings) bad(field string, value any, why string) {
	s.errs = append(s.errs, fmt.Errorf("%s %v: %s", field, value, why))
}

// At makes the job due at t, at once if that has passed. It begins within a second after t if t is less
// than five seconds away when it is enqueued, else within five: River's scheduler looks that often.
func At(t time.Time) EnqueueOption {
	return func(s *enqueueSettings) {
		if s.ScheduledAt = t; t.IsZero() {
			s.bad("at", t, "is the zero time")
		}
	}
}

// In makes the job due after d, see [At].
func In(d time.Duration) EnqueueOption {
	return func(s *enqueueSettings) {
		if s.ScheduledAt = time.Now().Add(d); d < 0 {
			s.bad("in", d, "must not be negative")
		}
	}
}

// Priority is from 1, the default, which is worked first, to 4.
func Priority(p int) EnqueueOption {
	return func(s *enqueueSettings) {
		if s.InsertOpts.Priority = p; p < 1 || p > 4 {
			s.bad("priority", p, "must be from 1, the first to be worked, to 4")
		}
	}
}

// Queue names the queue. The default is "default".
func Queue(name string) EnqueueOption {
	return func(s *enqueueSettings) {
		s.InsertOpts.Queue = name
		if err := checkQueue(name); err != nil {
			s.errs = append(s.errs, err)
		}
	}
}

// MaxAttempts sets how many attempts the job gets, at least 1. The default is 25.
func MaxAttempts(n int) EnqueueOption {
	return func(s *enqueueSettings) {
		if s.InsertOpts.MaxAttempts = n; n < 1 || n > maxAttempts {
			s.bad("max attempts", n, fmt.Sprintf("must be from 1 to %d", maxAttempts))
		}
	}
}

// maxAttempts is what the database's column holds.
const maxAttempts = 32767

// unfinished are the states of jobs that are yet to be done.
var unfinished = []rivertype.JobState{
	rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRetryable,
	rivertype.JobStateRunning, rivertype.JobStateScheduled,
}

// Unique enqueues the job only if there is no unfinished one of its kind with the same arguments, or the same in
// those fields that are tagged `river:"unique"`. Else the call returns that one, as a duplicate.
func Unique() EnqueueOption {
	return func(s *enqueueSettings) { s.UniqueOpts = river.UniqueOpts{ByArgs: true, ByState: unfinished} }
}

// UniqueFor is [Unique] for a time: there is at most one such job, finished or not, in each period of d, at least
// a second. A dead letter does not count: another one may follow it. The periods lie on a grid from the year 1 on, in UTC.
func UniqueFor(d time.Duration) EnqueueOption {
	return func(s *enqueueSettings) {
		if s.UniqueOpts = (river.UniqueOpts{ByArgs: true, ByPeriod: d}); d < time.Second {
			s.bad("unique for", d, "must be at least a second")
		}
	}
}

// Entry is one job of a batch.
type Entry struct {
	args Args
	opts []EnqueueOption
}

// NewEntry returns a job for [Client.EnqueueBatch].
func NewEntry(args Args, opts ...EnqueueOption) Entry { return Entry{args: args, opts: opts} }

// Enqueued is a job in the database.
type Enqueued struct {
	ID int64
	// Duplicate says that [Unique] or [UniqueFor] found the job there, and nothing was enqueued.
	Duplicate bool
}

// params are how River takes an entry.
func (e Entry) params(metadata []byte) (river.InsertManyParams, error) {
	kind, err := checkArgs(e.args)
	if err != nil {
		return river.InsertManyParams{}, err
	}
	s := enqueueSettings{InsertOpts: river.InsertOpts{Metadata: metadata}}
	for i, opt := range e.opts {
		if opt == nil {
			return river.InsertManyParams{}, fmt.Errorf("enqueue %q: option %d is nil", kind, i+1)
		}
		opt(&s)
	}
	if len(s.errs) > 0 {
		return river.InsertManyParams{}, fmt.Errorf("enqueue %q: %w", kind, errors.Join(s.errs...))
	}
	return river.InsertManyParams{Args: e.args, InsertOpts: &s.InsertOpts}, nil
}
