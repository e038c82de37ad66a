package workerfx

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
)

// WithReadiness makes a worker count as ready only once it has called [Ready], instead of when its first
// run begins. Each run has to call it anew. Under Fx the app's start waits for workers with it.
func WithReadiness() Option {
	return func(s *settings) { s.readiness = true }
}

// Ready says that the run that ctx belongs to can do its work: see [WithReadiness]. It has no effect on other
// workers, outside of a run, and if called again.
func Ready(ctx context.Context) {
	if run := runOf(ctx); run != nil && run.s.readiness {
		run.sayReady()
	}
}

func (c *runContext) sayReady() {
	if t := c.tied(); t != noTies && t.ready.CompareAndSwap(false, true) {
		c.note(eventReady, "")
		c.s.changed()
	}
}

// isReady tells whether the run said that it is, or waits for its turn to work.
func (c *runContext) isReady() bool {
	t := c.ties.Load()
	return t != nil && (t.ready.Load() || t.standby.Load() > 0)
}

// Ready waits until every worker is ready: its first run has begun or, with [WithReadiness], its current run
// has called [Ready]. Ready, too, are a worker that waits for a tick of its schedule, unless the last one
// failed, one that has succeeded and one that is paused or has no replicas. Before the pool's start it
// waits for that. It fails when ctx ends, and at once if a worker cannot become ready by itself, with a
// *[HealthError] that tells which are not ready; and with [ErrPoolStopped].
func (p *Pool) Ready(ctx context.Context) error {
	return p.awaitReady(ctx, func(*member) bool { return true })
}

// startReady starts the pool and waits for the workers that say when they are ready. It stops the pool if
// they are not in time.
func (p *Pool) startReady(ctx context.Context) error {
	saysSo := func(m *member) bool { return m.readiness }
	if err := p.Start(ctx); err != nil || !slices.ContainsFunc(p.sorted(), saysSo) {
		return err
	}
	early, cancel := shortOf(ctx)
	defer cancel()
	err := p.awaitReady(early, saysSo)
	if err != nil {
		err = fmt.Errorf("pool %q: workers are not ready: %w", p.config.Name, errors.Join(err, p.Stop(ctx)))
	}
	return err
}

// awaitReady waits until those workers are ready that matter.
func (p *Pool) awaitReady(ctx context.Context, matters func(*member) bool) error {
	p.readiness.waiting.Add(1)
	defer p.readiness.waiting.Add(-1)
	from := 0             // those before it were ready when last looked at
	setbacks := int64(-1) // that there were when last looked for
	for {
		changed := p.readiness.change()
		if p.halting.Load() {
			return errors.Join(ErrPoolStopped, p.prematureEnd())
		}
		if p.hasStarted() {
			if p.areReady(&from, matters) {
				return nil
			}
			if n := p.readiness.setbacks.Load(); n != setbacks {
				setbacks = n
				if p.anyHopeless(matters) {
					return p.unready(matters)
				}
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), p.unready(matters))
		}
	}
}

// areReady tells whether all workers are ready that matter. It looks at those from a place on first, and
// keeps the place up to date.
func (p *Pool) areReady(from *int, matters func(*member) bool) bool {
	members := p.sorted()
	for range 2 { // they may have changed while it looked, and those before it too
		for ; *from < len(members); *from++ {
			if m := members[*from]; matters(m) && !m.isReady() {
				return false
			}
		}
		*from = 0
	}
	return true
}

// anyHopeless tells whether one that matters cannot become ready.
func (p *Pool) anyHopeless(matters func(*member) bool) bool {
	return slices.ContainsFunc(p.sorted(), func(m *member) bool { return matters(m) && m.isHopeless() })
}

// readiness tells those who wait for workers to be ready that something changed.
type readiness struct {
	waiting  atomic.Int32 // how many there are
	setbacks atomic.Int64 // how often a replica became one that cannot be ready
	mu       sync.Mutex   // guards changed
	changed  chan struct{}
}

// change returns a channel that is closed at the next change.
func (r *readiness) change() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.changed == nil {
		r.changed = make(chan struct{})
	}
	return r.changed
}

func (r *readiness) tell() {
	if r.waiting.Load() == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.changed != nil {
		close(r.changed)
		r.changed = nil
	}
}

// changed tells those who wait for the replica's worker that it may be ready now, or never will.
func (s *supervisor) changed() {
	for _, follower := range s.pool.followers(s.member) {
		follower.each((*supervisor).lookBefore)
	}
	s.team().tell(s)
	s.pool.readiness.tell()
}

// isReady tells whether all replicas of m are ready.
func (m *member) isReady() bool {
	for s := range m.replicas() {
		if !s.isReady() {
			return false
		}
	}
	return true
}

// isHopeless tells whether m cannot become ready unless somebody does something about it.
func (m *member) isHopeless() bool {
	for s := range m.replicas() {
		if s.isHopeless() {
			return true
		}
	}
	return false
}

// isHopeless tells whether the replica was given up, or comes after a worker that is hopeless.
func (s *supervisor) isHopeless() bool {
	s.mu.Lock()
	status, retired := s.report.status, s.orders.retired
	s.mu.Unlock()
	if retired {
		return false
	}
	if status == StatusPending {
		lostTo := s.lostTo()
		return lostTo != nil && lostTo.isHopeless() // it may not be any more
	}
	return status == StatusError
}

// isReady tells whether the replica can do its work now, as far as anybody expects it to.
func (s *supervisor) isReady() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := &s.report
	switch {
	case s.orders.retired, r.status == StatusPaused, r.status == StatusSuccess:
		return true
	case r.status == StatusError, r.status == StatusPending, s.orders.anew:
		return false
	case s.readiness && r.status == StatusRunning && r.run.isReady():
		return true
	case s.scheduled && !s.startImmediately:
		return !s.readiness || r.lastFailure() == nil
	case !s.readiness:
		return r.runs > 0
	}
	return s.scheduled && r.successes > 0 && r.lastFailure() == nil
}
