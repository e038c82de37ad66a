package workerfx

import (
	"context"
	"errors"
	"runtime/pprof"
	"sync"
	"time"
)

// supervisor is the life of one replica of a worker:
//
//	┌──────────────► wait ───────────► run ───────────► decide ───┐
//	│     deferred start, backoff,   the worker's     policy.next │
//	│     next tick, pause               Run                      │
//	└─────────────── pending, waiting, paused ◄───────────────────┤
//	                                                              ▼
//	                                        done: success, error, stopped
//
// One goroutine walks it. What that goroutine alone needs is not guarded; what others see or ask for
// is behind mu.
type supervisor struct {
	*member

	history history // of failures
	ticker  *ticker // nil without a schedule
	replica int32

	// Set while the worker's backoff or schedule is asked, and for good if it panicked or ended the
	// goroutine: it is not asked again.
	backoffBroken, scheduleBroken bool

	entering bool // it has not got past those that it comes after; written with mu held
	again    bool // its next run follows one that failed

	now time.Time // when it last looked at the clock: after each run and each wait

	orders orders        // guarded by mu, like all below: what others ask of it
	over   bool          // the current run is over, if it is not reported yet
	gone   bool          // its goroutine is done
	waits  bool          // for another one of its team that failed
	mu     sync.Mutex    // guards the fields around it, from orders to report
	stopAt instant       // when it was asked to stop
	timer  *time.Timer   // ends a wait: when its time is over, or orders changed; nil before the first
	done   chan struct{} // closed once gone; nil unless somebody waits for it
	turn   chan struct{} // closed once the current run is over; nil unless somebody waits for it
	report report        // written by the supervisor's goroutine alone, which reads it without mu
}

// supervise walks the replica's life.
func (s *supervisor) supervise() {
	pprof.SetGoroutineLabels(context.Background()) // not those of the goroutine that started it
	s.enter()
	s.walk(outcome{kind: notRun})
}

// resume walks on after something ended the goroutine that did (Goexit): a run, as a rule.
func (s *supervisor) resume() {
	last := outcome{kind: notRun}
	if s.report.status == StatusRunning {
		last = outcome{kind: failed, err: ErrGoexit, text: ErrGoexit.Error()}.orHung(s.report.run)
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
	for {
		s.team().join(s)
		for s.wait(s.decide(last)) {
			last = s.execute()
		}
		if d, ok := s.leave(); ok {
			alive = true
			s.depart(d)
			return
		}
		last = outcome{kind: notRun}
	}
}

// decide concludes the run that ended, reports it and says what is next.
func (s *supervisor) decide(last outcome) step {
	switch {
	case last.kind == notRun:
		return s.idle()
	case s.over: // a hook ended the goroutine that was deciding
		return s.giveHookUp(last)
	}
	if n := s.report.run.end(); n > 0 {
		last = last.leaving(n)
	}
	now := time.Now()
	s.now = now
	ran := now.Sub(s.report.startedAt)
	asked, forGood := s.conclude(last)
	if asked {
		last = last.whenAsked()
	}
	s.again = !asked && !last.isGood() && last.kind != skipped
	next := s.policy.next(last.kind, ran, &s.history, asked, now)
	switch {
	case next.retry:
		next.pause = max(next.pause, s.backoffAfter(s.history.failures))
	case next.tick:
		next = s.untilTick(next, now)
	}
	s.mu.Lock()
	s.reportEnd(last, next, ran, now, asked)
	if asked && !forGood { // it was only to make room for something else
		s.report.status = StatusWaiting
	}
	s.over = false
	s.mu.Unlock()
	if !asked && s.team() != nil {
		s.shareFailure(next)
		next.held = true
	}
	s.pool.journal.runEnded(s, last, next, asked) // last: if the log sink ends the goroutine, idle knows the rest
	if asked && !forGood {
		return step{status: StatusWaiting, held: true}
	}
	return next
}

// idle is the step of a replica that has no run to conclude: it is new, was asked for something before its
// run could begin, or its goroutine was ended in between.
func (s *supervisor) idle() step {
	s.now = time.Now()
	s.mu.Lock()
	s.heedHalt()
	r := &s.report
	next := step{status: r.status, held: true}
	if r.status == StatusWaiting && r.nextRunAt != 0 {
		next.pause = r.nextRunAt.time().Sub(s.now)
		next.tick = s.scheduled && s.history.failures == 0
	}
	isNew, held := r.status == StatusPending && r.runs == 0 && !s.orders.stopping, s.orders.forbid()
	switch {
	case r.status.isDone():
		next.done = true
	case s.orders.stopping:
		s.reportStop(s.now)
		next = step{status: StatusStopped, done: true}
	}
	s.mu.Unlock()
	if isNew {
		next = s.first(s.now)
		next.held = held || s.entering
	}
	return next
}

// first is the step before a replica's first run.
func (s *supervisor) first(now time.Time) step {
	next := step{status: StatusDeferred, pause: s.deferredStart}
	if s.schedule != nil {
		s.ticker = &ticker{origin: now.Add(s.deferredStart)}
		if !s.startImmediately {
			next = s.untilTick(step{status: StatusWaiting, tick: true}, s.ticker.origin)
			next.pause = max(next.pause, next.pause+s.deferredStart) // it may be too long to count
		}
	}
	if next.pause > 0 || next.done {
		s.mu.Lock()
		s.reportFirst(next, now)
		s.mu.Unlock()
	}
	return next
}

// execute makes one run and tells how it ended. If the run ends its goroutine, it does not return.
func (s *supervisor) execute() outcome {
	run := s.begin()
	if run == nil {
		return outcome{kind: notRun}
	}
	run.label() // here and not in begin, where it would make the stack grow
	s.pool.journal.runStarted(s)
	s.changed()
	return s.call(run)
}

// begin prepares a run. It returns nil if the replica was asked to stop.
func (s *supervisor) begin() *runContext {
	run := newRun(s, s.now)
	s.mu.Lock()
	s.heedHalt()
	refused := s.orders.forbid()
	if !refused {
		s.orders.restarted, s.orders.triggered, s.orders.anew = false, false, false // this is the run that was asked for
		s.entering = false
		s.reportStart(run, s.now)
	}
	s.mu.Unlock()
	if refused {
		run.end()
		return nil
	}
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
		caught := catchPanic(recover()) // of nothing if the goroutine is ending: then nobody sees it
		o = outcome{kind: failed, err: caught, text: caught.Error(), panicked: true}.orHung(run)
	}()
	o = classify(s.body.Run(run), run).orHung(run)
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
	ended := run.Err()
	kind := failed
	switch {
	case errors.Is(err, ErrDoNotRestart):
		kind = gaveUp
	case run.s.scheduled && errors.Is(err, ErrSkip):
		kind = skipped
	case run.drained() && errors.Is(err, ErrStopping):
		kind = obeyed
	case ended != nil && (errors.Is(err, ended) || errors.Is(err, context.Cause(run))):
		kind = obeyed
		if err == ended { //nolint:errorlint // a bare ctx.Err() tells less than its cause
			err = context.Cause(run)
		}
	}
	text, err := brief(err)
	return outcome{kind: kind, err: err, text: text}
}
