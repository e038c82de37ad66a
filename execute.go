package workerfx

import (
	"context"
	"fmt"
	"time"

	"github.com/workerfx/workerfx/internal/lifecycle"
)

// execute makes one run, from its begin to the plan for the next.
func (r *replica) execute(now time.Time) {
	run := newRun(r, r.pool.ids.next(r.pool, now)) // the generator may be the user's code: not with the lock held
	var after afterwards
	r.pool.mu.Lock()
	began := r.beginRun(run, now, &after)
	r.pool.mu.Unlock()
	after.do()
	if !began {
		return
	}
	run.label()
	r.pool.log.runStarted(run)
	r.finish(r.call(run))
}

// beginRun begins a run, unless something has come between.
func (r *replica) beginRun(run *run, now time.Time, after *afterwards) bool {
	if r.pool.phase == phaseStopped {
		r.askToStop(now)
	}
	facts, _ := r.facts(after)
	begin, ok := r.machine.Began(now, facts)
	if !ok {
		return false
	}
	run.attempt = begin.Attempt
	run.begin(now)
	r.recordBegin(run, begin, now)
	r.changed()
	return true
}

// call calls the worker's Run. The user's code runs here, also the methods of the error that it returns. If that code
// ends the goroutine, call does not return: see endRunAfterGoexit.
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

// endRunAfterGoexit finishes the run that ended the goroutine before this one.
func (r *replica) endRunAfterGoexit() {
	r.pool.mu.Lock()
	running := r.machine.IsRunning()
	r.pool.mu.Unlock()
	if running {
		r.finish(failure(r.run, ErrGoexit, ErrGoexit.Error()))
	}
}

// finish concludes the current run, and plans the next.
func (r *replica) finish(o outcome) {
	run := r.run
	run.cancelAs(endedLife, context.Canceled)
	var after afterwards
	var q lifecycle.Question
	r.pool.mu.Lock()
	if unhandled := run.end(); unhandled > 0 {
		o = o.withUnhandled(unhandled)
	}
	now := time.Now()
	v := r.endRun(o, now, &after)
	asking := r.machine.IsAsking()
	if asking {
		q = r.machine.Question(now)
	}
	r.pool.mu.Unlock()
	after.do()
	var pause time.Duration
	if asking {
		pause = r.plan(q, now)
	}
	r.pool.log.runEnded(run, o, v, pause)
}

// endRun tells the machine and the record that the current run is over.
func (r *replica) endRun(o outcome, now time.Time, after *afterwards) lifecycle.Verdict {
	ran := now.Sub(r.record.startedAt)
	v := r.machine.Ended(lifecycle.End{Outcome: o.kind, Ran: ran, Asked: r.run.wasAsked(o.kind), OwnError: o.ownError}, now)
	if r.runOver != nil {
		close(r.runOver)
		r.runOver = nil
	}
	r.recordEnd(o, v, ran, now)
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
