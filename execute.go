package workerfx

import (
	"context"
	"fmt"
	"time"

	"github.com/workerfx/workerfx/internal/lifecycle"
)

// execute makes one run, from its begin to the plan for the next.
func (r *replica) execute() todo {
	now := time.Now()
	run := newRun(r, r.pool.ids.next(r.pool, now)) // without the lock, as the generator may be the user's code
	var after afterwards
	r.pool.mu.Lock()
	next := r.look(now, &after) // again, as a command may have come since
	if next.do == lifecycle.Run {
		r.beginRun(run, now)
	}
	announce := r.node != nil || r.group != nil || r.pool.readiness.change != nil
	r.pool.mu.Unlock()
	after.do()
	if next.do != lifecycle.Run {
		return next
	}
	run.label()
	r.pool.log.runStarted(run)
	if announce { // as late as possible, as a run that fails at once was never ready
		r.announce()
	}
	return r.finish(r.call(run))
}

// beginRun tells the machine and the record that a run begins.
func (r *replica) beginRun(run *run, now time.Time) {
	begin := r.machine.Began()
	run.attempt = begin.Attempt
	run.begin(now)
	r.record.begin(run, begin, now)
}

// call calls the worker's Run, and the methods of the error that it returns. If that code ends the goroutine, call does not
// return: see first.
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

// first is the first step of a goroutine. If a run has ended the goroutine before it, it finishes that run.
func (r *replica) first() todo {
	r.pool.mu.Lock()
	running := r.machine.IsRunning()
	r.pool.mu.Unlock()
	if running {
		return r.finish(failure(r.run, ErrGoexit, ErrGoexit.Error()))
	}
	return r.next()
}

// finish ends the current run, and plans the next one. It takes the lock once for all of that, as ten thousand schedules may
// tick at the same moment.
func (r *replica) finish(o outcome) todo {
	run := r.run
	run.cancelAs(endedLife, context.Canceled)
	var after afterwards
	r.pool.mu.Lock()
	if unhandled := run.end(); unhandled > 0 {
		o = o.withUnhandled(unhandled)
	}
	now := time.Now()
	v := r.endRun(o, now, &after)
	if r.machine.IsAsking() {
		r.plan(now, &after)
	}
	pause := r.machine.Due().Sub(now)
	var next todo
	done := r.machine.Status().Done()
	if !done {
		next = r.look(now, &after)
	}
	r.pool.mu.Unlock()
	after.do()
	r.pool.log.runEnded(run, o, v, pause)
	if done { // others hear of it when it is in the log
		next = r.next()
	}
	return next
}

// endRun tells the machine and the record that the current run is over.
func (r *replica) endRun(o outcome, now time.Time, after *afterwards) lifecycle.Verdict {
	ran := now.Sub(r.record.startedAt)
	v := r.machine.Ended(lifecycle.End{Outcome: o.kind, Ran: ran, Asked: r.run.wasAsked(o.kind), OwnError: o.ownError}, now)
	if r.runOver != nil {
		close(r.runOver)
		r.runOver = nil
	}
	r.record.end(o, v, ran, now)
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
