package workerfx

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/workerfx/workerfx/internal/lifecycle"
)

// WithReadiness makes the worker ready when its run calls [Ready], instead of when its first run begins. Each run
// has to call Ready again. Under Fx the start of the app waits for workers with this option.
func WithReadiness() Option {
	return func(s *settings) { s.readiness = true }
}

// Ready says that the run that ctx belongs to can do its work: see [WithReadiness]. It has no effect without that option,
// outside of a run, and if it is called again.
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

// Ready waits until every worker is ready. A worker is ready when its first run has begun; with [WithReadiness]
// when its current run has called [Ready]. A worker is also ready while it waits for a tick, unless its last run
// failed, when it has succeeded, while it is paused, and without replicas. Ready also waits for the start of the
// pool. It fails when ctx ends, and at once if a worker cannot become ready by itself. The error is then a
// *[HealthError] that names the workers that are not ready. It is [ErrPoolStopped] when the pool stops.
func (p *Pool) Ready(ctx context.Context) error {
	return p.awaitReady(ctx, func(*entry) bool { return true })
}

// startReady starts the pool and waits for the workers with [WithReadiness]. It stops the pool if they are not
// ready in time.
func (p *Pool) startReady(ctx context.Context) error {
	withReadiness := func(e *entry) bool { return e.readiness }
	if err := p.Start(ctx); err != nil || !slices.ContainsFunc(p.sorted(), withReadiness) {
		return err
	}
	early, cancel := withReserve(ctx)
	defer cancel()
	err := p.awaitReady(early, withReadiness)
	if err != nil {
		err = fmt.Errorf("%s: workers are not ready: %w", p.config.poolTitle(), errors.Join(err, p.Stop(ctx)))
	}
	return err
}

// readiness wakes goroutines that wait for workers to be ready. The pool's lock guards it.
type readiness struct {
	failures int           // how often a replica failed for good
	change   chan struct{} // closed at the next change; nil unless a goroutine waits for it
}

// changed wakes the goroutines that wait.
func (r *readiness) changed() {
	if r.change != nil {
		close(r.change)
		r.change = nil
	}
}

// awaitReady waits until all workers that matter are ready.
func (p *Pool) awaitReady(ctx context.Context, matters func(*entry) bool) error {
	w := readyWait{pool: p, matters: matters, failures: -1}
	for {
		changed, done, err := w.check()
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
	from     int // the index of the first worker that was not ready at the last check
	failures int // of the pool's readiness, at the last check
}

// check tells whether the wait is over. If not, it returns a channel that is closed when it is time to check again.
func (w *readyWait) check() (changed <-chan struct{}, done bool, err error) {
	p := w.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.phase == phaseStopped:
		return nil, true, errors.Join(ErrPoolStopped, p.prematureErr)
	case p.wasStarted() && w.allReady():
		return nil, true, nil
	case p.wasStarted() && p.readiness.failures != w.failures:
		w.failures = p.readiness.failures
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

// allReady tells whether all workers that matter are ready. It begins with the worker that was not ready at the
// last check.
func (w *readyWait) allReady() bool {
	entries := sortedEntries(w.pool)
	for range 2 { // the workers before it may have changed since
		for ; w.from < len(entries); w.from++ {
			if e := entries[w.from]; w.matters(e) && !e.isReady() {
				return false
			}
		}
		w.from = 0
	}
	return true
}

// changed wakes all who wait for the replica's worker, as it may be ready now, or may never be.
func (r *replica) changed() {
	if r.node != nil {
		for _, dependent := range r.node.Dependents() {
			dependent.Value.recheckPredecessors()
		}
	}
	r.group.wakeFailed(r)
	r.pool.readiness.changed()
}

// announce calls changed with the pool's lock, which the caller does not hold.
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

// isReady tells whether the replica is ready: see [Pool.Ready].
func (r *replica) isReady() bool {
	calledReady := r.run != nil && r.run.parts != nil && (r.run.parts.ready || r.run.parts.standby > 0)
	return r.removed || r.machine.IsReady(calledReady) // nobody expects it of a worker that leaves
}

// hasFailed tells whether the worker cannot become ready by itself.
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
		return r.failedPredecessor != nil && r.failedPredecessor.hasFailed() // r.failedPredecessor may have been restarted
	default:
		return r.machine.HasFailed()
	}
}
