package workerfx

import (
	"math"
	"time"
)

// report is what a replica shows of itself. Its supervisor's lock guards it; its supervisor's goroutine,
// which alone writes it, reads it without. A process may have a hundred thousand of them, so it holds
// only what every replica has.
type report struct {
	run        *runContext // the current run, else the last one; nil before the first
	runs       int64
	successes  int64
	startedAt  time.Time // of run
	finishedAt instant   // of run; none while it is under way
	nextRunAt  instant   // none unless the replica waits
	succeeded  instant   // when a run last did
	past       *past     // nil until there is something to tell
	status     Status
	unnoted    runEvents // events of run that are not in past.events yet
}

// past is what there is to tell of a replica that has done more than start and stop.
type past struct {
	err     error  // the last failure; nil after a success
	errText string // its text: to ask the error again would be to call the user's code

	restarts, failures, panics int64
	missed                     int64 // ticks of the schedule

	failing instant // when the last failure came that followed no other
	stuck   *stuck  // nil unless the run is
	holdup  string  // what the replica waited for last, before its first run
	waiting instant // when it began to wait for its first run; none if it did not

	jobs *jobCounts // nil unless the body handles many jobs in one run

	ranWell, ranBadly *histogram // how long runs took that ended by themselves

	events eventRing
}

// stuck tells since when a run is stuck, and why one thinks so.
type stuck struct {
	since instant
	err   error
}

// instant is a time in nanoseconds since 1970; 0 is none.
type instant int64

// instantOf returns t, or the last instant there is if t is later: that is in 2262.
func instantOf(t time.Time) instant {
	if t.Unix() >= math.MaxInt64/int64(time.Second) {
		return math.MaxInt64
	}
	return instant(t.UnixNano())
}

func (i instant) time() time.Time {
	if i == 0 {
		return time.Time{}
	}
	return time.Unix(0, int64(i))
}

// runEvents are the two events that every run has. They wait here, without a time and a text of their
// own, until another event comes: most workers run once and then need no ring at all.
type runEvents struct {
	begin, end eventKind
}

// pending returns the run's events that are not among the others yet; those that are have no kind.
func (r *report) pending() (begin, end event) {
	if r.unnoted.begin != eventNone {
		begin = event{kind: r.unnoted.begin, id: r.run.id, at: instantOf(r.startedAt)}
	}
	if r.unnoted.end != eventNone {
		end = event{kind: r.unnoted.end, id: r.run.id, at: r.finishedAt}
		if end.kind == eventFailed {
			end.text = r.past.errText
		}
	}
	return begin, end
}

// lastFailure is the error of the last run, or nil if it succeeded.
func (r *report) lastFailure() error {
	if r.past == nil {
		return nil
	}
	return r.past.err
}

// failure tells of the last failure, and since when runs fail.
func (r *report) failure(t Trouble) Problem {
	if r.past == nil {
		return Problem{Trouble: t}
	}
	return Problem{Trouble: t, Since: r.past.failing.time(), Err: r.past.err, text: r.past.errText}
}

func (r *report) runID() string {
	if r.run == nil {
		return ""
	}
	return r.run.id
}

// fill copies the report, without its events.
func (r *report) fill(e *Execution) {
	e.Status, e.Runs = r.status, r.runs
	e.StartedAt, e.FinishedAt, e.NextRunAt = r.startedAt.Round(0), r.finishedAt.time(), r.nextRunAt.time()
	if r.run != nil {
		e.ID, e.Attempt = r.run.id, r.run.attempt
	}
	if p := r.past; p != nil {
		e.Restarts, e.Failures, e.Err = p.restarts, p.failures, p.err
		e.MissedTicks = p.missed
		if p.jobs != nil {
			e.Jobs, e.FailedJobs = p.jobs.succeeded.Load(), p.jobs.failed.Load()
		}
	}
}

// appendEvents appends the latest events to dst, the oldest first.
func (r *report) appendEvents(dst []Event, limit int) []Event {
	start := len(dst)
	if r.past != nil {
		dst = r.past.events.appendTo(dst)
	}
	if r.unnoted.begin != eventNone {
		dst = append(dst, Event{ExecutionID: r.run.id, Message: EventStarted, Time: r.startedAt.Round(0)})
	}
	if r.unnoted.end != eventNone {
		_, end := r.pending()
		dst = append(dst, end.public())
	}
	if excess := len(dst) - start - limit; excess > 0 { // the run's events push out the oldest
		dst = append(dst[:start], dst[start+excess:]...)
	}
	return dst
}

// execution fills in e, and appends the replica's events to events, of which e gets its own part.
func (s *supervisor) execution(e *Execution, events []Event) []Event {
	e.Worker, e.Replica = s.name, int(s.replica)
	e.MaxAttempts, e.DeferredStart = s.maxAttempts, s.deferredStart
	start := len(events)
	s.mu.Lock()
	s.report.fill(e)
	events = s.report.appendEvents(events, s.events)
	s.mu.Unlock()
	e.Events = events[start:len(events):len(events)]
	return events
}
