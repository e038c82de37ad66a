package workerfx

import (
	"context"
	"time"
)

// Draining returns a channel that is closed when the run that ctx belongs to should finish what it is at
// and begin nothing new: its worker stops, is paused or is scaled down. A run that has called it gets
// time to finish: a stop ends its context only after three quarters of the time that there is, which is
// the worker's stop timeout or what [Pool.Stop] was given, else [Config.StopTimeout]. All others have their
// context ended at once. So call it where Run begins. Outside of a run it is ctx.Done().
func Draining(ctx context.Context) <-chan struct{} {
	run := runOf(ctx)
	if run == nil {
		return ctx.Done()
	}
	return run.listen(func(t *ties) { t.watched = true })
}

// heedDrain returns what [Draining] does, for a body that ends between two jobs.
func (c *runContext) heedDrain() <-chan struct{} {
	return c.listen(func(t *ties) { t.heeded, t.waiting = true, 0 })
}

// listen returns a channel that is closed when the run is to finish, and notes who asked for it.
func (c *runContext) listen(note func(*ties)) <-chan struct{} {
	t := c.tied()
	if t == noTies {
		return t.drain
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.over { // else it is a goroutine that the run left behind
		note(t)
	}
	if t.drain == nil {
		t.drain = make(chan struct{})
		if t.drained.Load() || t.over || c.Err() != nil {
			t.tell()
		}
	}
	return t.drain
}

// drain asks the run to finish.
func (c *runContext) drain() {
	t := c.tied()
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.over {
		t.drained.Store(true)
		t.tell()
	}
}

// tell lets go of those who wait for the run to be drained. t.mu is held.
func (t *ties) tell() {
	if t.drain != nil && !t.told {
		t.told = true
		close(t.drain)
	}
}

// finish ends the run's context: at once, or after grace if the worker looks at [Draining].
func (c *runContext) finish(grace time.Duration) {
	if grace <= 0 || !c.drainFor(grace) {
		c.stop()
	}
}

// drainFor asks the run to finish within grace, if its worker listens.
func (c *runContext) drainFor(grace time.Duration) bool {
	t := c.ties.Load()
	if t == nil {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.watched || t.over {
		return false
	}
	t.drained.Store(true)
	t.tell()
	switch due := time.Now().Add(grace); {
	case t.cut == nil:
		t.cut, t.cutAt = time.AfterFunc(grace, c.stop), due
	case due.Before(t.cutAt): // somebody else has less time
		t.cut.Reset(grace)
		t.cutAt = due
	}
	return true
}

// windUp lets the run finish, or ends its context if neither its body nor the worker would notice.
func (c *runContext) windUp() {
	c.drain()
	t := c.tied()
	t.mu.Lock()
	notices := t.heeded || t.watched
	t.mu.Unlock()
	if !notices {
		c.stop()
	}
}

// unheedDrain notes that the body does not look any more. What runs on, a middleware around the body
// perhaps, is told by the context then.
func (c *runContext) unheedDrain() {
	t := c.tied()
	t.mu.Lock()
	t.heeded = false
	unnoticed := t.drained.Load() && !t.watched
	t.mu.Unlock()
	if unnoticed {
		c.stop()
	}
}

// drained tells whether the run was asked to finish.
func (c *runContext) drained() bool {
	t := c.ties.Load()
	return t != nil && t.drained.Load()
}

// wasAsked tells whether the run ended because it was asked to, whatever was asked since. A run that was
// only drained may as well have ended by itself: then it did not say that it obeyed, and nobody in it
// listened, or it was all that a schedule's tick is for.
func (c *runContext) wasAsked(how outcomeKind) bool {
	if c.drained() && (how == obeyed || how == succeeded && !c.s.scheduled && c.isWatched()) {
		return true
	}
	life := c.life.Load()
	return life != nil && context.Cause(life) == ErrStopping //nolint:errorlint // stop gives it as it is
}

func (c *runContext) isWatched() bool {
	t := c.tied()
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.watched
}
