package workerfx

import (
	"fmt"
	"slices"
)

// Add adds a worker: before Start it is registered, after Start it runs at once. Options given here win
// over those attached to w. A worker that the configuration keeps out of this process is checked and
// left out. It fails with [ErrDuplicateWorker], with [ErrPoolStopped], or because of a setting that is
// out of range.
func (p *Pool) Add(w Worker, opts ...Option) error {
	m, err := p.newMember(place{}, w, opts)
	if err != nil {
		return err
	}
	return p.join([]*member{m})
}

// AddGroup adds all workers of a group, or none if there is an error in one. See [Pool.Add].
func (p *Pool) AddGroup(g Group, opts ...Option) error {
	members, err := p.newGroup(g, opts)
	if err != nil {
		return err
	}
	return p.join(members)
}

// join makes members part of the pool, all or none.
func (p *Pool) join(members []*member) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(members) == 0 {
		return nil
	}
	if p.phase == phaseStopped {
		return fmt.Errorf("worker %q: %w", members[0].name, ErrPoolStopped)
	}
	for i, m := range members {
		same := func(o *member) bool { return o.name == m.name }
		if p.members[m.name] != nil || slices.ContainsFunc(members[:i], same) {
			return fmt.Errorf("worker %q: %w; WithName gives it another", m.name, ErrDuplicateWorker)
		}
	}
	members = slices.DeleteFunc(members, p.leaveOut)
	for _, m := range members {
		p.members[m.name] = m
		p.ordered = p.ordered || len(m.after) > 0
		if m.stopTimeout > 0 {
			p.bounded.Store(true)
		}
	}
	p.order = nil
	if p.phase == phaseNew {
		return nil
	}
	if err := p.link(members); err != nil {
		p.drop(members)
		return err
	}
	for _, m := range members {
		p.launch(m)
	}
	return nil
}

// leaveOut tells whether the configuration keeps m out of this process, and takes note. p.mu is held.
func (p *Pool) leaveOut(m *member) bool {
	out := m.parent == nil && p.config.excludes(m.name)
	if out {
		p.excluded = append(p.excluded, m.name)
	}
	return out
}

// drop takes members out of the pool. p.mu is held.
func (p *Pool) drop(members []*member) {
	for _, m := range members {
		delete(p.members, m.name)
		m.removed.Store(true)
		m.unlink()
		if p.known != nil {
			p.known.remove(m)
		}
	}
	p.order = nil
}

// launch starts a member's replicas. p.mu is held.
func (p *Pool) launch(m *member) {
	for s := range m.replicas() {
		if m.wanted == 0 {
			s.retire()
		}
		p.spawn(s)
	}
}

// spawn gives a replica its goroutine. p.mu is held.
func (p *Pool) spawn(s *supervisor) {
	p.live.Add(1)
	go s.supervise()
}
