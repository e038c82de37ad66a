package workerfx

import (
	"math"
	"time"

	"github.com/workerfx/workerfx/internal/lifecycle"
)

// record is what reports show of a replica, beside its machine. A process may have a hundred thousand replicas: so it has
// only what every replica needs.
type record struct {
	run        *run      // the current run, else the last one; nil before the first
	startedAt  time.Time // of the current run, else of the last run
	finishedAt instant   // of the last run; none during a run
	succeeded  instant   // when a run last succeeded
	history    *history  // nil until it is needed
	unwritten  runEvents // events of the last run that are not in the history yet
	goroutines int8      // of the replica that have not told of their end; it is here, as there is room
	maxEvents  int32     // how many events are kept
}

func newRecord(s *settings) record {
	return record{maxEvents: int32(min(s.events, math.MaxInt32))} //nolint:gosec // more than that many fit in no memory
}

// history is the part of a record that only some replicas need: those that did more than start and stop.
type history struct {
	err     error   // the last failure; nil after a success
	errText string  // its text, as Error is the user's code
	failing instant // when the first failure after the last success came

	panics  int64
	stuck   *stuck  // nil unless the run is
	heldBy  string  // the worker or the group that the replica waits for
	waiting instant // when it began to wait for its first run; none if it did not

	jobs  *jobCounts // nil unless the body handles many jobs in one run
	items redelivery // of the worker, in the history of its first replica; nil if its body handles no items

	good, bad *histogram // of the times of runs that ended by themselves

	events eventRing
}

// stuck tells since when a run is stuck, and why.
type stuck struct {
	since instant
	err   error
}

// instant is a time in nanoseconds since 1970; 0 is none.
type instant int64

// instantOf returns t, or the last possible instant (in 2262) if t is later.
func instantOf(t time.Time) instant {
	switch {
	case t.IsZero():
		return 0
	case t.Unix() >= math.MaxInt64/int64(time.Second):
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

// runEvents are the two events that every run has. They stay here until another event comes. So a worker that runs
// once needs no history.
type runEvents struct {
	begin, end eventKind
}

// lastFailure is the error of the last run, or nil if it succeeded.
func (rec *record) lastFailure() error {
	if rec.history == nil {
		return nil
	}
	return rec.history.err
}

// failure returns the last failure as a problem.
func (rec *record) failure(t Trouble) Problem {
	h := rec.history
	if h == nil {
		return Problem{Trouble: t}
	}
	return Problem{Trouble: t, Since: h.failing.time(), Err: h.err, text: h.errText}
}

// recordStep records what a replica does until its next run. before is its status before the step.
func recordStep(r *replica, step lifecycle.Step, before lifecycle.Status, predecessor *entry, now time.Time) {
	if step.Deferred {
		r.note(eventDeferred, r.deferredStart.String(), now)
		r.needHistory().beginWait(now)
	}
	if step.Resumed {
		r.note(eventResumed, "", now)
	}
	switch step.Status {
	case before:
	case lifecycle.Paused:
		r.note(eventPaused, "", now)
	case lifecycle.Stopped:
		r.note(eventStopped, "", now)
	case lifecycle.Waiting, lifecycle.Deferred, lifecycle.Pending:
		if !step.Deferred && !step.Resumed {
			r.publishStatus(now)
		}
	}
	recordHold(r, step.HeldBy, predecessor, now)
}

// recordHold records what keeps a replica from its next run.
func recordHold(r *replica, by lifecycle.HeldBy, predecessor *entry, now time.Time) {
	text := ""
	switch by {
	case lifecycle.Group:
		text = "its group"
	case lifecycle.Predecessor:
		text = predecessor.name
		if r.failedPredecessor == predecessor {
			text += ", which failed"
		}
		r.needHistory().beginWait(now)
	default:
		if r.history == nil {
			return
		}
	}
	h := r.needHistory()
	if text != h.heldBy && text != "" {
		r.note(eventHeldUp, text, now)
	}
	h.heldBy = text
}

// recordBegin records the begin of a run.
func recordBegin(r *replica, run *run, begin lifecycle.Start, now time.Time) {
	rec := &r.record
	if begin.Triggered {
		r.note(eventTriggered, "", now)
	}
	if rec.run != nil {
		rec.writeEvents()
	}
	if rec.history != nil {
		rec.history.heldBy = ""
	}
	rec.run = run
	rec.startedAt, rec.finishedAt = now, 0
	rec.unwritten.begin = eventStarted
	r.publishEvent(event{kind: eventStarted, id: run.id, at: instantOf(now)})
}

// recordEnd records the end of a run.
func recordEnd(r *replica, o *outcome, v lifecycle.Verdict, ran time.Duration, now time.Time) {
	rec := &r.record
	rec.finishedAt = instantOf(now)
	switch {
	case v.Status == lifecycle.Stopped:
		rec.unwritten.end = eventStopped
	case v.Outcome == lifecycle.Skipped:
		rec.unwritten.end = eventSkipped
	case v.Outcome.IsGood():
		rec.unwritten.end = eventSucceeded
		rec.succeeded = instantOf(now)
		if rec.history != nil {
			rec.history.err, rec.history.errText = nil, ""
		}
	default:
		rec.unwritten.end = eventFailed
		rec.needHistory().failed(o, now)
	}
	if rec.history != nil {
		rec.history.stuck = nil
	}
	if !v.Asked && v.Outcome != lifecycle.Skipped { // the time of a run that was asked to stop means nothing
		rec.needHistory().observe(v.Outcome.IsGood(), ran, r.pool.buckets)
	}
	_, end := rec.runEvents()
	r.publishEvent(end)
}

// recordWait records the wait for the next attempt.
func recordWait(r *replica, pause time.Duration, now time.Time) {
	if pause > 0 {
		r.note(eventWaiting, pause.String(), now)
	}
}

// recordFailure records an error that no run returned.
func recordFailure(r *replica, err error, text string, now time.Time) {
	rec, h := &r.record, r.needHistory()
	if h.err == nil {
		h.failing = instantOf(now)
	}
	rec.writeEvents()
	h.err, h.errText = err, text
	r.note(eventFailed, text, now)
}

// note adds an event, and returns it.
func (rec *record) note(kind eventKind, text string, now time.Time) event {
	rec.writeEvents()
	e := event{kind: kind, id: rec.runID(), text: text, at: instantOf(now)}
	rec.needHistory().events.add(e)
	return e
}

// writeEvents puts the events of the last run into the history.
func (rec *record) writeEvents() {
	begin, end := rec.runEvents()
	ring := &rec.needHistory().events
	ring.add(begin)
	ring.add(end)
	rec.unwritten = runEvents{}
}

// runEvents returns the events of the last run that are not in the history yet. An event without a kind is none.
func (rec *record) runEvents() (begin, end event) {
	if rec.unwritten.begin != eventNone {
		begin = event{kind: rec.unwritten.begin, id: rec.run.id, at: instantOf(rec.startedAt)}
	}
	if rec.unwritten.end != eventNone {
		end = event{kind: rec.unwritten.end, id: rec.run.id, at: rec.finishedAt}
		if end.kind == eventFailed {
			end.text = rec.history.errText
		}
	}
	return begin, end
}

// needHistory returns the part of the record that not every replica needs, and makes it if need be.
func (rec *record) needHistory() *history {
	if rec.history == nil {
		rec.history = &history{events: eventRing{limit: int(rec.maxEvents)}}
	}
	return rec.history
}

func (rec *record) runID() string {
	if rec.run == nil {
		return ""
	}
	return rec.run.id
}

// beginWait records the begin of the wait for the first run.
func (h *history) beginWait(now time.Time) {
	if h.waiting == 0 {
		h.waiting = instantOf(now)
	}
}

// failed counts a failed run.
func (h *history) failed(o *outcome, now time.Time) {
	if h.err == nil {
		h.failing = instantOf(now)
	}
	if o.panicked {
		h.panics++
	}
	h.err, h.errText = o.err, o.text
}

// observe counts how long a run took.
func (h *history) observe(good bool, ran time.Duration, buckets []time.Duration) {
	if good {
		h.good = h.good.observe(ran, buckets)
	} else {
		h.bad = h.bad.observe(ran, buckets)
	}
}
