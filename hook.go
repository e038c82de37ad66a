package workerfx

import (
	"errors"
	"fmt"
	"time"
)

// backoffAfter asks the worker's backoff, which is the user's code.
func (s *supervisor) backoffAfter(failures int) (pause time.Duration) {
	if s.hookBroken {
		return ExponentialBackoff{}.Duration(failures)
	}
	s.hookBroken = true
	defer func() {
		if s.hookBroken {
			s.pool.journal.brokenHook(s, "backoff", recover())
			pause = ExponentialBackoff{}.Duration(failures)
		}
	}()
	pause = s.backoff.Duration(failures)
	if pause < 0 {
		panic(fmt.Sprintf("returned %v", pause))
	}
	s.hookBroken = false
	return pause
}

// untilTick makes next a wait for the first tick after now. A schedule without one ends the worker; so
// does, as an error, one that is broken.
func (s *supervisor) untilTick(next step, now time.Time) step {
	tick, missed, err := s.askSchedule(now)
	switch {
	case err != nil:
		return step{status: StatusError, done: true, err: err}
	case tick.IsZero():
		return step{status: StatusSuccess, done: true, missed: missed}
	}
	next.missed = missed
	next.pause = max(next.pause, jittered(tick, s.schedule, s.jitter).Sub(now))
	return next
}

// askSchedule asks the worker's schedule, which may be the user's code.
func (s *supervisor) askSchedule(now time.Time) (tick time.Time, missed int64, err error) {
	if s.hookBroken {
		return tick, 0, errBrokenSchedule
	}
	s.hookBroken = true
	defer func() {
		if s.hookBroken {
			s.pool.journal.brokenHook(s, "schedule", recover())
			err = errBrokenSchedule
		}
	}()
	if s.ticker == nil {
		s.ticker = &ticker{origin: now}
	}
	tick, missed = s.ticker.next(s.schedule, now)
	s.ticker.last = tick
	s.hookBroken = false
	return tick, missed, nil
}

var errBrokenSchedule = errors.New("schedule is broken")
