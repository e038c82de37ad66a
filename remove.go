package workerfx

import (
	"context"
	"fmt"
)

// Remove stops a worker, waits until it has stopped, and removes it. A *[StopError] names the worker if it does not
// stop before ctx ends or its stop timeout passes (15s if it has none and ctx has no deadline). It is removed when
// it stops. Remove fails with [ErrUnknownWorker].
func (p *Pool) Remove(ctx context.Context, name string) error {
	e, err := findEntry(p, name)
	if err != nil {
		return err
	}
	if err := stopAndWait(ctx, e); err != nil {
		return fmt.Errorf("worker %q: remove: %w", name, err)
	}
	return nil
}

// stopAndWait stops a worker and removes it. It returns a *StopError if that takes too long. The pool's lock is not held.
func stopAndWait(ctx context.Context, e *entry) error {
	p := e.pool
	ctx, cancel := boundedStop(ctx, e)
	defer cancel()
	p.mu.Lock()
	e.removed = true
	e.first.changed() // no other worker waits for this one any more
	var effects sideEffects
	e.logUnhandled(&effects)
	if removeIfEnded(e) {
		p.mu.Unlock()
		effects.perform()
		return nil
	}
	e.askToStop(p.stopDeadlineOf(ctx), &effects)
	var ended []<-chan struct{}
	for r := range e.replicas() {
		ended = append(ended, r.hasEndedChan())
	}
	p.mu.Unlock()
	effects.perform()
	for _, c := range ended {
		select {
		case <-c:
		case <-ctx.Done():
		}
	}
	p.mu.Lock()
	stragglers := stragglersOf(e)
	if len(stragglers) == 0 {
		removeIfEnded(e)
	}
	p.mu.Unlock()
	if stop := stopErrorAbout(stragglers); stop != nil {
		return stop
	}
	return nil
}

// boundedStop returns ctx with a deadline, so that a call returns also if the worker does not stop.
func boundedStop(ctx context.Context, e *entry) (context.Context, context.CancelFunc) {
	if e.stopTimeout > 0 {
		return context.WithTimeout(ctx, e.stopTimeout)
	}
	if _, bounded := ctx.Deadline(); !bounded {
		return context.WithTimeout(ctx, e.pool.config.stopTimeout())
	}
	return ctx, func() {}
}

// removeIfEnded takes a removed worker or a child out of the pool if it has ended. It tells whether the worker
// is out. The pool's lock is held here and in the function below.
func removeIfEnded(e *entry) bool {
	p := e.pool
	if p.entries[e.name] == e {
		if p.wasStarted() && !e.hasEnded() {
			return false
		}
		removeEntries(p, []*entry{e})
		e.publishWorker(EventRemoved)
	}
	if e.parent != nil && e.parent.child(childName(e)) == e {
		delete(e.parent.parts.children, childName(e))
		if p.config.Metrics.Children == ChildrenParent {
			e.root().retire(func(t *totals) { t.addEntry(e) })
		}
	}
	return true
}

// removeEntries takes entries out of the pool and its start order.
func removeEntries(p *Pool, entries []*entry) {
	for _, e := range entries {
		delete(p.entries, e.name)
		e.removed = true
		if e.node != nil && p.order != nil {
			p.order.Remove(e.node)
		}
	}
	p.byName = nil
}
