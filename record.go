package workerfx

import (
	"math"
	"time"

	"github.com/workerfx/workerfx/internal/lifecycle"
)

// record is what a replica shows of itself, beside its machine. A process may have a hundred thousand of them, so it
// holds only what every replica has.
type record struct {
	run        *run      // the current run, else the last one; nil before the first
	maxEvents  int       // how many are kept
	startedAt  time.Time // of the current run, else of the last one
	finishedAt instant   // of the last run; none while one is under way
	succeeded  instant   // when a run last did
	history    *history  // nil until there is something to tell
	unwritten  runEvents // events of the last run that are not in the history yet
}

// history is what there is to tell of a replica that has done more than start and stop.
type history struct {
	err     error   // the last failure; nil after a success
	errText string  // its text: to ask the error again would be to call the user's code
	failing instant // when the first failure after the last success came

	panics  int64
	stuck   *stuck  // nil unless the run is
	heldBy  string  // what the replica waits for before its next run, beside time
	waiting instant // when it began to wait for its first run; none if it did not

	jobs *jobCounts // nil unless the body handles many jobs in one run

	good, bad *histogram // how long runs took that ended by themselves

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

// runEvents are the two events that every run has. They wait here, without a time and a text of their
// own, until another event comes: most workers run once and then need no ring at all.
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

// failure tells of the last failure, and since when runs fail.
func (rec *record) failure(t Trouble) Problem {
	h := rec.history
	if h == nil {
		return Problem{Trouble: t}
	}
	return Problem{Trouble: t, Since: h.failing.time(), Err: h.err, text: h.errText}
}

// recordStep writes down what the replica does until its next run. before is the status that it had.
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
	}
	recordHold(r, step.HeldBy, predecessor, now)
}

// recordHold writes down what keeps the replica from its next run.
func recordHold(r *replica, by lifecycle.HeldBy, predecessor *entry, now time.Time) {
	text := ""
	switch by {
	case lifecycle.Group:
		text = "its group"
	case lifecycle.Predecessor:
		text = predecessor.name
		if r.lost == predecessor {
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

// begin writes down that a run began.
func (rec *record) begin(run *run, begin lifecycle.Start, now time.Time) {
	switch {
	case begin.Restarted:
		rec.note(eventRestarted, "", now)
	case begin.Triggered:
		rec.note(eventTriggered, "", now)
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
}

// end writes down how a run ended.
func (rec *record) end(o outcome, v lifecycle.Verdict, ran time.Duration, now time.Time) {
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
	if !v.Asked && v.Outcome != lifecycle.Skipped { // one that was asked to stop only tells how long the app was up
		rec.needHistory().observe(v.Outcome.IsGood(), ran, rec.run.replica.pool.buckets)
	}
}

// wait writes down that the replica waits for its next attempt.
func (rec *record) wait(pause time.Duration, now time.Time) {
	if pause > 0 {
		rec.note(eventWaiting, pause.String(), now)
	}
}

// fail writes down an error that no run returned.
func (rec *record) fail(err error, text string, now time.Time) {
	h := rec.needHistory()
	if h.err == nil {
		h.failing = instantOf(now)
	}
	rec.writeEvents()
	h.err, h.errText = err, text
	rec.note(eventFailed, text, now)
}

// note adds an event.
func (rec *record) note(kind eventKind, text string, now time.Time) {
	rec.writeEvents()
	rec.needHistory().events.add(event{kind: kind, id: rec.runID(), text: text, at: instantOf(now)})
}

// writeEvents puts the events of the last run into the history.
func (rec *record) writeEvents() {
	begin, end := rec.runEvents()
	ring := &rec.needHistory().events
	ring.add(begin)
	ring.add(end)
	rec.unwritten = runEvents{}
}

// runEvents returns the run's events that are not in the history yet; those that are have no kind.
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
		rec.history = &history{events: eventRing{limit: rec.maxEvents}}
	}
	return rec.history
}

func (rec *record) runID() string {
	if rec.run == nil {
		return ""
	}
	return rec.run.id
}

// beginWait writes down that the wait for the first run begins, unless it has.
func (h *history) beginWait(now time.Time) {
	if h.waiting == 0 {
		h.waiting = instantOf(now)
	}
}

// failed counts a failed run.
func (h *history) failed(o outcome, now time.Time) {
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
