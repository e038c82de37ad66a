package workerfx

import "time"

// reportStart notes that a run began.
func (s *supervisor) reportStart(run *runContext, now time.Time) {
	r := &s.report
	if r.run != nil {
		s.settle()
	}
	r.run, r.status = run, StatusRunning
	r.startedAt, r.finishedAt, r.nextRunAt = now, 0, 0
	r.unnoted.begin = eventStarted
	r.runs++
	if s.again && run.attempt > 1 {
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

// reportHeld notes that the replica waits for another one of its team.
func (s *supervisor) reportHeld(now time.Time) {
	s.report.status, s.report.nextRunAt = StatusWaiting, 0
	if s.report.past == nil || s.report.past.holdup != heldByTeam {
		s.note(eventHeldUp, heldByTeam, now)
		s.report.past.holdup = heldByTeam
	}
}

const heldByTeam = "its group"

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

// reportStuck notes that the run is stuck, or why else if that is known, unless it is over.
func (c *runContext) reportStuck(since time.Time, err error, known bool) {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if c.isCurrent() {
		if !known {
			c.s.note(eventStuck, err.Error(), time.Now())
		}
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
	if s.lostTo() == before {
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
