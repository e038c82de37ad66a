package workerfx

import (
	"errors"
	"fmt"
	"time"
)

// backoffAfter asks the worker's backoff, which is the user's code.
func (s *supervisor) backoffAfter(failures int) (pause time.Duration) {
	if s.backoffBroken {
		return ExponentialBackoff{}.Duration(failures)
	}
	s.backoffBroken = true
	defer func() {
		if s.backoffBroken {
			s.pool.journal.brokenHook(s, "backoff", recover())
			pause = ExponentialBackoff{}.Duration(failures)
		}
	}()
	pause = s.backoff.Duration(failures)
	if pause < 0 {
		panic(fmt.Sprintf("returned %v", pause))
	}
	s.backoffBroken = false
	return pause
}

// giveHookUp concludes a run after which a hook ended the goroutine, and does without the hook.
func (s *supervisor) giveHookUp(last outcome) step {
	next := step{status: StatusWaiting, retry: true, pause: ExponentialBackoff{}.Duration(max(1, s.history.failures))}
	if s.scheduleBroken {
		next = step{status: StatusError, done: true}
	}
	s.now = time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = false
	s.reportEnd(last, next, s.now.Sub(s.report.startedAt), s.now, s.orders.stopping)
	return next
}

// untilTick makes next a wait for the first tick after now. A schedule without one ends the worker; so
// does, as an error, one that is broken.
func (s *supervisor) untilTick(next step, now time.Time) step {
	due, missed, err := s.askSchedule(now)
	switch {
	case err != nil:
		return step{status: StatusError, done: true, err: err}
	case due.IsZero():
		return step{status: StatusSuccess, done: true, missed: missed}
	}
	next.missed = missed
	next.pause = max(next.pause, due.Sub(now))
	return next
}

// askSchedule asks the worker's schedule, which may be the user's code, when the next run is due.
func (s *supervisor) askSchedule(now time.Time) (due time.Time, missed int64, err error) {
	if s.scheduleBroken {
		return due, 0, errBrokenSchedule
	}
	s.scheduleBroken = true
	defer func() {
		if s.scheduleBroken {
			s.pool.journal.brokenHook(s, "schedule", recover())
			err = errBrokenSchedule
		}
	}()
	if s.ticker == nil {
		s.ticker = &ticker{origin: now}
	}
	tick, missed := s.ticker.next(s.schedule, now)
	s.ticker.upcoming = tick
	due = jittered(tick, s.schedule, s.jitter)
	s.scheduleBroken = false
	return due, missed, nil
}

var errBrokenSchedule = errors.New("schedule is broken")
