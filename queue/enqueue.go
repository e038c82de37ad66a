package queue

import (
	"errors"
	"fmt"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
)

// EnqueueOption says how a job is enqueued. It wins over InsertOpts of the arguments. If an option is given more than
// once, the last one counts. A value that is out of range is an error of the call, and so are [At] and [In] together.
// The error names the kind, the field and the value.
type EnqueueOption func(*enqueueSettings)

// enqueueSettings are all options of a job.
type enqueueSettings struct {
	river.InsertOpts

	at, in string // the values of At and In as text; empty if not given
	errs   []error
}

func (s *enqueueSettings) bad(field string, value any, why string) {
	s.errs = append(s.errs, fmt.Errorf("%s %v: %s", field, value, why))
}

// At makes the job due at t, or at once if t has passed. If t is less than five seconds away, the job begins within
// a second after t. Else it begins within five seconds, as River's scheduler looks that often.
func At(t time.Time) EnqueueOption {
	return func(s *enqueueSettings) {
		s.at = t.Format(time.RFC3339)
		if s.ScheduledAt = t; t.IsZero() {
			s.bad("at", t, "is the zero time")
		}
	}
}

// In makes the job due after d: see [At].
func In(d time.Duration) EnqueueOption {
	return func(s *enqueueSettings) {
		s.in = d.String()
		if s.ScheduledAt = time.Now().Add(d); d < 0 {
			s.bad("in", d, "must not be negative")
		}
	}
}

// Priority sets the priority, from 1 (first) to 4 (last). The default is 1.
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

// maxAttempts is the largest value of the database's column.
const maxAttempts = 32767

// unfinished are the states of jobs that have not ended.
var unfinished = []rivertype.JobState{
	rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRetryable,
	rivertype.JobStateRunning, rivertype.JobStateScheduled,
}

// Unique enqueues the job only if there is no unfinished job of its kind with the same arguments. If fields of the
// arguments are tagged `river:"unique"`, only these fields are compared. If there is such a job, the call returns
// it as a duplicate.
func Unique() EnqueueOption {
	return func(s *enqueueSettings) { s.UniqueOpts = river.UniqueOpts{ByArgs: true, ByState: unfinished} }
}

// UniqueFor is [Unique] for a period: there is at most one such job, finished or not, in each period of d. d is at
// least a second. A dead letter does not count. The periods begin at multiples of d since the year 1, in UTC.
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
	// Duplicate says that [Unique] or [UniqueFor] found a job, and nothing was enqueued.
	Duplicate bool
}

// params returns the entry in River's form. Each of its errors begins with caller, such as "queue: enqueue".
func (e Entry) params(caller string, metadata []byte) (river.InsertManyParams, error) {
	kind, err := checkArgs(caller, e.args)
	if err != nil {
		return river.InsertManyParams{}, err
	}
	s := enqueueSettings{InsertOpts: river.InsertOpts{Metadata: metadata}}
	for i, opt := range e.opts {
		if opt == nil {
			return river.InsertManyParams{}, fmt.Errorf("%s %q: option %d is nil", caller, kind, i+1)
		}
		opt(&s)
	}
	if s.at != "" && s.in != "" {
		s.bad("in", s.in, fmt.Sprintf("stands beside at %s: only one of them may be given", s.at))
	}
	for i, err := range s.errs {
		s.errs[i] = fmt.Errorf("%s %q: %w", caller, kind, err)
	}
	return river.InsertManyParams{Args: e.args, InsertOpts: &s.InsertOpts}, errors.Join(s.errs...)
}
