package workerfx

import "slices"

// WithAfter makes the worker's first run wait until the named workers are ready, and makes them stop only
// once it has stopped. A name is that of a worker, or of a group for all of its workers; workers of one
// group may leave the group's name out: a name is looked for in the own group first. A worker without [WithReadiness] is ready when its first run
// begins. The worker does not start behind one that has failed for good; one that the configuration keeps
// out of this process, or that was removed, holds nobody up. Unknown names and cycles are errors of
// [Pool.Start]. Given more than once, the names add up. A child cannot come after others.
func WithAfter(names ...string) Option {
	return func(s *settings) { s.after = append(slices.Clip(s.after), names...) }
}

// holdup returns the worker that m still has to wait for, or nil; one that is hopeless, if there is one.
func (m *member) holdup() (holdup *member, hopeless bool) {
	for _, before := range m.predecessors() {
		switch {
		case before.removed.Load() || before.isReady():
		case before.isHopeless():
			return before, true
		case holdup == nil:
			holdup = before
		}
	}
	return holdup, false
}

// enter makes the replica look at those that it comes after before it begins, and tells whether there are any.
func (s *supervisor) enter() bool {
	if len(s.predecessors()) == 0 {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entering = true
	return true
}

// holdup returns the worker that the replica still has to wait for, or nil.
func (s *supervisor) holdup() *member {
	if !s.entering {
		return nil
	}
	before, hopeless := s.member.holdup()
	lostTo := before
	if !hopeless {
		lostTo = nil
	}
	if known := s.links.Load().lostTo.Swap(lostTo); hopeless && known != lostTo {
		s.pool.readiness.setbacks.Add(1)
		s.pool.journal.lost(s, before)
	}
	return before
}

// lostTo is a hopeless worker that m comes after, or nil.
func (m *member) lostTo() *member {
	if l := m.links.Load(); l != nil {
		return l.lostTo.Load()
	}
	return nil
}

// hasTurn tells whether m may stop: all that come after it have. A child stops when its parent does.
func (p *Pool) hasTurn(m *member) bool {
	l := m.root().links.Load()
	if l == nil {
		return true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return !slices.ContainsFunc(l.followers, func(o *member) bool { return !o.isOver() })
}

// passTurn asks those to stop that waited for m to, if the pool stops.
func (p *Pool) passTurn(m *member) {
	predecessors := m.predecessors()
	if len(predecessors) == 0 || !p.halting.Load() {
		return
	}
	var members []*member
	for _, before := range predecessors {
		if !p.hasTurn(before) {
			continue
		}
		if members == nil {
			members = p.all()
		}
		for _, o := range members {
			if o.root() == before {
				o.requestStop(p.restOfStop())
			}
		}
	}
}

// restOfStop is what is left of the budget of the stop under way.
func (p *Pool) restOfStop() budget {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stopBudget.fromNow()
}

// root is the member itself or, of a child, the one that its ancestors began with.
func (m *member) root() *member {
	for m.parent != nil {
		m = m.parent.s.member
	}
	return m
}

// isOver tells whether nothing of m runs any more, or nobody waits for what does.
func (m *member) isOver() bool {
	for s := range m.replicas() {
		if !s.isOver() {
			return false
		}
	}
	return true
}
