package workerfx

import (
	"context"
	"fmt"
	"time"

	"github.com/workerfx/workerfx/internal/lifecycle"
)

// execute makes one run, to the plan for the next. It begins the run if it is nil.
func (r *replica) execute(run *run) todo {
	if run == nil {
		next := r.beginWithID()
		if next.do != lifecycle.Run {
			return next
		}
		run = next.run
	}
	run.called = true
	run.label()
	r.pool.log.runStarted(run)
	if run.awaited {
		r.announce() // as late as possible, as a run that fails at once was never ready
	}
	return r.finish(r.call(run))
}

// beginWithID begins a run with an ID of the user's generator.
func (r *replica) beginWithID() (next todo) {
	now := time.Now()
	run := r.newRun(now)
	var after afterwards
	r.pool.mu.Lock()
	next = r.look(now, run, &after) // again, as a command may have come since
	r.pool.mu.Unlock()
	after.do()
	return next
}

// newRun returns a run that has not begun.
func (r *replica) newRun(now time.Time) *run {
	return &run{replica: r, id: r.pool.ids.next(r.pool, now)}
}

// begin begins a run, as the machine has just said. The pool's lock is held.
func (r *replica) begin(run *run, now time.Time) {
	begin := r.machine.Began()
	run.attempt = begin.Attempt
	run.awaited = r.node != nil || r.group != nil || r.pool.readiness.change != nil
	run.begin(now)
	recordBegin(r, run, begin, now)
}

// call calls the worker's Run, and the methods of the error that it returns. If that code ends the goroutine, call
// does not return: see first.
func (r *replica) call(run *run) (o outcome) {
	returned := false
	defer func() {
		if !returned {
			o = panicked(run, recover())
		}
	}()
	o = classify(r.body.Run(run), run)
	returned = true
	return o
}

// first is the first step of a goroutine. If user code has ended the goroutine before it, there may be a run to
// call or to finish.
func (r *replica) first() todo {
	r.pool.mu.Lock()
	running, run := r.machine.IsRunning(), r.run
	r.pool.mu.Unlock()
	switch {
	case !running:
		return r.next()
	case !run.called: // the log sink ended the goroutine
		return todo{do: lifecycle.Run, run: run}
	}
	return r.finish(failure(run, ErrGoexit, ErrGoexit.Error()))
}

// finish ends the current run, and plans the next one. It takes the lock once for all of that, as ten thousand
// schedules may tick at the same moment.
func (r *replica) finish(o outcome) todo {
	run := r.run
	o = run.join(o)
	run.cancelAs(endedLife, context.Canceled)
	var after afterwards
	now := time.Now()
	spare := r.spareRun(now)
	r.pool.mu.Lock()
	for run.hasGoroutines() { // one began just before the context ended
		r.pool.mu.Unlock()
		o = run.join(o)
		r.pool.mu.Lock()
	}
	unhandled, waited := run.end()
	if waited {
		now, spare = time.Now(), nil
	}
	if unhandled > 0 {
		o = o.withUnhandled(unhandled)
	}
	v := r.endRun(o, now, &after)
	if r.machine.IsAsking() {
		r.plan(now, &after)
	}
	pause := r.machine.Due().Sub(now)
	var next todo
	done := r.machine.Status().Done()
	if !done {
		next = r.look(now, spare, &after)
	}
	r.restartsAtOnce = next.run != nil // before another goroutine may follow
	r.pool.mu.Unlock()
	after.do()
	r.pool.log.runEnded(run, o, v, pause)
	if done { // others hear of it when it is in the log
		next = r.next()
	}
	return next
}

// spareRun returns the run that may follow at once, if the last one did. It is made without the pool's lock.
func (r *replica) spareRun(now time.Time) *run {
	if !r.restartsAtOnce || !r.pool.ids.isOwn() {
		return nil
	}
	return r.newRun(now)
}

// endRun tells the machine and the record that the current run is over.
func (r *replica) endRun(o outcome, now time.Time, after *afterwards) lifecycle.Verdict {
	ran := now.Sub(r.record.startedAt)
	v := r.machine.Ended(lifecycle.End{Outcome: o.kind, Ran: ran, Asked: r.run.wasAsked(o.kind), OwnError: o.ownError}, now)
	if r.runOver != nil {
		close(r.runOver)
		r.runOver = nil
	}
	recordEnd(r, o, v, ran, now)
	if r.pool.phase == phaseStopped && v.IsFailure() {
		r.pool.stopFailures = append(r.pool.stopFailures, &stopFailure{worker: r.displayName(), err: o.err, text: o.text})
	}
	r.changed()
	if v.IsFinal() && v.Status == lifecycle.Error {
		r.group.stopOthers(r, nil, after)
	}
	return v
}

// stopFailure is the error of a worker that failed while the pool stopped.
type stopFailure struct {
	worker string
	err    error
	text   string // of err
}

func (e *stopFailure) Error() string { return fmt.Sprintf("worker %q: %s", e.worker, e.text) }
func (e *stopFailure) Unwrap() error { return e.err }
