package workerfx

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Add adds a worker. In a pool that has started it runs at once. Options that are given here win over those of w. A
// worker that the configuration excludes from this process is checked and left out. Add fails with
// [ErrDuplicateWorker], [ErrPoolStopped], or an error that names a setting that is out of range.
func (p *Pool) Add(w Worker, opts ...Option) error {
	e, err := newEntry(p, owner{}, w, opts)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return addAll(p, []*entry{e})
}

// AddGroup adds all workers of a group, or none if one of them has an error. See [Pool.Add].
func (p *Pool) AddGroup(g Group, opts ...Option) error {
	entries, err := newGroup(p, g, opts)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return addAll(p, entries)
}

// addAll adds all entries to the pool, or none. The pool's lock is held here and in the functions below.
func addAll(p *Pool, entries []*entry) error {
	if len(entries) == 0 {
		return nil
	}
	if p.phase == phaseStopped {
		return fmt.Errorf("worker %q: %w", entries[0].name, ErrPoolStopped)
	}
	for i, e := range entries {
		same := func(o *entry) bool { return o.name == e.name }
		excludedTwice := p.excluded[e.name] && p.phase == phaseNew
		if p.entries[e.name] != nil || excludedTwice || slices.ContainsFunc(entries[:i], same) {
			return fmt.Errorf("worker %q: %w; WithName gives it another", e.name, ErrDuplicateWorker)
		}
	}
	entries = withoutExcluded(p, entries)
	for _, e := range entries {
		p.entries[e.name] = e
	}
	p.byName = nil
	if p.phase != phaseNew {
		if err := orderNew(p, entries); err != nil {
			removeEntries(p, entries)
			return err
		}
	}
	now := time.Now()
	for _, e := range entries {
		e.publishWorker(EventAdded)
		if p.phase != phaseNew {
			for _, r := range e.prepareStart(nil) {
				r.launch(now)
			}
		}
	}
	return nil
}

// withoutExcluded returns the workers that the configuration does not exclude from this process. The pool keeps the names of
// the others, but for children.
func withoutExcluded(p *Pool, entries []*entry) []*entry {
	excluded := func(e *entry) bool { return p.config.excludes(configuredName(e.parent, e.name)) }
	if !slices.ContainsFunc(entries, excluded) {
		return entries
	}
	var left []*entry
	for _, e := range entries {
		switch {
		case !excluded(e):
			left = append(left, e)
		case e.parent == nil: // children may have any number of names
			p.excluded[e.name] = true
		}
	}
	return left
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

// removeIfEnded takes a removed worker or a child out of the pool if it has ended. It tells whether the worker is out.
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
