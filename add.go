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
	for _, m := range members {
		if m.parent == nil && p.config.excludes(m.name) {
			p.excluded = append(p.excluded, m.name)
			continue
		}
		p.members[m.name] = m
		p.order = nil
		if m.stopTimeout > 0 {
			p.bounded.Store(true)
		}
		if p.phase == phaseStarted {
			p.launch(m)
		}
	}
	return nil
}

// launch starts a member's replicas. p.mu is held.
func (p *Pool) launch(m *member) {
	for s := range m.replicas() {
		if m.wanted == 0 {
			s.orders.retired = true
		}
		p.spawn(s)
	}
}

// spawn gives a replica its goroutine. p.mu is held.
func (p *Pool) spawn(s *supervisor) {
	p.live.Add(1)
	go s.supervise()
}
