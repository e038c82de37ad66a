package workerfx

import (
	"context"
	"errors"
	"fmt"
	"runtime/pprof"
	"sync"
	"time"
)

// supervisor is the life of one replica of a worker:
//
//	┌──────────────► wait ───────────► run ───────────► decide ───┐
//	│     deferred start, backoff    the worker's     policy.next │
//	│                                    Run                      │
//	└──────────────────── pending, waiting ◄──────────────────────┤
//	                                                              ▼
//	                                        done: success, error, stopped
//
// One goroutine walks it. What that goroutine alone needs is not guarded; what others see or ask for
// is behind mu.
type supervisor struct {
	*member

	history history // of failures
	replica int32

	// backoffBroken is set while the worker's backoff is asked, and stays set if it panicked or ended
	// the goroutine. The default backoff stands in for it then.
	backoffBroken bool

	stopping bool          // guarded by mu, like all below. It was asked to stop: no run may begin any more
	givenUp  bool          // it outlasted its stop timeout: the pool no longer waits for it
	gone     bool          // its goroutine is done
	mu       sync.Mutex    // guards the fields around it, from stopping to report
	stopAt   instant       // when it was asked to stop
	wake     chan struct{} // closed to end a wait; nil before the first one
	done     chan struct{} // closed once gone; nil unless somebody waits for it
	report   report        // written by the supervisor's goroutine alone, which reads it without mu
}

// supervise walks the replica's life.
func (s *supervisor) supervise() {
	pprof.SetGoroutineLabels(context.Background()) // not those of the goroutine that started it
	s.walk(outcome{kind: notRun})
}

// resume walks on after something ended the goroutine that did (Goexit): a run, as a rule.
func (s *supervisor) resume() {
	last := outcome{kind: notRun}
	if s.report.status == StatusRunning {
		last = outcome{kind: failed, err: ErrGoexit, text: ErrGoexit.Error()}
	}
	s.walk(last)
}

func (s *supervisor) walk(last outcome) {
	alive := false
	defer func() {
		if !alive {
			go s.resume()
		}
	}()
	for s.wait(s.decide(last)) {
		last = s.execute()
	}
	alive = true
	s.leave()
}

// decide concludes the run that ended, reports it and says what is next.
func (s *supervisor) decide(last outcome) step {
	if last.kind == notRun {
		return s.idle()
	}
	now := time.Now()
	ran := now.Sub(s.report.startedAt)
	stopping := s.endRun()
	next := s.policy.next(last.kind, ran, &s.history, stopping, now)
	if next.retry {
		next.pause = max(next.pause, s.backoffAfter(s.history.failures))
	}
	s.mu.Lock()
	s.reportEnd(last, next, ran, now)
	s.mu.Unlock()
	s.pool.journal.runEnded(s, last, next)
	return next
}

// idle is the step of a replica that has no run to conclude: it is new, or was asked to stop before
// its run could begin.
func (s *supervisor) idle() (next step) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := &s.report
	switch {
	case r.status.isDone():
		next = step{status: r.status, done: true}
	case s.stopping:
		next = step{status: StatusStopped, done: true}
		s.reportStop(time.Now())
	case r.status == StatusPending && s.deferredStart > 0:
		next = step{status: StatusDeferred, pause: s.deferredStart}
		s.reportWait(eventDeferred, next, time.Now())
	}
	return next
}

// endRun ends the context of the run that is over, and tells whether the replica was asked to stop.
func (s *supervisor) endRun() (stopping bool) {
	s.report.run.end()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stopping
}

// backoffAfter asks the worker's backoff, which is the user's code.
func (s *supervisor) backoffAfter(failures int) (pause time.Duration) {
	if s.backoffBroken {
		return ExponentialBackoff{}.Duration(failures)
	}
	s.backoffBroken = true
	defer func() {
		if s.backoffBroken {
			pause = s.instead(failures, recover())
		}
	}()
	pause = s.backoff.Duration(failures)
	if pause < 0 {
		panic(fmt.Sprintf("returned %v", pause))
	}
	s.backoffBroken = false
	return pause
}

// instead is the default backoff, in place of one that is broken.
func (s *supervisor) instead(failures int, why any) time.Duration {
	if why != nil { // nil if the goroutine is ending
		s.pool.journal.brokenHook(s, "backoff", panicText(why))
	}
	return ExponentialBackoff{}.Duration(failures)
}

// wait lets the time until the next step pass. It returns false if there is none. A stop ends the wait;
// it is begin that then refuses to run.
func (s *supervisor) wait(next step) bool {
	if next.done || next.pause <= 0 {
		return !next.done
	}
	wake := s.waker()
	if wake == nil {
		return true
	}
	timer := time.NewTimer(next.pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-wake:
	}
	return true
}

// waker returns the channel that ends a wait, or nil if the replica was asked to stop already.
func (s *supervisor) waker() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		return nil
	}
	if s.wake == nil {
		s.wake = make(chan struct{})
	}
	return s.wake
}

// execute makes one run and tells how it ended. If the run ends its goroutine, it does not return.
func (s *supervisor) execute() outcome {
	run := s.begin()
	if run == nil {
		return outcome{kind: notRun}
	}
	s.pool.journal.runStarted(s)
	return s.call(run)
}

// begin prepares a run. It returns nil if the replica was asked to stop.
func (s *supervisor) begin() *runContext {
	now := s.report.finishedAt.time() // a run that follows at once begins when the one before it ended
	if s.report.finishedAt == 0 || s.report.nextRunAt != 0 {
		now = time.Now()
	}
	run := newRun(s, now)
	s.mu.Lock()
	stopping := s.stopping
	if !stopping {
		s.reportStart(run, now)
	}
	s.mu.Unlock()
	if stopping {
		run.stop()
		return nil
	}
	pprof.SetGoroutineLabels(run)
	return run
}

// call calls the worker's Run. All that is the user's code happens here, also the methods of the
// error it returns, which may be as broken as the rest.
func (s *supervisor) call(run *runContext) (o outcome) {
	returned := false
	defer func() {
		if returned {
			return
		}
		if value := recover(); value != nil { // nil if the goroutine is ending
			caught := catchPanic(value)
			o = outcome{kind: failed, err: caught, text: caught.Error()}
		}
	}()
	o = classify(s.body.Run(run), run)
	returned = true
	return o
}

// classify sorts the error of a run that ended by returning it.
func classify(err error, run *runContext) outcome {
	if err == nil {
		return outcome{kind: succeeded}
	}
	if err == ErrDoNotRestart { //nolint:errorlint // only the bare sentinel says that nothing went wrong
		return outcome{kind: finished}
	}
	kind := failed
	if ended := run.Err(); errors.Is(err, ErrDoNotRestart) {
		kind = gaveUp
	} else if ended != nil && (errors.Is(err, ended) || errors.Is(err, context.Cause(run))) {
		kind = obeyed
		if err == ended { //nolint:errorlint // a bare ctx.Err() tells less than its cause
			err = context.Cause(run)
		}
	}
	err, text := brief(err)
	return outcome{kind: kind, err: err, text: text}
}

// leave is the end of the replica's goroutine.
func (s *supervisor) leave() {
	s.mu.Lock()
	s.gone = true
	if s.done != nil {
		close(s.done)
	}
	stopping, givenUp := s.stopping, s.givenUp
	s.mu.Unlock()
	if s.essential && !stopping {
		s.pool.essentialEnded(s.member, s.report.lastFailure())
	}
	s.pool.left(s.member, givenUp)
}

// requestStop asks the replica to stop: its run's context ends, or its wait does, and no run begins
// any more.
func (s *supervisor) requestStop(now time.Time) {
	s.mu.Lock()
	if s.stopping {
		s.mu.Unlock()
		return
	}
	s.stopping, s.stopAt = true, instantOf(now)
	if s.wake != nil {
		close(s.wake)
	}
	var run *runContext
	if s.report.status == StatusRunning {
		run = s.report.run
	}
	s.mu.Unlock()
	if run != nil {
		run.stop()
	}
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
	if s.gone || s.givenUp {
		return 0, false
	}
	if left = s.stopAt.time().Add(s.stopTimeout).Sub(now); left > 0 {
		return left, false
	}
	s.givenUp = true
	return 0, true
}

func (s *supervisor) isGone() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.gone
}

// straggles tells whether the replica was asked to stop and has not, and in which run it is.
func (s *supervisor) straggles() (runID string, straggles bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.report.runID(), s.stopping && !s.gone
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
