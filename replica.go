package workerfx

import (
	"context"
	"runtime/pprof"
	"time"

	"github.com/workerfx/workerfx/internal/lifecycle"
	"github.com/workerfx/workerfx/internal/names"
)

// replica is one of the copies of a worker. Its goroutine asks its machine what to do, and does it. The pool's lock
// guards all fields but calling, broken and restartsAtOnce.
type replica struct {
	*entry
	record

	index     int32
	abandoned bool // its stop timeout has passed: Stop does not wait for it any more

	// Only the replica's goroutine uses these.
	calling        hook // the user's code that was called and has not returned yet
	broken         hook // the user's code that misbehaved and is not called again
	restartsAtOnce bool // the last run followed without a wait

	machine lifecycle.Machine

	timer   *time.Timer   // wakes the goroutine when its wait is over; nil before the first wait
	ended   chan struct{} // closed when the goroutine has ended; nil unless someone waits for that
	runOver chan struct{} // closed when the current run is over; nil unless someone waits for that
	stopAt  instant       // when it was asked to stop
}

func newReplica(e *entry, index int32) *replica {
	return &replica{entry: e, record: newRecord(e.settings), index: index, machine: lifecycle.New(&e.current().policy)}
}

// start gives the replica a goroutine. The pool's lock is held.
func (r *replica) start() {
	r.prepareStart()
	r.launch(time.Now())
}

// prepareStart prepares the replica for launch. The pool's lock is held.
func (r *replica) prepareStart() {
	r.group.holdNew(r)
	r.goroutines++
	r.pool.goroutines++
}

// launch starts the replica's goroutine.
func (r *replica) launch(now time.Time) { go r.live(r.firstRun(now)) }

// firstRun returns the run that follows at once when the replica starts, if one does. It is made here, so that the small
// stack of the new goroutine need not grow for it: a process may have a hundred thousand that wait in their first run.
func (r *replica) firstRun(now time.Time) *run {
	if p := &r.policy; p.ComesAfter || p.Scheduled || p.DeferredStart > 0 || !r.pool.ids.isBuiltIn() {
		return nil
	}
	return r.newRun(now)
}

// live is the replica's goroutine.
func (r *replica) live(prepared *run) {
	pprof.SetGoroutineLabels(context.Background()) // remove the labels of the goroutine that started this one
	r.loop(prepared)
}

// loop does what the machine says, until it says exit.
func (r *replica) loop(prepared *run) {
	exited := false
	defer func() {
		if !exited { // the user's code ended this goroutine (Goexit)
			go r.loop(nil)
		}
	}()
	var o outcome // of the last run
	for next := r.next(prepared); ; {
		switch next.do {
		case lifecycle.Undecided:
			next = r.next(nil)
		case lifecycle.Run:
			if r.execute(&next, &o) {
				next = r.completeRun(&o)
			}
		case lifecycle.Ask:
			next = r.ask()
		case lifecycle.Exit:
			exited = true
			r.reportExit(next.run, next.exit)
			return
		default:
			<-r.timer.C
			next = r.next(nil)
		}
	}
}

// todo is the next thing that the goroutine does.
type todo struct {
	do   lifecycle.Action
	run  *run // the run that has begun, or nil if the goroutine has to begin one; at an exit, see reportExit
	exit exit // how the replica ends, if it exits
}

// next asks the machine what to do. If a run begins, it is prepared, or a new one if prepared is nil. If user code has ended the
// goroutine before this one, there may be a run to call or to finish.
func (r *replica) next(prepared *run) todo {
	now := time.Now()
	var effects sideEffects
	r.pool.mu.Lock()
	if r.machine.IsRunning() {
		run := r.run
		r.pool.mu.Unlock()
		return r.resumeRun(run)
	}
	next := r.askMachine(now, prepared, &effects)
	r.pool.mu.Unlock()
	effects.perform()
	return next
}

// askMachine does the work of next. The pool's lock is held.
func (r *replica) askMachine(now time.Time, prepared *run, effects *sideEffects) todo {
	if r.pool.phase == phaseStopped {
		r.askToStop(now)
	}
	status := r.machine.Status()
	var step lifecycle.Step
	var predecessor *entry
	for again := true; again; {
		var facts lifecycle.Facts
		facts, predecessor = r.facts(now, effects)
		step = r.machine.Next(now, facts)
		switch {
		case step.StopGroup:
			failAsGroupRuns(r, now, effects)
		case step.Status == lifecycle.Paused && !facts.GroupRuns: // the others have stopped, and go on without it
			r.group.goOnWithout(r, effects)
		}
		begins := step.Do == lifecycle.Run && (prepared != nil || r.pool.ids.isBuiltIn()) // else it asks for an ID, and then again
		again = step.Do == lifecycle.Undecided || begins && r.group.releaseOthers(r, effects) && r.machine.AwaitPredecessorsAgain()
	}
	recordStep(r, step, status, predecessor, now)
	if step.Status != status {
		r.changed()
	}
	next := todo{do: step.Do}
	switch step.Do {
	case lifecycle.Run:
		if prepared == nil && r.pool.ids.isBuiltIn() {
			prepared = r.newRun(now)
		}
		if prepared != nil {
			r.begin(prepared, now)
		}
		next.run = prepared
	case lifecycle.Sleep:
		r.setTimer(step.For)
	case lifecycle.Wait:
		r.setTimer(never)
	case lifecycle.Exit:
		next = r.end(effects)
	}
	return next
}

// facts returns what the machine has to know of other workers. predecessor is a worker that the replica waits for,
// or nil.
func (r *replica) facts(now time.Time, effects *sideEffects) (f lifecycle.Facts, predecessor *entry) {
	if r.machine.AwaitsPredecessors() {
		predecessor = r.waitsFor(r, effects)
	}
	f.PredecessorsReady = predecessor == nil
	if r.group != nil {
		f.GroupRuns, f.GroupStopsIn = r.group.stopsIn(r, now)
	}
	return f, predecessor
}

// never is the duration of a wait that only a call of wake ends.
const never = time.Duration(-1)

// setTimer makes the timer wake the goroutine after d. wake may do it earlier.
func (r *replica) setTimer(d time.Duration) {
	switch {
	case r.timer == nil:
		r.timer = time.NewTimer(max(d, 0))
	case d != never:
		r.timer.Reset(d)
	}
	if d == never {
		r.timer.Stop()
	}
}

// wake ends the goroutine's wait, so that it asks the machine again. It uses the timer: a channel for this would
// cost each replica 100 bytes.
func (r *replica) wake() {
	if r.timer != nil && !r.machine.IsRunning() {
		r.timer.Reset(0)
	}
}

// askToStop lets no run begin any more.
func (r *replica) askToStop(now time.Time) {
	if !r.machine.IsStopping() {
		r.machine.Stop()
		r.stopAt = instantOf(now)
	}
}

// exit is how a replica's goroutine ends.
type exit struct {
	abandoned  bool // Stop does not wait for it any more
	scaledDown bool
	hasItems   bool // the worker's body handles items: see handOver
	more       *exitMore
}

// exitMore is what few exits have. So it is no part of exit, which is on the stack of each replica.
type exitMore struct {
	essential *Problem // the last failure of an essential worker that was not asked to end; nil for others
	lines     []func() // for the log: the sink may end the goroutine, which must not ask the machine again
}

func (x *exit) needMore() *exitMore {
	if x.more == nil {
		x.more = new(exitMore)
	}
	return x.more
}

// end ends the replica's goroutine. From here on the replica may get a new goroutine.
func (r *replica) end(effects *sideEffects) (next todo) {
	next.do = lifecycle.Exit
	if r.timer != nil {
		r.timer.Stop()
	}
	if r.machine.HasFailed() {
		r.pool.readiness.failures++
	}
	if r.ended != nil {
		close(r.ended)
	}
	r.group.goOnWithout(r, effects)
	stopping, scaledDown := r.machine.IsStopping(), r.machine.IsScaledDown()
	next.exit = exit{abandoned: r.abandoned, scaledDown: scaledDown && !stopping, hasItems: r.items() != nil}
	if len(effects.lines) > 0 {
		next.exit.needMore().lines, effects.lines = effects.lines, nil
	}
	next.run = r.run
	switch {
	case !r.isEssential() || stopping:
	case !scaledDown:
		failure := r.record.failure(TroubleFailed)
		next.exit.needMore().essential = &failure
	case hasEndedReplica(r.entry): // the others have ended by themselves
		next.exit.needMore().essential = &Problem{Trouble: TroubleFailed}
	}
	return next
}

// reportExit tells others that the goroutine has ended, also if a log sink ends the goroutine in here. last is its last run,
// or nil.
func (r *replica) reportExit(last *run, how exit) {
	defer replicaEnded(r, how)
	if how.more != nil && how.more.essential != nil {
		defer essentialEnded(r.entry, *how.more.essential)
	}
	if how.hasItems {
		defer handOver(r, last, how.scaledDown)
	}
	if how.more != nil {
		for _, write := range how.more.lines {
			write()
		}
	}
}

// hasEndedChan returns a channel that is closed when the goroutine has ended.
func (r *replica) hasEndedChan() <-chan struct{} {
	if r.ended == nil {
		r.ended = make(chan struct{})
		if r.machine.HasExited() {
			close(r.ended)
		}
	}
	return r.ended
}

// revive gives a replica that has ended a new goroutine, if it may have one.
func (r *replica) revive() {
	if r.pool.phase == phaseStarted && r.isOpen() && r.machine.Revive() {
		r.ended = nil
		r.start()
	}
}

// displayName is the name of the worker with the number of the replica.
func (r *replica) displayName() string { return names.Replica(r.name, int(r.index)) }
