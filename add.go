package workerfx

import (
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
