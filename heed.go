package workerfx

import "time"

// hold is what keeps a waiting replica.
type hold uint8

const (
	goOn      hold = iota // nothing
	unsure                // it has to look again at what it comes after
	resumed               // nothing any more, since a pause ended or others are ready
	released              // nothing any more, since the one of its team runs again that failed
	leave                 // nothing will make it run again
	desperate             // another one of its team, which does not stop
	stay                  // the time, or somebody who has to ask: its timer tells
)

// heed looks at the orders of a replica that waits until due, and returns what keeps it.
func (s *supervisor) heed(next step, due time.Time) hold {
	before := s.holdup() // these two look at other replicas: not under the lock
	peer, patience := s.team().busy(s)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heedHalt()
	if h := s.isBack(next, before); h != stay {
		return h
	}
	if h := s.heedBan(); h != goOn {
		return h
	}
	switch o := &s.orders; {
	case o.stopping:
		return goOn // to be refused and concluded like any other
	case o.lookAgain:
		o.lookAgain = false
		return unsure
	case peer != nil && !s.now.Before(patience):
		return desperate
	case peer != nil:
		s.setTimer(patience.Sub(s.now))
		return stay
	case before != nil: // whatever else was asked for has to wait, too
		s.reportHoldup(before, s.now)
		s.setTimer(never)
		return stay
	case o.restarted:
		o.restarted = false
		s.history = history{}
		s.note(eventRestarted, "", s.now)
		return goOn
	case o.triggered:
		o.triggered = false
		s.note(eventTriggered, "", s.now)
		return goOn
	}
	return s.heedTime(next, due)
}

// heedTime tells whether the time has come. s.mu is held.
func (s *supervisor) heedTime(next step, due time.Time) hold {
	if s.now.Before(due) {
		s.setTimer(due.Sub(s.now))
		return stay
	}
	if next.tick {
		s.ticker.last = s.ticker.upcoming
	}
	return goOn
}

// heedBan returns what keeps the replica if no run may begin now, other than because of a stop. s.mu is held.
func (s *supervisor) heedBan() hold {
	switch o := &s.orders; {
	case o.stopping:
		return goOn
	case o.retired:
		s.reportPause(s.now)
		return leave
	case o.disbanded:
		s.reportStop(s.now)
		return leave
	case o.paused:
		s.reportPause(s.now)
	case o.held:
		s.waits = true
		s.reportHeld(s.now)
	default:
		return goOn
	}
	s.setTimer(never)
	return stay
}

// isBack tells whether what kept the replica has just gone, and was not time: else it has to stay. s.mu is held.
func (s *supervisor) isBack(next step, before *member) (h hold) {
	h = resumed
	switch r := &s.report; {
	case s.orders.forbid():
		return stay
	case r.status == StatusPaused:
		s.note(eventResumed, "", s.now)
	case s.waits:
		h = released
		s.waits = false
		s.orders.anew = !next.tick
		s.entering = len(s.predecessors()) > 0
	case r.status == StatusPending && s.entering && before == nil:
	default:
		return stay
	}
	s.report.status = next.status
	if s.report.past != nil {
		s.report.past.holdup = ""
	}
	return h
}

// conclude notes that the current run is over, and tells whether it was asked to be: for good, or only
// to make room for something else.
func (s *supervisor) conclude(last outcome) (asked, forGood bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	if s.turn != nil {
		close(s.turn)
		s.turn = nil
	}
	o := &s.orders
	s.heedHalt()
	forGood = o.stopping
	asked = forGood || o.retired || o.restarted || o.held || o.disbanded || s.report.run.wasAsked(last.kind)
	if o.restarted && !forGood {
		o.restarted = false
		s.history = history{}
	}
	return asked, forGood
}

// departure is how a replica's goroutine ended.
type departure struct {
	byItself bool // nobody asked for it
	givenUp  bool // and nobody waits for it
	retired  bool // scaled down
	failure  Problem
	run      *runContext // the last one; nil if there was none
}

// leave ends the replica's goroutine, unless something was asked for meanwhile that needs it.
func (s *supervisor) leave() (d departure, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := &s.orders
	anew := o.restarted && !o.stopping
	if anew {
		o.restarted = false
		s.renew()
	}
	if anew || s.report.status == StatusPaused && (o.stopping || !o.retired) {
		return d, false
	}
	if s.timer != nil {
		s.timer.Stop()
	}
	if s.report.status == StatusError {
		s.pool.readiness.setbacks.Add(1)
	}
	s.gone = true // from here on another goroutine may take over
	if s.done != nil {
		close(s.done)
	}
	return departure{
		byItself: !o.stopping && !o.retired, givenUp: o.givenUp, retired: o.retired && !o.stopping,
		failure: s.report.failure(TroubleFailed), run: s.report.run,
	}, true
}

// depart tells others that the replica's goroutine is done, even if the log sink ends it. The replica may
// have another one by now.
func (s *supervisor) depart(d departure) {
	defer s.pool.left(s, d.givenUp, d.retired)
	defer s.team().release(d.run) // of this life: it may have another one by now
	if d.byItself && s.essential {
		defer s.pool.essentialDone(s.member, d.failure)
	}
	d.run.abandon(d.retired)
}

// heedHalt asks the replica to stop if the pool is stopping and has not come round to it yet. s.mu is held.
func (s *supervisor) heedHalt() {
	if !s.orders.stopping && s.pool.halting.Load() {
		s.orders.stopping, s.stopAt = true, instantOf(time.Now())
	}
}

// renew makes a replica that was done ready to run again. s.mu is held.
func (s *supervisor) renew() {
	s.history = history{}
	s.orders.disbanded, s.orders.held = false, false
	s.report.status, s.report.nextRunAt = StatusPending, 0
}
