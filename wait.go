package workerfx

import "time"

// wait lets the time until the next step pass. It returns false if there is none. What others ask for
// ends the wait, or makes it longer.
func (s *supervisor) wait(next step) bool {
	switch {
	case next.done:
		return false
	case next.pause <= 0 && !next.held:
		return true
	}
	switch {
	case next.status == StatusPending, next.status == StatusPaused, next.status == StatusDeferred && next.pause == 0:
		next.status = StatusWaiting // once nothing else keeps it
	}
	due, told := s.due(next), news{}
	for {
		switch h := s.heed(next, due); h {
		case goOn:
			if !s.regroup() {
				return true
			}
			due = s.now
		case leave:
			return false
		case desperate:
			if s.escalate() {
				return false
			}
		case resumed, released:
			told = news{}
			if next, due = s.comeBack(h, next, due); next.done {
				return false
			}
		case unsure:
		case stay:
			told = s.tell(told)
			<-s.timer.C
			s.now = time.Now()
		}
	}
}

// comeBack returns the step of a replica that may go on, and when it is due now.
func (s *supervisor) comeBack(h hold, next step, due time.Time) (step, time.Time) {
	switch {
	case next.tick: // those that came meanwhile were missed
		next.pause = 0
		next = s.untilTick(next, s.now)
		due = s.due(next)
	case h == released && next.retry && !s.team().isLeader(s): // it failed, too, and begins anew with the others
		next.pause, due = 0, s.now
	}
	s.reportResumed(next, due)
	return next, due
}

// news is what others may want to know of a replica that waits.
type news struct {
	any    bool
	status Status
	lostTo *member
}

// tell tells the others if there is something new since told: two that told each other each time would never sleep.
func (s *supervisor) tell(told news) news {
	now := news{any: true, status: s.report.status, lostTo: s.lostTo()}
	if now != told {
		s.changed()
	}
	return now
}

// due is when a step's pause is over.
func (s *supervisor) due(next step) time.Time {
	due := s.now.Add(next.pause)
	if s.followsWallClock() {
		due = due.Round(0) // without its monotonic reading it is compared by the wall clock
	}
	return due
}

// longestSleep bounds how late a schedule that follows the wall clock sees that the clock was set.
const longestSleep = 5 * time.Minute

// never is a time that only an order ends.
const never = time.Duration(-1)

// setTimer makes the timer tell when d is over, or earlier: wait looks again. s.mu is held.
func (s *supervisor) setTimer(d time.Duration) {
	if s.followsWallClock() {
		d = min(d, longestSleep)
	}
	switch {
	case s.timer == nil:
		s.timer = time.NewTimer(max(d, 0))
	case d != never:
		s.timer.Reset(d)
	}
	if d == never {
		s.timer.Stop()
	}
}

func (s *supervisor) followsWallClock() bool {
	_, onGrid := s.schedule.(interval)
	return s.schedule != nil && !onGrid
}
