package workerfx

import (
	"context"
	"fmt"
	"runtime/pprof"
	"time"

	"github.com/rs/zerolog"

	"github.com/workerfx/workerfx/internal/lifecycle"
)

// execute makes the run that is next, up to its end, and stores its outcome. It begins the run if it has not begun. If the
// run cannot begin any more, next is something else after the call.
func (r *replica) execute(next *todo, o *outcome) (ended bool) {
	if next.run == nil {
		*next = r.beginWithID()
		if next.do != lifecycle.Run {
			return false
		}
	}
	run := next.run
	run.called = true
	pprof.SetGoroutineLabels(run)
	r.pool.log.runStarted(run)
	if run.awaited {
		r.announce() // as late as possible, as a run that fails at once was never ready
	}
	r.call(run, o)
	return true
}

// beginWithID begins a run with an ID of the user's generator.
func (r *replica) beginWithID() (next todo) {
	now := time.Now()
	run := r.newRun(now)
	var effects sideEffects
	r.pool.mu.Lock()
	next = r.askMachine(now, run, &effects) // again, as a command may have come since
	r.pool.mu.Unlock()
	effects.perform()
	return next
}

// newRun returns a run that has not begun.
func (r *replica) newRun(now time.Time) *run {
	id := r.pool.ids.next(r.pool, now)
	return &run{replica: r, id: id, labels: labelsOf(r.name, id)}
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
// does not return: see resumeRun.
func (r *replica) call(run *run, o *outcome) {
	returned := false
	defer func() {
		if !returned {
			*o = panicked(run, recover())
		}
	}()
	*o = classify(r.body.Run(run), run)
	returned = true
}

// resumeRun goes on with a run whose goroutine was ended by user code.
func (r *replica) resumeRun(run *run) todo {
	if !run.called { // the log sink ended the goroutine
		return todo{do: lifecycle.Run, run: run}
	}
	o := failure(run, ErrGoexit, ErrGoexit.Error())
	return r.completeRun(&o)
}

// completeRun ends the current run, and decides what follows. It takes the lock once for all of that, as ten thousand
// schedules may tick at the same moment. The last run of a replica is an exception if its end is logged: then the caller asks
// the machine once more, so that the line is in the log before others hear of the exit.
func (r *replica) completeRun(o *outcome) (next todo) {
	run := r.run
	run.join(o)
	run.cancelAs(endedLife, context.Canceled)
	var effects sideEffects
	now := time.Now()
	prepared := r.preparedRun(now)
	debug := r.pool.log.enabled(zerolog.DebugLevel)
	r.pool.mu.Lock()
	for run.hasGoroutines() { // one began just before the context ended
		r.pool.mu.Unlock()
		run.join(o)
		r.pool.mu.Lock()
	}
	unhandled, waited := run.end()
	if waited {
		now, prepared = time.Now(), nil
	}
	if unhandled > 0 {
		*o = o.withUnhandled(unhandled)
	}
	v := r.endRun(o, now, &effects)
	if r.machine.IsAsking() {
		r.plan(now, &effects)
	}
	pause := r.machine.Due().Sub(now)
	level, message := r.pool.log.endOfRun(run, o, v)
	logged := debug || level > zerolog.DebugLevel
	if !logged || !r.machine.Status().Done() {
		next = r.askMachine(now, prepared, &effects)
	}
	r.restartsAtOnce = next.do == lifecycle.Run // before another goroutine may follow
	r.pool.mu.Unlock()
	effects.perform()
	if logged {
		r.pool.log.runEnded(level, message, run, o, v.Retry, pause)
	}
	return next
}

// preparedRun returns the run that may follow at once, if the last one did. It is made without the pool's lock.
func (r *replica) preparedRun(now time.Time) *run {
	if !r.restartsAtOnce || !r.pool.ids.isBuiltIn() {
		return nil
	}
	return r.newRun(now)
}

// endRun tells the machine and the record that the current run is over.
func (r *replica) endRun(o *outcome, now time.Time, effects *sideEffects) lifecycle.Verdict {
	ran := now.Sub(r.record.startedAt)
	asked := r.machine.IsStopping() || r.run.wasAsked(o.kind)
	v := r.machine.Ended(lifecycle.End{Outcome: o.kind, Ran: ran, Asked: asked, OwnError: o.ownError}, now)
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
		r.group.stopOthers(r, nil, effects)
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
