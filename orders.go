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
	held      bool // no run may begin until the one of its team does that failed
	anew      bool // since then none has
	disbanded bool // one of its team failed for good: its goroutine is to end
	lookAgain bool // something it waits for changed
}

// forbid tells whether no run may begin now.
func (o *orders) forbid() bool {
	return o.stopping || o.retired || o.disbanded || o.paused || o.held
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

// lookAgain makes a replica that waits for others look at them anew.
func (s *supervisor) lookAgain() {
	s.order(func(o *orders) { o.lookAgain = true })
}

// lookBefore makes the replica look anew at those that it comes after, unless it has got past them, or will look.
func (s *supervisor) lookBefore() {
	s.mu.Lock()
	entering := s.entering
	s.mu.Unlock()
	if entering {
		s.lookAgain()
	}
}

// hold makes the replica wait for another one of its team, and returns the run that is under way, or nil.
func (s *supervisor) hold() *runContext {
	return s.order(func(o *orders) { o.held, o.anew = !s.gone, !s.gone })
}

// disband lets no run begin any more until somebody restarts the replica, and returns the one that is
// under way, or nil.
func (s *supervisor) disband() *runContext {
	return s.order(func(o *orders) { o.disbanded, o.held = !s.gone, false })
}

func (s *supervisor) isStopping() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.orders.stopping
}

func (s *supervisor) isHeld() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.orders.held
}

// retire lets no run begin any more, and returns the one that is under way, or nil.
func (s *supervisor) retire() *runContext {
	return s.order(func(o *orders) { o.retired = true })
}

// restart ends the replica's run and makes it begin another. It returns a channel that is closed once
// the run is over, or nil if none is under way. alive is false if there is no goroutine that could. A replica
// that was scaled down begins no other, and is let finish.
func (s *supervisor) restart() (over <-chan struct{}, alive bool) {
	leaving := false
	run := s.order(func(o *orders) {
		alive, leaving = !s.gone, o.retired
		if !alive || leaving {
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
	if run != nil && !leaving {
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

// timeToStop is how long the jobs of a run that was asked to end may go on, a little less than others wait
// for it. If the pool stops, and the worker has no stop timeout, it is the pool that bounds it.
func (s *supervisor) timeToStop() (d time.Duration, bounded bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.stopTimeout == 0 && s.pool.halting.Load():
		return 0, false
	case s.stopTimeout == 0:
		d = s.pool.stopTimeout()
		return d - short(d), true
	case s.orders.stopping:
		return s.stopTimeLeft(time.Now()) - short(s.stopTimeout), true
	}
	return s.stopTimeout - short(s.stopTimeout), true
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

// prospects tells whether the replica has a goroutine and is to keep it, or is done, and well.
func (s *supervisor) prospects() (goesOn, succeeded bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.gone && !s.orders.retired, s.gone && !s.orders.retired && s.report.status == StatusSuccess
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

func (s *supervisor) isRunning() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.report.status == StatusRunning
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
