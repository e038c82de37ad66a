package workerfx

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/workerfx/workerfx/internal/lifecycle"
)

// WithReadiness makes a worker count as ready only once it has called [Ready], instead of when its first
// run begins. Each run has to call it anew. Under Fx the app's start waits for workers with it.
func WithReadiness() Option {
	return func(s *settings) { s.readiness = true }
}

// Ready says that the run that ctx belongs to can do its work: see [WithReadiness]. It has no effect on other
// workers, outside of a run, and if called again.
func Ready(ctx context.Context) {
	r := runOf(ctx)
	if r == nil || !r.replica.readiness {
		return
	}
	mu := &r.replica.pool.mu
	mu.Lock()
	defer mu.Unlock()
	if r.over || r.part().ready {
		return
	}
	r.parts.ready = true
	r.replica.note(eventReady, "", time.Now())
	r.replica.changed()
}

// Ready waits until every worker is ready: its first run has begun or, with [WithReadiness], its current run
// has called [Ready]. Ready, too, are a worker that waits for a tick of its schedule, unless the last one
// failed, one that has succeeded and one that is paused or has no replicas. Before the pool's start it
// waits for that. It fails when ctx ends, and at once if a worker cannot become ready by itself, with a
// *[HealthError] that tells which are not ready; and with [ErrPoolStopped].
func (p *Pool) Ready(ctx context.Context) error {
	return p.awaitReady(ctx, func(*entry) bool { return true })
}

// startReady starts the pool and waits for the workers that say when they are ready. It stops the pool if
// they are not in time.
func (p *Pool) startReady(ctx context.Context) error {
	saysSo := func(e *entry) bool { return e.readiness }
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

// readiness tells those who wait for workers to be ready that something changed. The pool's lock guards it.
type readiness struct {
	setbacks int           // how often a replica became one that cannot be ready
	change   chan struct{} // closed at the next change; nil unless somebody waits for it
}

// changed lets those look again who wait.
func (r *readiness) changed() {
	if r.change != nil {
		close(r.change)
		r.change = nil
	}
}

// awaitReady waits until those workers are ready that matter.
func (p *Pool) awaitReady(ctx context.Context, matters func(*entry) bool) error {
	w := readyWait{pool: p, matters: matters, setbacks: -1}
	for {
		changed, done, err := w.look()
		if done {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), p.unready(matters))
		}
	}
}

// readyWait is a wait for workers to be ready.
type readyWait struct {
	pool     *Pool
	matters  func(*entry) bool
	from     int // the workers before it were ready when last looked at
	setbacks int // that there were when last looked for
}

// look tells whether the wait is over, and when to look again.
func (w *readyWait) look() (changed <-chan struct{}, done bool, err error) {
	p := w.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.phase == phaseStopped:
		return nil, true, errors.Join(ErrPoolStopped, p.failure)
	case p.base != nil && w.allReady():
		return nil, true, nil
	case p.base != nil && p.readiness.setbacks != w.setbacks:
		w.setbacks = p.readiness.setbacks
		cannot := func(e *entry) bool { return w.matters(e) && e.hasFailed() }
		if slices.ContainsFunc(sortedEntries(p), cannot) {
			return nil, true, problemsOf(sortedEntries(p), unreadyOf(w.matters))
		}
	}
	if p.readiness.change == nil {
		p.readiness.change = make(chan struct{})
	}
	return p.readiness.change, false, nil
}

// allReady tells whether all workers are ready that matter. It goes on where it left off.
func (w *readyWait) allReady() bool {
	entries := sortedEntries(w.pool)
	for range 2 { // they may have changed since, and those before it too
		for ; w.from < len(entries); w.from++ {
			if e := entries[w.from]; w.matters(e) && !e.isReady() {
				return false
			}
		}
		w.from = 0
	}
	return true
}

// changed tells those who wait for the replica's worker that it may be ready now, or never will.
func (r *replica) changed() {
	if r.node != nil {
		for _, dependent := range r.node.Dependents() {
			dependent.Value.lookAtPredecessors()
		}
	}
	r.group.wakeFailed(r)
	r.pool.readiness.changed()
}

// announce is changed for those who do not hold the pool's lock.
func (r *replica) announce() {
	r.pool.mu.Lock()
	defer r.pool.mu.Unlock()
	r.changed()
}

// isReady tells whether all replicas are ready.
func (e *entry) isReady() bool {
	for r := range e.replicas() {
		if !r.isReady() {
			return false
		}
	}
	return true
}

// isReady tells whether the replica can do its work now, as far as anybody expects it to.
func (r *replica) isReady() bool {
	saidSo := r.run != nil && r.run.parts != nil && (r.run.parts.ready || r.run.parts.standby > 0)
	return r.machine.IsReady(saidSo)
}

// hasFailed tells whether the worker cannot become ready unless somebody does something about it.
func (e *entry) hasFailed() bool {
	for r := range e.replicas() {
		if r.hasFailed() {
			return true
		}
	}
	return false
}

// hasFailed tells whether the replica failed for good, or comes after a worker that did.
func (r *replica) hasFailed() bool {
	switch status := r.machine.Status(); {
	case r.machine.IsScaledDown():
		return false
	case status == lifecycle.Pending:
		return r.lost != nil && r.lost.hasFailed() // it may not have any more
	default:
		return status == lifecycle.Error
	}
}
