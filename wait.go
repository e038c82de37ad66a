package workerfx

import "time"

// wait lets the time until the next step pass. It returns false if there is none. What others ask for
// ends the wait, or makes it longer.
func (s *supervisor) wait(next step) bool {
	switch {
	case next.done:
		return false
	case next.pause <= 0 && !next.held:
		s.atOnce = true
		return true
	}
	if next.status == StatusPending || next.status == StatusDeferred && next.pause == 0 {
		next.status = StatusWaiting
	}
	due := s.due(next)
	for {
		wake, hold := s.heed(next, due)
		var alarm <-chan time.Time
		switch hold {
		case goOn:
			return true
		case leave:
			return false
		case resumed:
			if next.tick { // those that came meanwhile were missed
				next.pause = 0
				next = s.untilTick(next, time.Now())
				due = s.due(next)
			}
			if s.reportResumed(next, due); next.done {
				return false
			}
			continue
		case untilDue:
			alarm = s.alarm(due)
		}
		select {
		case <-alarm:
		case <-wake:
		}
	}
}

// due is when a step's pause is over.
func (s *supervisor) due(next step) time.Time {
	due := time.Now().Add(next.pause)
	if s.followsWallClock() {
		due = due.Round(0) // without its monotonic reading it is compared by the wall clock
	}
	return due
}

// longestSleep bounds how late a schedule that follows the wall clock sees that the clock was set.
const longestSleep = 5 * time.Minute

// alarm returns a channel that tells when due has come, or earlier: wait looks again.
func (s *supervisor) alarm(due time.Time) <-chan time.Time {
	d := time.Until(due)
	if s.followsWallClock() {
		d = min(d, longestSleep)
	}
	if s.timer == nil {
		s.timer = time.NewTimer(d)
	} else {
		s.timer.Reset(d)
	}
	return s.timer.C
}

func (s *supervisor) followsWallClock() bool {
	_, onGrid := s.schedule.(interval)
	return s.schedule != nil && !onGrid
}
