package workerfx

import (
	"errors"
	"fmt"
	"time"

	"github.com/workerfx/workerfx/internal/lifecycle"
)

// hook is a set of user code that a replica calls between its runs.
type hook uint8

const (
	hookBackoff hook = 1 << iota
	hookSchedule
)

// callHook calls user code. It is not ok if the code panics, or if an earlier call panicked or ended the goroutine:
// then the code is not called again.
func callHook(r *replica, h hook, name string, call func()) (ok bool) {
	if r.calling&h != 0 {
		r.calling &^= h
		r.broken |= h
		r.pool.log.brokenHook(r, name, nil)
	}
	if r.broken&h != 0 {
		return false
	}
	r.calling |= h
	defer func() {
		if !ok {
			if value := recover(); value != nil {
				r.calling &^= h
				r.broken |= h
				r.pool.log.brokenHook(r, name, value)
			}
		}
	}()
	call()
	r.calling &^= h
	return true
}

// answer is the answer of a backoff or a schedule.
type answer struct {
	pause time.Duration  // of the backoff
	tick  lifecycle.Tick // of the schedule; zero if there is no tick any more
	err   error          // the schedule is broken
}

// builtInAnswer answers a question that needs no user code. ok is false for others.
func builtInAnswer(s *settings, q *lifecycle.Question, a *answer) (ok bool) {
	if q.Failures == 0 {
		if _, ok = s.schedule.(interval); ok {
			nextTick(s.schedule, s.jitter, q, &a.tick)
		}
		return ok
	}
	switch s.backoff.(type) {
	case StaticBackoff, ExponentialBackoff:
		a.pause = s.backoff.Duration(q.Failures)
		return true
	}
	return false
}

// usersAnswer asks the backoff or the schedule of the user. The default backoff replaces a broken one.
func usersAnswer(r *replica, s *settings, q *lifecycle.Question, a *answer) {
	if q.Failures == 0 {
		if !callHook(r, hookSchedule, "schedule", func() { nextTick(s.schedule, s.jitter, q, &a.tick) }) {
			a.err = errBrokenSchedule
		}
		return
	}
	ok := callHook(r, hookBackoff, "backoff", func() {
		if a.pause = s.backoff.Duration(q.Failures); a.pause < 0 {
			panic(fmt.Sprintf("returned %v", a.pause))
		}
	})
	if !ok {
		a.pause = ExponentialBackoff{}.Duration(q.Failures)
	}
}

var errBrokenSchedule = errors.New("schedule is broken")

// ask answers the machine's question.
func (r *replica) ask() todo {
	var effects sideEffects
	r.pool.mu.Lock()
	r.plan(time.Now(), &effects)
	r.pool.mu.Unlock()
	effects.perform()
	return r.next(nil)
}

// plan asks the backoff or the schedule when the next run is due. The pool's lock is held, but it is free while the
// user's code runs. Question and answer are not copied from call to call, so that the small stack of the goroutine need not grow.
func (r *replica) plan(now time.Time, effects *sideEffects) {
	s := r.current()
	var q lifecycle.Question
	var a answer
	r.machine.Question(now, &q)
	if q.Rescheduled { // that the old schedule is broken says nothing about the new one
		r.calling &^= hookSchedule
		r.broken &^= hookSchedule
	}
	if !builtInAnswer(s, &q, &a) {
		r.pool.mu.Unlock()
		usersAnswer(r, s, &q, &a)
		r.pool.mu.Lock()
	}
	if q.Failures > 0 || r.current() == s { // else the worker was rescheduled, and the machine asks again
		r.applyAnswer(&a, &q, now, effects)
	}
}

// applyAnswer gives an answer to the machine, and carries out what follows.
func (r *replica) applyAnswer(a *answer, q *lifecycle.Question, now time.Time, effects *sideEffects) {
	switch {
	case q.Failures > 0:
		r.machine.AnswerBackoff(now, a.pause)
		recordWait(r, r.machine.Due().Sub(now), now)
		r.group.holdOthers(r, effects)
	case a.err != nil:
		r.machine.AnswerNone(0, true)
		recordFailure(r, a.err, a.err.Error(), now)
		r.group.stopOthers(r, nil, effects)
	default:
		r.machine.AnswerTick(q, &a.tick)
		if r.machine.Status().Done() {
			r.publishStatus(now)
		}
	}
}
