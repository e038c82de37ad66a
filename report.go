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

// started notes that a run began.
func (s *supervisor) reportStart(run *runContext, now time.Time) {
	r := &s.report
	if r.run != nil {
		s.settle()
	}
	r.run, r.status = run, StatusRunning
	r.startedAt, r.finishedAt, r.nextRunAt = now, 0, 0
	r.unnoted.begin = eventStarted
	r.runs++
	if run.attempt > 1 {
		s.past().restarts++
	}
}

// reportEnd notes how a run ended and what follows.
func (s *supervisor) reportEnd(o outcome, next step, ran time.Duration, now time.Time, asked bool) {
	r := &s.report
	r.status, r.finishedAt = next.status, instantOf(now)
	switch {
	case next.status == StatusStopped:
		r.unnoted.end = eventStopped
	case o.kind == skipped:
		r.unnoted.end = eventSkipped
	case o.isGood():
		r.unnoted.end = eventSucceeded
		r.successes++
		r.succeeded = instantOf(now)
		if r.past != nil {
			r.past.err, r.past.errText = nil, ""
		}
	default:
		r.unnoted.end = eventFailed
		s.past().failed(o, now)
	}
	if r.past != nil {
		r.past.stuck = nil
	}
	if !asked && o.kind != skipped {
		s.past().observe(o, ran, s.pool.buckets)
	}
	if next.retry && next.pause > 0 {
		s.note(eventWaiting, next.pause.String(), now)
	}
	s.reportNext(next, now)
}

// reportFirst notes what a replica does before its first run.
func (s *supervisor) reportFirst(next step, now time.Time) {
	s.report.status = next.status
	if s.deferredStart > 0 && !next.done {
		s.report.status = StatusDeferred
		s.note(eventDeferred, s.deferredStart.String(), now)
		s.past().wait(now)
	}
	s.reportNext(next, now)
}

// reportResumed notes what a replica does after a pause.
func (s *supervisor) reportResumed(next step, due time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.report.status = next.status
	s.reportNext(next, s.now)
	if s.report.nextRunAt = 0; !next.done && due.After(s.now) {
		s.report.nextRunAt = instantOf(due)
	}
}

// reportNext notes what the step after a run says beside its status.
func (s *supervisor) reportNext(next step, now time.Time) {
	if next.pause > 0 {
		s.report.nextRunAt = instantOf(now.Add(next.pause))
	}
	if next.missed > 0 {
		s.past().missed += next.missed
	}
	if next.err != nil {
		if s.past().err == nil {
			s.past().failing = instantOf(now)
		}
		s.past().err, s.past().errText = next.err, next.err.Error()
		s.note(eventFailed, next.err.Error(), now)
	}
}

// reportStop notes that the replica was asked to stop while no run was under way.
func (s *supervisor) reportStop(now time.Time) {
	s.report.status, s.report.nextRunAt = StatusStopped, 0
	s.note(eventStopped, "", now)
}

// reportPause notes that the replica waits for somebody.
func (s *supervisor) reportPause(now time.Time) {
	if s.report.status != StatusPaused {
		s.report.status, s.report.nextRunAt = StatusPaused, 0
		s.note(eventPaused, "", now)
	}
}

// note adds an event of a run from within it. It is dropped if the run is over.
func (c *runContext) note(kind eventKind, text string) {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if c.isCurrent() {
		c.s.note(kind, text, time.Now())
	}
}

// isCurrent tells whether the run goes on. s.mu is held.
func (c *runContext) isCurrent() bool {
	return c.s.report.run == c && c.s.report.status == StatusRunning && !c.s.over
}

// reportStuck notes that the run is stuck, unless it is over.
func (c *runContext) reportStuck(since time.Time, err error) {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if c.isCurrent() {
		c.s.note(eventStuck, err.Error(), time.Now())
		c.s.past().stuck = &stuck{since: instantOf(since), err: err}
	}
}

// reportRecovered notes that the run is not stuck any more.
func (c *runContext) reportRecovered() {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if c.isCurrent() {
		c.s.note(eventRecovered, "", time.Now())
		c.s.past().stuck = nil
	}
}

// reportHoldup notes that the replica waits for another worker to be ready.
func (s *supervisor) reportHoldup(before *member, now time.Time) {
	text := before.name
	if s.lostTo == before {
		text += ", which failed"
	}
	r := &s.report
	if r.status != StatusPending || r.past == nil || r.past.holdup != text {
		r.status, r.nextRunAt = StatusPending, 0
		s.note(eventHeldUp, text, now)
		r.past.holdup = text
		r.past.wait(now)
	}
}

// note adds an event.
func (s *supervisor) note(kind eventKind, text string, now time.Time) {
	s.settle()
	s.past().events.add(event{kind: kind, id: s.report.runID(), text: text, at: instantOf(now)})
}

// settle puts the events of the last run where the others are.
func (s *supervisor) settle() {
	begin, end := s.report.pending()
	ring := &s.past().events
	ring.add(begin)
	ring.add(end)
	s.report.unnoted = runEvents{}
}

// past returns the part of the report that not every replica needs, and makes it if need be.
func (s *supervisor) past() *past {
	if s.report.past == nil {
		s.report.past = &past{events: eventRing{limit: s.events}}
	}
	return s.report.past
}

// jobCounts returns where the jobs of the replica's body are counted.
func (s *supervisor) jobCounts() *jobCounts {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.past()
	if p.jobs == nil {
		p.jobs = new(jobCounts)
	}
	return p.jobs
}

// wait notes that the wait for the first run begins, unless it has.
func (p *past) wait(now time.Time) {
	if p.waiting == 0 {
		p.waiting = instantOf(now)
	}
}

// failed counts a failed run.
func (p *past) failed(o outcome, now time.Time) {
	p.failures++
	if p.err == nil {
		p.failing = instantOf(now)
	}
	if o.panicked {
		p.panics++
	}
	p.err, p.errText = o.err, o.text
}

// observe counts how long a run took that ended by itself: one that was asked to stop would only tell
// how long the app was up.
func (p *past) observe(o outcome, ran time.Duration, buckets []time.Duration) {
	if o.isGood() {
		p.ranWell = p.ranWell.observe(ran, buckets)
	} else {
		p.ranBadly = p.ranBadly.observe(ran, buckets)
	}
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

// failure is the last failure and its text, and when the first of those in a row came; nil if the last
// run succeeded.
func (r *report) failure() (text string, since time.Time, err error) {
	if r.past == nil || r.past.err == nil {
		return "", time.Time{}, nil
	}
	return r.past.errText, r.past.failing.time(), r.past.err
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
