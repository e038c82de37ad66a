package workerfx

import (
	"context"
	"time"

	"github.com/workerfx/workerfx/internal/lifecycle"
)

// Draining returns a channel that is closed when the run that ctx belongs to should finish its current work and
// begin nothing new: its worker stops, is paused or is scaled down. Call it at the beginning of Run. A stop ends the
// context of a run that called Draining only after three quarters of its time have passed. That time is the
// worker's stop timeout, else what [Pool.Stop] was given, else [Config.StopTimeout]. The context of any other run
// ends at once. Outside of a run Draining returns ctx.Done().
func Draining(ctx context.Context) <-chan struct{} {
	r := runOf(ctx)
	if r == nil {
		return ctx.Done()
	}
	mu := &r.replica.pool.mu
	mu.Lock()
	defer mu.Unlock()
	return r.listen(func(p *parts) { p.calledDraining = true })
}

// Idle is for middleware that waits: see package idle.
func (r *run) Idle() (finish <-chan struct{}, resume func()) {
	mu := &r.replica.pool.mu
	mu.Lock()
	defer mu.Unlock()
	r.watchdog.addIdle(1)
	return r.listen(func(*parts) {}), func() {
		mu.Lock()
		defer mu.Unlock()
		r.watchdog.addIdle(-1)
	}
}

// closedChannel is made when the program starts. A channel that is made in a synctest bubble cannot be used outside
// of it.
var closedChannel = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// listen returns a channel that is closed when the run has to finish. note records who listens. The pool's lock is held.
func (r *run) listen(note func(*parts)) <-chan struct{} {
	if r.over && r.parts == nil { // the caller is a goroutine that outlived the run
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

// closeDrain closes the channel of [Draining], if there is one.
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

// stopGracefully makes the run end because its worker stops. The run's context ends at once, or after grace if the run called
// [Draining]. The pool's lock is held; the context ends when it is free.
func (r *run) stopGracefully(grace time.Duration, effects *sideEffects) {
	p := r.parts
	if p == nil || !p.calledDraining || r.over || grace <= 0 {
		r.stop(effects)
		return
	}
	r.drain()
	switch due := time.Now().Add(grace); {
	case p.drainTimer == nil:
		p.drainTimer, p.drainDeadline = time.AfterFunc(grace, r.cutOff), due
	case due.Before(p.drainDeadline): // a second stop has less time
		p.drainTimer.Reset(grace)
		p.drainDeadline = due
	}
}

// stop ends the run's context. The pool's lock is held; the context ends when it is free.
func (r *run) stop(effects *sideEffects) {
	if r.parts != nil { // parts that are made later see that the context has ended
		r.drain()
	}
	effects.cancel(r)
}

// cutOff ends the context of a run that did not finish in time.
func (r *run) cutOff() {
	var effects sideEffects
	r.replica.pool.mu.Lock()
	r.stop(&effects)
	r.replica.pool.mu.Unlock()
	effects.perform()
}

// drainOrStop asks the run to finish its current work. The run's context ends if the run neither handles jobs nor called
// [Draining]: it would not notice. The pool's lock is held.
func (r *run) drainOrStop(effects *sideEffects) {
	if r.over {
		return
	}
	r.drain()
	if p := r.parts; !p.endsAfterJob && !p.calledDraining {
		r.stop(effects)
	}
}

// isDrained tells whether the run was asked to finish.
func (r *run) isDrained() bool {
	r.replica.pool.mu.Lock()
	defer r.replica.pool.mu.Unlock()
	return r.parts != nil && r.parts.drained.Load()
}

// wasAsked tells whether the run ended because it was asked to. A run that was only drained may also have ended by
// itself. It was asked if it returned [ErrStopping], or if it listened and ended with success; but the success of a
// scheduled run is its own. The pool's lock is held.
func (r *run) wasAsked(how lifecycle.Outcome) bool {
	if p := r.parts; p != nil && p.drained.Load() {
		obeyed := how == lifecycle.Obeyed && !r.hasTimedOut()
		if obeyed || how == lifecycle.Succeeded && !r.replica.policy.Scheduled && p.calledDraining {
			return true
		}
	}
	life := r.life.Load()
	return life != nil && life != endedLife && context.Cause(life) == ErrStopping //nolint:errorlint // cancel gives it as it is
}
