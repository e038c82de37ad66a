package workerfx

import (
	"context"
	"time"
)

// Stop asks all workers to stop and waits until they have, or until ctx ends. No run begins once it
// was called. The contexts of runs end at once, or later if they listen to [Draining]; a worker that others
// come after ([WithAfter]) is asked once those have stopped, or time is short. A worker that has not stopped
// when ctx ends, or within its own stop timeout, is named in a *[StopError], with the stack it hangs in.
// Stop may be called again, from many goroutines, and before Start, which then fails.
func (p *Pool) Stop(ctx context.Context) (err error) {
	early, cancel := shortOf(ctx)
	defer cancel()
	p.askToStop(p.stopDeadlineOf(early))
	defer context.AfterFunc(early, p.cancelAll)()
	stragglers := p.awaitStop(ctx)
	p.giveUpJobs()
	if stragglers != nil {
		err = stragglers
		waitFor(ctx, func() { p.log.stragglers(stragglers) })
	} else if p.isFirstToSayStopped() {
		waitFor(ctx, p.log.poolStopped)
	}
	p.returnFromStop(err)
	return err
}

func (p *Pool) isFirstToSayStopped() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	first := !p.saidStopped
	p.saidStopped = true
	return first
}

// returnFromStop tells Run that a call of Stop returns, and with what.
func (p *Pool) returnFromStop(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.stopReturned:
	default:
		p.stopError = err
		close(p.stopReturned)
	}
}

// waitFor waits until write, which writes to the log, has returned, but no longer than ctx allows and a
// moment more: a log sink that hangs must not keep the process from ending.
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

// shortOf returns ctx with an end a tenth of its time before its own, a second at most: what comes
// after it still has its turn then.
func shortOf(ctx context.Context) (context.Context, context.CancelFunc) {
	end, bounded := ctx.Deadline()
	if !bounded {
		return ctx, func() {}
	}
	return context.WithDeadline(ctx, end.Add(-margin(time.Until(end))))
}

// margin is how much sooner than d something must end that others wait for until then.
func margin(d time.Duration) time.Duration { return min(d/10, time.Second) }

// deadline is the time there is for a stop.
type deadline struct{ from, until time.Time }

// stopDeadlineOf is the time from now to the end of ctx, or the pool's own stop timeout if it has none.
func (p *Pool) stopDeadlineOf(ctx context.Context) deadline {
	d := deadline{from: time.Now()}
	if end, bounded := ctx.Deadline(); bounded {
		d.until = end
	} else {
		d.until = d.from.Add(p.config.stopTimeout())
	}
	return d
}

// grace is how long a run may go on before its context ends.
func (d deadline) grace(stopTimeout time.Duration) time.Duration {
	left := d.until.Sub(d.from)
	if stopTimeout > 0 {
		left = min(left, stopTimeout)
	}
	return left - left/4
}

// cancelAll ends the contexts of all that still runs, and of all jobs, while there is time left to notice that.
func (p *Pool) cancelAll() {
	p.giveUpJobs()
	now := time.Now()
	var after afterwards
	p.mu.Lock()
	if p.base != nil {
		for _, e := range p.entries {
			e.askToStop(deadline{from: now, until: now}, &after)
		}
	}
	p.mu.Unlock()
	after.do()
}

// giveUpJobs ends the contexts of jobs that outlive the context of their run.
func (p *Pool) giveUpJobs() {
	p.mu.Lock()
	cancel := p.cancelJobs
	p.mu.Unlock()
	if cancel != nil {
		cancel(ErrStopping)
	}
}

// askToStop asks all workers to stop and does not wait; some are asked once others have stopped.
func (p *Pool) askToStop(d deadline) {
	var after afterwards
	p.mu.Lock()
	if p.phase != phaseStopped {
		p.phase, p.stopDeadline = phaseStopped, d
		p.closeIfStopped()
		p.readiness.changed()
		if p.base != nil {
			for _, e := range p.entries {
				if e.mayStop() {
					e.askToStop(d, &after)
				}
			}
		}
	}
	p.mu.Unlock()
	after.do()
}

// askToStop asks the worker's replicas to stop: their runs are to finish, or their waits end. The pool's lock is held.
func (e *entry) askToStop(d deadline, after *afterwards) {
	for r := range e.replicas() {
		r.askToStop(d.from)
		if r.machine.IsRunning() {
			r.run.finish(d.grace(r.stopTimeout), after)
		} else {
			r.wake()
		}
	}
}

// closeIfStopped says that the pool has stopped, if it has. The pool's lock is held.
func (p *Pool) closeIfStopped() {
	if p.phase == phaseStopped && p.goroutines <= 0 && !p.hasStopped() {
		close(p.stopped)
	}
}

// awaitStop waits until no replica is left to wait for. It returns a *StopError if one still runs.
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
			p.cancelAll() // also those that had to wait for others to stop first: they run on, too
			return p.stragglers()
		case <-overdue:
		}
	}
}

// abandonOverdue gives up on the replicas whose own stop timeout has passed, and returns the time until the
// next one's does, if there is one.
func (p *Pool) abandonOverdue() (left time.Duration, bounded bool) {
	now := time.Now()
	var after afterwards
	p.mu.Lock()
	for _, e := range p.entries {
		if e.stopTimeout == 0 || p.base == nil {
			continue
		}
		for r := range e.replicas() {
			if r.machine.HasExited() || r.abandoned {
				continue
			}
			remaining := stopTimeLeft(r, now)
			if remaining <= 0 {
				r.abandoned, p.abandoned = true, true
				e.stopPredecessors(&after)
				p.goroutines--
				p.closeIfStopped()
			} else if !bounded || remaining < left {
				left, bounded = remaining, true
			}
		}
	}
	p.mu.Unlock()
	after.do()
	return left, bounded
}

// stopTimeLeft is how much of the stop timeout is left: all of it before the replica is asked to stop.
func stopTimeLeft(r *replica, now time.Time) time.Duration {
	if !r.machine.IsStopping() {
		return r.stopTimeout
	}
	return r.stopAt.time().Add(r.stopTimeout).Sub(now)
}

// left is called when a replica's goroutine has ended. The replica may have another one by now.
func left(r *replica, end *ending) {
	e, p := r.entry, r.pool
	var after afterwards
	p.mu.Lock()
	switch {
	case e.parent != nil && (!end.scaledDown || e.removed), e.removed:
		forget(e)
	case r.index > 0:
		dropIfScaledDown(r)
	}
	r.changed()
	e.stopPredecessors(&after)
	if !end.abandoned {
		p.goroutines--
		p.closeIfStopped()
	}
	p.mu.Unlock()
	after.do()
}

// stragglers returns a *StopError with all replicas that were asked to stop and have not, or nil.
func (p *Pool) stragglers() *StopError {
	p.mu.Lock()
	var found []straggler
	if !p.hasStopped() || p.abandoned { // else nobody is left to look for
		for _, e := range p.entries {
			found = append(found, e.stragglers()...)
		}
	}
	p.mu.Unlock()
	return stopErrorAbout(found)
}

// straggler is a replica that was asked to stop and has not.
type straggler struct {
	*replica

	runID string
}

// stragglers returns the replicas that were asked to stop and have not. The pool's lock is held.
func (e *entry) stragglers() (found []straggler) {
	if e.pool.base == nil {
		return nil
	}
	for r := range e.replicas() {
		if (r.machine.IsStopping() || r.machine.IsScaledDown()) && !r.machine.HasExited() {
			found = append(found, straggler{r, r.runID()})
		}
	}
	return found
}
