package workerfx

import "time"

// orders are what others ask of a replica. They are carried out by its supervisor's goroutine: at once
// while it waits, after its run where one is under way.
type orders struct {
	stopping  bool // for good: no run may begin any more
	givenUp   bool // and it outlasted its stop timeout: the pool no longer waits for it
	paused    bool // no run may begin until it is resumed
	retired   bool // scaled down: its goroutine is to end
	restarted bool // the run is to end, and another to begin with no failures behind it
	triggered bool // the wait is to end
	lookAgain bool // something it waits for changed
}

// forbid tells whether no run may begin now.
func (o *orders) forbid() bool { return o.stopping || o.paused || o.retired }

// hold is what keeps a waiting replica.
type hold uint8

const (
	goOn    hold = iota // nothing
	unsure              // it has to look again at what it comes after
	resumed             // nothing any more, since a pause ended or those are ready that it comes after
	leave               // nothing will make it run again
	stay                // the time, or somebody who has to ask: its timer tells
)

// heed looks at the orders of a replica that waits until due, and returns what keeps it.
func (s *supervisor) heed(next step, due time.Time) hold {
	before := s.holdup() // looks at other replicas: not under the lock
	now := s.now
	s.mu.Lock()
	defer s.mu.Unlock()
	o := &s.orders
	s.heedHalt()
	if s.report.status == StatusPaused && !o.forbid() {
		s.report.status = next.status
		s.note(eventResumed, "", now)
		return resumed
	}
	switch {
	case o.stopping:
		return goOn // to be refused and concluded like any other
	case o.forbid():
		return s.heedPause(now)
	case o.lookAgain:
		o.lookAgain = false
		return unsure
	case before != nil: // whatever else was asked for has to wait, too
		s.reportHoldup(before, now)
		s.setTimer(never)
		return stay
	case o.restarted:
		s.heedRestart(now)
		return goOn
	case s.entering && s.report.status == StatusPending:
		s.report.status = next.status
		return resumed
	case o.triggered:
		o.triggered = false
		s.note(eventTriggered, "", now)
		return goOn
	case !now.Before(due):
		if next.tick {
			s.ticker.last = s.ticker.upcoming
		}
		return goOn
	}
	s.setTimer(due.Sub(now))
	return stay
}

// heedPause makes the replica wait, or leave if it was scaled down. s.mu is held.
func (s *supervisor) heedPause(now time.Time) hold {
	s.reportPause(now)
	if s.orders.retired {
		return leave
	}
	s.setTimer(never)
	return stay
}

// heedRestart makes the replica's next run one with no failures behind it. s.mu is held.
func (s *supervisor) heedRestart(now time.Time) {
	s.orders.restarted = false
	s.history = history{}
	s.note(eventRestarted, "", now)
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
	asked = forGood || o.retired || o.restarted || s.report.run.wasAsked(last.kind)
	if o.restarted && !forGood {
		o.restarted = false
		s.history = history{}
	}
	return asked, forGood
}

// leave ends the replica's goroutine, unless something was asked for meanwhile that needs it.
func (s *supervisor) leave() bool {
	s.mu.Lock()
	o := &s.orders
	anew := o.restarted && !o.stopping
	if anew {
		o.restarted = false
		s.renew()
	}
	if anew || s.report.status == StatusPaused && (o.stopping || !o.retired) {
		s.mu.Unlock()
		return false
	}
	if s.timer != nil {
		s.timer.Stop()
	}
	byItself, givenUp, retired := !o.stopping && !o.retired, o.givenUp, o.retired && !o.stopping
	failure := s.report.lastFailure()
	if s.report.status == StatusError {
		s.pool.readiness.setbacks.Add(1)
	}
	s.gone = true // from here on another goroutine may take over
	if s.done != nil {
		close(s.done)
	}
	s.mu.Unlock()
	if byItself && s.essential {
		s.pool.essentialDone(s.member, failure)
	}
	s.pool.left(s, givenUp, retired)
	return true
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
	s.report.status, s.report.nextRunAt = StatusPending, 0
}

// order changes what is asked of the replica, by change, and makes its goroutine look at it. It returns
// the run that is under way, or nil.
func (s *supervisor) order(change func(*orders)) *runContext {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.orders)
	if s.report.status == StatusRunning {
		return s.report.run
	}
	if s.timer != nil {
		s.timer.Reset(0)
	}
	return nil
}

// requestStop asks the replica to stop: its run is to finish, or its wait ends, and no run begins
// any more.
func (s *supervisor) requestStop(b budget) {
	run := s.order(func(o *orders) {
		if !o.stopping {
			o.stopping, s.stopAt = true, instantOf(b.from)
		}
	})
	if run != nil {
		run.finish(b.grace(s.stopTimeout))
	}
}

// pause makes the replica wait once its run is over; a body that handles many jobs ends after one.
func (s *supervisor) pause() {
	if run := s.order(func(o *orders) { o.paused = true }); run != nil {
		run.drain()
	}
}

func (s *supervisor) unpause() { s.order(func(o *orders) { o.paused = false }) }

// trigger ends the replica's wait, and tells whether it will run for it.
func (s *supervisor) trigger() (ok bool) {
	s.order(func(o *orders) {
		switch s.report.status {
		case StatusWaiting, StatusDeferred:
			ok = !o.forbid()
		case StatusRunning:
			ok = !o.forbid() && s.schedule != nil
		}
		o.triggered = o.triggered || ok
	})
	return ok
}

// lookAgain makes a replica that has not begun look anew at those that it comes after.
func (s *supervisor) lookAgain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.entering { // or not yet: then it will look
		return
	}
	s.orders.lookAgain = true
	if s.timer != nil {
		s.timer.Reset(0)
	}
}

// retire lets no run begin any more, and returns the one that is under way, or nil.
func (s *supervisor) retire() *runContext {
	return s.order(func(o *orders) { o.retired = true })
}

// restart ends the replica's run and makes it begin another. It returns a channel that is closed once
// the run is over, or nil if none is under way. alive is false if there is no goroutine that could.
func (s *supervisor) restart() (over <-chan struct{}, alive bool) {
	run := s.order(func(o *orders) {
		if alive = !s.gone; !alive {
			return
		}
		o.restarted = true
		if s.report.status == StatusRunning && !s.over {
			if s.turn == nil {
				s.turn = make(chan struct{})
			}
			over = s.turn
		}
	})
	if run != nil {
		run.stop()
	}
	return over, alive
}

// ended returns a channel that is closed once the replica's goroutine is done.
func (s *supervisor) ended() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done == nil {
		s.done = make(chan struct{})
		if s.gone {
			close(s.done)
		}
	}
	return s.done
}

// giveUp stops counting on the replica if its own stop timeout has passed. Otherwise it returns how much
// of it is left, or 0 if there is nothing to wait for.
func (s *supervisor) giveUp(now time.Time) (left time.Duration, gaveUp bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone || s.orders.givenUp {
		return 0, false
	}
	if !s.orders.stopping { // somebody is about to ask it
		return s.stopTimeout, false
	}
	if left = s.stopTimeLeft(now); left > 0 {
		return left, false
	}
	s.orders.givenUp = true
	return 0, true
}

// timeToStop is how long a replica with a stop timeout still has to stop: all of it if the stop is not for good.
func (s *supervisor) timeToStop() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.orders.stopping {
		return s.stopTimeout
	}
	return s.stopTimeLeft(time.Now())
}

// stopTimeLeft is how much of the stop timeout of a replica that was asked to stop is left. s.mu is held.
func (s *supervisor) stopTimeLeft(now time.Time) time.Duration {
	return s.stopAt.time().Add(s.stopTimeout).Sub(now)
}

// unretire takes a retirement back, and tells whether the replica needs a goroutine for it.
func (s *supervisor) unretire() (needsGoroutine bool) {
	s.order(func(o *orders) {
		needsGoroutine = o.retired && s.gone && !o.stopping
		o.retired = false
		if needsGoroutine {
			s.riseAgain()
		}
	})
	return needsGoroutine
}

// riseAgain makes a replica that is gone ready for a new goroutine. s.mu is held.
func (s *supervisor) riseAgain() {
	s.gone, s.done = false, nil
	s.renew()
}

// renewIfGone makes a replica ready for a new goroutine if its last one is done.
func (s *supervisor) renewIfGone() (renewed bool) {
	s.order(func(o *orders) {
		if renewed = s.gone && !o.stopping && !o.retired; renewed {
			s.riseAgain()
		}
	})
	return renewed
}

// isDoneByItself tells whether nothing but its own end ended the replica's goroutine, or it does not count.
func (s *supervisor) isDoneByItself() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.orders.retired || s.gone && !s.orders.stopping
}

// isOver tells whether the replica is gone, or nobody waits for it any more.
func (s *supervisor) isOver() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.gone || s.orders.givenUp
}

func (s *supervisor) isGone() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.gone
}

// straggles tells whether the replica was asked to stop and has not.
func (s *supervisor) straggles() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return (s.orders.stopping || s.orders.retired) && !s.gone
}

func (s *supervisor) runID() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.report.runID()
}
