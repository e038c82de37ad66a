package workerfx

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
)

// links bind a worker to others.
type links struct {
	before    atomic.Pointer[[]*member] // it comes after these; replaced, never changed, by who holds the pool's lock
	followers []*member                 // these come after it; guarded by the pool's lock
	lostTo    atomic.Pointer[member]    // one of before that is hopeless, or nil
	acyclic   bool                      // nothing that it comes after waits for it, nor that those come after; guarded by the pool's lock
	team      *team                     // nil unless the workers of its group share failures
}

// doubt notes that it is not known any more that m is in no cycle, and so with those that come after it. The pool's
// lock is held.
func (m *member) doubt() {
	l := m.links.Load()
	if l == nil || !l.acyclic {
		return
	}
	l.acyclic = false
	for _, follower := range l.followers {
		follower.doubt()
	}
}

// linkTo notes that m comes after others. The pool's lock is held.
func (m *member) linkTo(others []*member) {
	if len(others) == 0 {
		return
	}
	before := append(slices.Clip(m.predecessors()), others...)
	m.linked().before.Store(&before)
	for _, o := range others {
		l := o.linked()
		l.followers = append(l.followers, m)
	}
}

func (m *member) linked() *links {
	if m.links.Load() == nil {
		m.links.Store(new(links))
	}
	return m.links.Load()
}

// unlink makes nobody wait for m, to stop or to be ready. The pool's lock is held.
func (m *member) unlink() {
	isM := func(o *member) bool { return o == m }
	for _, before := range m.predecessors() {
		l := before.linked()
		l.followers = slices.DeleteFunc(l.followers, isM)
	}
	if l := m.links.Load(); l != nil {
		for _, follower := range l.followers {
			before := slices.DeleteFunc(slices.Clone(follower.predecessors()), isM)
			follower.linked().before.Store(&before)
		}
	}
}

// predecessors are the workers that m comes after.
func (m *member) predecessors() []*member {
	if l := m.links.Load(); l != nil && l.before.Load() != nil {
		return *l.before.Load()
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
	p.known = nil
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

// link finds the workers that these members come after, and those that were there before and come after
// them. It fails for unknown names and cycles. The pool's lock is held.
func (p *Pool) link(members []*member) error {
	if !p.ordered {
		return nil
	}
	p.learn(members)
	isNew := make(map[*member]bool, len(members))
	for _, m := range members {
		isNew[m] = true
		targets, unknown := p.predecessorsOf(m)
		if len(unknown) > 0 {
			return p.unknownPredecessor(m, unknown[0])
		}
		m.linkTo(targets)
	}
	for m := range p.awaiting(members, isNew) { // what is new may stand for what was removed
		targets, _ := p.predecessorsOf(m) // a name that is not there any more was once
		m.linkTo(slices.DeleteFunc(targets, func(o *member) bool { return !isNew[o] }))
		m.doubt()
	}
	for _, m := range members {
		if cycle := m.cycle(nil); cycle != nil {
			return fmt.Errorf("worker %q: after: workers wait for each other in a circle: %s", m.name, strings.Join(cycle, " -> "))
		}
	}
	return nil
}

// learn puts new members into the directory. The pool's lock is held.
func (p *Pool) learn(members []*member) {
	if p.known == nil {
		p.known = newDirectory()
		members = slices.Collect(maps.Values(p.members))
	}
	for _, m := range members {
		p.known.add(m)
	}
}

// awaiting returns the workers that were there before and may come after new ones. The pool's lock is held.
func (p *Pool) awaiting(members []*member, isNew map[*member]bool) map[*member]bool {
	found := make(map[*member]bool)
	for _, m := range members {
		for name := range m.callNames() {
			for _, o := range p.known.followers[name] {
				if !isNew[o] {
					found[o] = true
				}
			}
		}
	}
	return found
}

// predecessorsOf returns the workers that m comes after by their names, and the names that are not there.
func (p *Pool) predecessorsOf(m *member) (found []*member, unknown []string) {
	seen := make(map[*member]bool)
	for _, name := range m.after {
		targets, ok := p.workersCalled(name, m)
		if !ok {
			unknown = append(unknown, name)
		}
		for _, target := range targets {
			if !seen[target] {
				seen[target] = true
				found = append(found, target)
			}
		}
	}
	return found, unknown
}

// workersCalled returns the workers that m means by a name: none if they are kept out of this process. It is not ok
// if there are no such workers.
func (p *Pool) workersCalled(name string, m *member) (found []*member, ok bool) {
	for _, full := range m.meanings(name) {
		found := p.known.workers[full]
		if len(found) > 0 || slices.ContainsFunc(p.excluded, func(o string) bool { return isIn(o, full) }) {
			return found, true
		}
	}
	return nil, false
}

func (p *Pool) unknownPredecessor(m *member, name string) error {
	names := slices.Sorted(maps.Keys(p.known.workers))
	return fmt.Errorf("worker %q: after %q: %w%s", m.name, cut(name, maxName), ErrUnknownWorker, didYouMean(cut(name, maxName), names))
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
	for _, before := range m.predecessors() {
		if names := before.cycle(way); names != nil {
			return names
		}
	}
	l.acyclic = true
	return nil
}
