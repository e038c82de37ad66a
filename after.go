package workerfx

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
)

// WithAfter makes the worker's first run wait until the named workers are ready, and makes them stop only
// once it has stopped. A name is that of a worker, or of a group for all of its workers; workers of one
// group may leave the group's name out: a name is looked for in the own group first. A worker without [WithReadiness] is ready when its first run
// begins. The worker does not start behind one that has failed for good; one that the configuration keeps
// out of this process, or that was removed, holds nobody up. Unknown names and cycles are errors of
// [Pool.Start]. Given more than once, the names add up. A child cannot come after others.
func WithAfter(names ...string) Option {
	return func(s *settings) { s.after = append(slices.Clip(s.after), names...) }
}

// links bind a worker to others.
type links struct {
	before    []*member              // it comes after these; does not change once its goroutines run
	followers []*member              // these come after it; guarded by the pool's lock
	lostTo    atomic.Pointer[member] // one of before that is hopeless, or nil
	acyclic   bool                   // nothing that it comes after waits for it; guarded by the pool's lock
	team      *team                  // nil unless the workers of its group share failures
}

// linkTo notes that m comes after another. The pool's lock is held.
func (m *member) linkTo(before *member) {
	mine, others := m.linked(), before.linked()
	mine.before = append(mine.before, before)
	others.followers = append(others.followers, m)
}

func (m *member) linked() *links {
	if m.links.Load() == nil {
		m.links.Store(new(links))
	}
	return m.links.Load()
}

// unlink makes nobody wait for m to stop. The pool's lock is held.
func (m *member) unlink() {
	for _, before := range m.predecessors() {
		l := before.linked()
		l.followers = slices.DeleteFunc(l.followers, func(o *member) bool { return o == m })
	}
}

// predecessors are the workers that m comes after.
func (m *member) predecessors() []*member {
	if l := m.links.Load(); l != nil {
		return l.before
	}
	return nil
}

// followers are the workers that come after m.
func (p *Pool) followers(m *member) []*member {
	l := m.links.Load()
	if l == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(l.followers)
}

// linkAll is link for all members of a pool that starts.
func (p *Pool) linkAll() error {
	var members []*member
	for _, m := range p.members {
		if l := m.links.Load(); l != nil {
			m.links.Store(&links{team: l.team}) // the others are of a start that failed
		}
		if len(m.after) > 0 {
			members = append(members, m)
		}
	}
	slices.SortFunc(members, byName)
	return p.link(members)
}

// link finds the workers that these members come after. It fails for unknown names and cycles. The
// pool's lock is held.
func (p *Pool) link(members []*member) error {
	var known directory
	for _, m := range members {
		if len(m.after) > 0 && known == nil { // few pools need it
			known = p.directory()
		}
		linked := make(map[*member]bool)
		for _, name := range m.after {
			targets, err := p.workersCalled(name, m, known)
			if err != nil {
				return err
			}
			for _, target := range targets {
				if !linked[target] {
					linked[target] = true
					m.linkTo(target)
				}
			}
		}
	}
	for _, m := range members {
		if cycle := m.cycle(nil); cycle != nil {
			return fmt.Errorf("worker %q: after: workers wait for each other in a circle: %s", m.name, strings.Join(cycle, " -> "))
		}
	}
	return nil
}

// directory finds workers by their own name, or that of a group they are in.
type directory map[string][]*member

// directory lists the pool's workers, without children. The pool's lock is held.
func (p *Pool) directory() directory {
	d := make(directory, len(p.members))
	for _, m := range p.members {
		for name := m.name; name != "" && m.parent == nil; name = parentName(name) {
			d[name] = append(d[name], m)
		}
	}
	return d
}

// workersCalled returns the workers that m means by a name: none if they are kept out of this process.
func (p *Pool) workersCalled(name string, m *member, known directory) ([]*member, error) {
	for _, full := range []string{qualifiedName(parentName(m.name), name), name} {
		found := known[full]
		if len(found) > 0 || slices.ContainsFunc(p.excluded, func(o string) bool { return isIn(o, full) }) {
			return found, nil
		}
	}
	names := slices.Sorted(maps.Keys(known))
	return nil, fmt.Errorf("worker %q: after %q: %w%s", m.name, cut(name, maxName), ErrUnknownWorker, didYouMean(cut(name, maxName), names))
}

// isIn tells whether a worker is the one of that name, or in the group of that name.
func isIn(worker, name string) bool {
	return worker == name || strings.HasPrefix(worker, name+"/")
}

// cycle returns the names on a way from m back to it, or nil. way is how one came to m.
func (m *member) cycle(way []*member) []string {
	if start := slices.Index(way, m); start >= 0 {
		names := make([]string, 0, len(way)+1)
		for _, o := range append(way[start:], m) {
			names = append(names, o.name)
		}
		return names
	}
	l := m.links.Load()
	if l == nil || l.acyclic {
		return nil
	}
	way = append(way, m)
	for _, before := range l.before {
		if names := before.cycle(way); names != nil {
			return names
		}
	}
	l.acyclic = true
	return nil
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
