package workerfx

import (
	"context"
	"time"
)

// Stop stops all workers, and waits until they have stopped or ctx ends. From then on no run begins. The context of
// a run ends at once, or later if the run called [Draining]. A worker that others come after ([WithAfter]) stops
// when those have stopped, or when nine tenths of the time have passed. A *[StopError] names each worker that has
// not stopped when ctx ends or its own stop timeout has passed, with the stack in which it hangs. Stop may be
// called again, from many goroutines, and before Start, which then fails.
func (p *Pool) Stop(ctx context.Context) (err error) {
	early, cancel := withReserve(ctx)
	defer cancel()
	p.askToStop(p.stopDeadlineOf(early))
	defer context.AfterFunc(early, p.cancelAll)() // when the time is nearly over
	stragglers := p.awaitStop(ctx)
	p.cancelJobContexts()
	if stragglers != nil {
		err = stragglers
		waitFor(ctx, func() { p.log.stragglers(stragglers) })
	} else if p.firstToLogStop() {
		waitFor(ctx, p.log.poolStopped)
	}
	p.returnFromStop(err)
	return err
}

func (p *Pool) firstToLogStop() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	first := !p.stopLogged
	p.stopLogged = true
	return first
}

// returnFromStop tells Run that a call of Stop returns, and its error.
func (p *Pool) returnFromStop(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.stopReturned:
	default:
		p.stopError = err
		p.endSubscriptions()
		close(p.stopReturned)
	}
}

// waitFor waits until write has written to the log, but no longer than until ctx ends and a moment more. A log sink that
// hangs must not keep the process from its end.
func waitFor(ctx context.Context, write func()) {
	const moment = 100 * time.Millisecond
	written := make(chan struct{})
	go func() {
		defer close(written)
		write()
	}()
	select {
	case <-written:
		return
	case <-ctx.Done():
	}
	select {
	case <-written:
	case <-time.After(moment):
	}
}

// withReserve returns ctx with an earlier deadline. It is earlier by a tenth of the time that is left, at most by a
// second. The caller keeps that time for what it does after ctx has ended.
func withReserve(ctx context.Context) (context.Context, context.CancelFunc) {
	end, bounded := ctx.Deadline()
	if !bounded {
		return ctx, func() {}
	}
	return context.WithDeadline(ctx, end.Add(-reserve(time.Until(end))))
}

// reserve is the part of d that is kept for what comes after d.
func reserve(d time.Duration) time.Duration { return min(d/10, time.Second) }

// deadline is the time for a stop.
type deadline struct{ from, until time.Time }

// stopDeadlineOf is the time from now to the deadline of ctx. Without a deadline it is the pool's stop timeout.
func (p *Pool) stopDeadlineOf(ctx context.Context) deadline {
	d := deadline{from: time.Now()}
	if end, bounded := ctx.Deadline(); bounded {
		d.until = end
	} else {
		d.until = d.from.Add(p.config.stopTimeout())
	}
	return d
}

// grace is how long a run that drains may go on before its context ends: three quarters of the time.
func (d deadline) grace(stopTimeout time.Duration) time.Duration {
	left := d.until.Sub(d.from)
	if stopTimeout > 0 {
		left = min(left, stopTimeout)
	}
	return left - left/4
}

// cancelAll ends the contexts of all runs and jobs while there is time left for them to notice.
func (p *Pool) cancelAll() {
	p.cancelJobContexts()
	now := time.Now()
	var effects sideEffects
	p.mu.Lock()
	if p.wasStarted() {
		for _, e := range p.entries {
			e.askToStop(deadline{from: now, until: now}, &effects)
		}
	}
	p.mu.Unlock()
	effects.perform()
}

// cancelJobContexts ends the contexts of jobs that live on after the context of their run.
func (p *Pool) cancelJobContexts() {
	p.mu.Lock()
	cancel := p.cancelJobs
	p.mu.Unlock()
	if cancel != nil {
		cancel(ErrStopping)
	}
}

// askToStop asks all workers to stop, and does not wait. A worker that others come after is asked when those have
// stopped.
func (p *Pool) askToStop(d deadline) {
	var effects sideEffects
	p.mu.Lock()
	if p.phase != phaseStopped {
		p.phase, p.stopDeadline = phaseStopped, d
		p.closeIfStopped()
		p.readiness.changed()
		if p.wasStarted() {
			for _, e := range p.entries {
				if e.mayStop() {
					e.askToStop(d, &effects)
				}
			}
		}
	}
	p.mu.Unlock()
	effects.perform()
}

// askToStop asks the worker's replicas to stop: their runs or their waits end. The pool's lock is held.
func (e *entry) askToStop(d deadline, effects *sideEffects) {
	for r := range e.replicas() {
		r.askToStop(d.from)
		if r.machine.IsRunning() {
			r.run.stopGracefully(d.grace(r.stopTimeout), effects)
		} else {
			r.wake()
		}
	}
	e.logUnhandled(effects)
}

// closeIfStopped closes stopped if the pool has stopped. The pool's lock is held.
func (p *Pool) closeIfStopped() {
	if p.phase == phaseStopped && p.goroutines <= 0 && !p.hasStopped() {
		close(p.stopped)
	}
}

// awaitStop waits until no replica has to be waited for any more. It returns a *StopError if a replica still runs.
func (p *Pool) awaitStop(ctx context.Context) *StopError {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		var overdue <-chan time.Time
		if left, bounded := p.abandonOverdue(); bounded {
			timer.Reset(left)
			overdue = timer.C
		}
		select {
		case <-p.stopped:
			return p.stragglers()
		case <-ctx.Done():
			p.cancelAll() // also workers that were not asked yet, as others come after them
			return p.stragglers()
		case <-overdue:
		}
	}
}

// abandonOverdue abandons the replicas whose own stop timeout has passed. It returns the time until the next stop timeout
// passes, if there is one.
func (p *Pool) abandonOverdue() (left time.Duration, bounded bool) {
	now := time.Now()
	var effects sideEffects
	p.mu.Lock()
	for _, e := range p.entries {
		if e.stopTimeout == 0 || !p.wasStarted() {
			continue
		}
		for r := range e.replicas() {
			if r.machine.HasExited() || r.abandoned {
				continue
			}
			remaining := stopTimeLeft(r, now)
			if remaining <= 0 {
				p.abandon(r, &effects)
			} else if !bounded || remaining < left {
				left, bounded = remaining, true
			}
		}
	}
	p.mu.Unlock()
	effects.perform()
	return left, bounded
}

// abandon lets Stop wait no longer for a replica, and for the children of its run that have no stop timeout of their own. The
// pool's lock is held.
func (p *Pool) abandon(r *replica, effects *sideEffects) {
	if r.machine.HasExited() || r.abandoned {
		return
	}
	r.abandoned, p.abandoned = true, true
	r.stopPredecessors(effects)
	p.goroutines--
	p.closeIfStopped()
	if r.run == nil || r.run.parts == nil {
		return
	}
	for _, child := range r.run.parts.children {
		if child.stopTimeout == 0 {
			for c := range child.replicas() {
				p.abandon(c, effects)
			}
		}
	}
}

// stopTimeLeft is the rest of the stop timeout. Before the replica is asked to stop it is all of it, but not so little that
// to look again and again costs much.
func stopTimeLeft(r *replica, now time.Time) time.Duration {
	if !r.machine.IsStopping() {
		return max(r.stopTimeout, time.Millisecond)
	}
	return r.stopAt.time().Add(r.stopTimeout).Sub(now)
}

// replicaEnded updates the pool when a replica's goroutine has ended. The replica may have a new goroutine already.
func replicaEnded(r *replica, how exit) {
	e, p := r.entry, r.pool
	var effects sideEffects
	p.mu.Lock()
	if !how.hasItems {
		r.goroutines--
	}
	dropIfScaledDown(r)
	if e.removed || e.parent != nil && (!how.scaledDown || hasEndedReplica(e)) {
		removeIfEnded(e)
	}
	r.changed()
	e.stopPredecessors(&effects)
	if !how.abandoned {
		p.goroutines--
		p.closeIfStopped()
	}
	p.mu.Unlock()
	effects.perform()
}

// stragglers returns a *StopError with all replicas that were asked to stop and have not, or nil.
func (p *Pool) stragglers() *StopError {
	p.mu.Lock()
	var found []straggler
	if !p.hasStopped() || p.abandoned { // else all have stopped
		for _, e := range p.entries {
			found = append(found, stragglersOf(e)...)
		}
	}
	p.mu.Unlock()
	return stopErrorAbout(found)
}
