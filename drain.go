package workerfx

import (
	"context"
	"time"

	"github.com/workerfx/workerfx/internal/lifecycle"
)

// Draining returns a channel that is closed when the run that ctx belongs to should finish what it is at
// and begin nothing new: its worker stops, is paused or is scaled down. A run that has called it gets
// time to finish: a stop ends its context only after three quarters of the time that there is, which is
// the worker's stop timeout or what [Pool.Stop] was given, else [Config.StopTimeout]. All others have their
// context ended at once. So call it where Run begins. Outside of a run it is ctx.Done().
func Draining(ctx context.Context) <-chan struct{} {
	r := runOf(ctx)
	if r == nil {
		return ctx.Done()
	}
	mu := &r.replica.pool.mu
	mu.Lock()
	defer mu.Unlock()
	return r.listen(func(p *parts) { p.listens = true })
}

// closedChannel is made here, and not by the first who asks: one that was made in a synctest bubble is of no use elsewhere.
var closedChannel = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// listen returns a channel that is closed when the run is to finish, and notes who asked for it. The pool's lock is held.
func (r *run) listen(note func(*parts)) <-chan struct{} {
	if r.over && r.parts == nil { // the caller is a goroutine that the run left behind
		return closedChannel
	}
	p := r.part()
	if !r.over {
		note(p)
	}
	if p.drain == nil {
		p.drain = make(chan struct{})
		if p.drained.Load() || r.over || r.Err() != nil {
			p.closeDrain()
		}
	}
	return p.drain
}

// closeDrain lets those go on who wait for the run to be drained.
func (p *parts) closeDrain() {
	if p.drain != nil && !p.drainClosed {
		p.drainClosed = true
		close(p.drain)
	}
}

// drain asks the run to finish. The pool's lock is held.
func (r *run) drain() {
	if !r.over {
		p := r.part()
		p.drained.Store(true)
		p.closeDrain()
	}
}

// finish ends the run because its worker is to stop: its context ends at once, or after grace if the worker listens to
// [Draining]. The pool's lock is held; the context ends after that.
func (r *run) finish(grace time.Duration, after *afterwards) {
	p := r.parts
	if p == nil || !p.listens || r.over || grace <= 0 {
		r.stop(after)
		return
	}
	r.drain()
	switch due := time.Now().Add(grace); {
	case p.cut == nil:
		p.cut, p.cutAt = time.AfterFunc(grace, r.cutOff), due
	case due.Before(p.cutAt): // somebody else has less time
		p.cut.Reset(grace)
		p.cutAt = due
	}
}

// stop ends the run's context once the pool's lock, which is held, is free.
func (r *run) stop(after *afterwards) {
	if r.parts != nil { // parts that come later see that the context has ended
		r.drain()
	}
	after.cancel(r)
}

// cutOff ends the context of a run that has used up its time to finish.
func (r *run) cutOff() {
	var after afterwards
	r.replica.pool.mu.Lock()
	r.stop(&after)
	r.replica.pool.mu.Unlock()
	after.do()
}

// finishJob lets the run finish, or ends its context if neither its body nor the worker would notice. The pool's lock is
// held.
func (r *run) finishJob(after *afterwards) {
	if r.over {
		return
	}
	r.drain()
	if p := r.parts; !p.endsByJob && !p.listens {
		r.stop(after)
	}
}

// isDrained tells whether the run was asked to finish.
func (r *run) isDrained() bool {
	r.replica.pool.mu.Lock()
	defer r.replica.pool.mu.Unlock()
	return r.parts != nil && r.parts.drained.Load()
}

// wasAsked tells whether the run ended because it was asked to, whatever was asked since. A run that was
// only drained may as well have ended by itself: then it did not say that it obeyed, and nobody in it
// listened, or it was all that a schedule's tick is for. The pool's lock is held.
func (r *run) wasAsked(how lifecycle.Outcome) bool {
	if p := r.parts; p != nil && p.drained.Load() {
		obeyed := how == lifecycle.Obeyed
		if obeyed || how == lifecycle.Succeeded && !r.replica.policy.Scheduled && p.listens {
			return true
		}
	}
	life := r.life.Load()
	return life != nil && context.Cause(life) == ErrStopping //nolint:errorlint // cancel gives it as it is
}
