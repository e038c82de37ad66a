package workerfx

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync/atomic"
)

// member is a worker of a pool: what it runs, how, and the supervisors of its replicas.
type member struct {
	*settings

	pool    *Pool
	name    string
	body    Worker      // with the middleware around it
	parent  *runContext // of a child; nil for all others
	removed atomic.Bool // it is to be forgotten once it has stopped

	links atomic.Pointer[links] // to others; nil for most

	first supervisor // replica 0, which always is there

	// more are the other replicas in their order. The slice is replaced, never changed, by who holds the
	// pool's lock.
	more    atomic.Pointer[[]*supervisor]
	wanted  int32   // replicas; guarded by the pool's lock
	paused  bool    // as new replicas are to be; guarded by the pool's lock
	retired *totals // of replicas that were scaled down and are gone, or nil; guarded by the pool's lock
}

// replicas yields the supervisors of the member's replicas in their order, also of those that were
// scaled down and have not ended yet.
func (m *member) replicas() iter.Seq[*supervisor] {
	return func(yield func(*supervisor) bool) {
		if !yield(&m.first) {
			return
		}
		more := m.more.Load()
		if more == nil {
			return
		}
		for _, s := range *more {
			if !yield(s) {
				return
			}
		}
	}
}

// close makes the member one that is to be forgotten and gets no new goroutines. Whoever holds the
// pool's lock after it returned sees that.
func (m *member) close() {
	m.pool.mu.Lock()
	defer m.pool.mu.Unlock()
	m.removed.Store(true)
}

// isOpen tells whether the member may get new goroutines. The pool's lock is held.
func (m *member) isOpen() bool {
	return m.pool.members[m.name] == m && !m.removed.Load()
}

// base is the context whose values the member's runs have. It does not end.
func (m *member) base() context.Context {
	if m.parent != nil {
		return context.WithoutCancel(m.parent)
	}
	return m.pool.base
}

// value looks a key up in base.
func (m *member) value(key any) any {
	if m.parent != nil {
		return m.parent.Value(key)
	}
	return m.pool.base.Value(key)
}

// place is where a worker comes from.
type place struct {
	name    string   // of the group, or of the parent
	child   bool     // it is a parent's name
	options []Option // of the group
}

// newMember puts together a worker and all that is said about it: the pool's defaults, its group's
// options, its own, those given where it is added and, last, the configuration for its name.
func (p *Pool) newMember(from place, w Worker, addOpts []Option) (*member, error) {
	if w == nil {
		return nil, errNilWorker
	}
	body, own := unwrapWorker(w)
	if err := checkBody(body); err != nil {
		return nil, fmt.Errorf("worker %q: %w", qualifiedName(from.name, givenName(body)), err)
	}
	s, err := p.newSettings(from.options, own, addOpts)
	if err != nil {
		return nil, fmt.Errorf("worker %q: %w", qualifiedName(from.name, givenName(body)), err)
	}
	name, err := nameIn(from.name, s, body)
	if err != nil {
		return nil, err
	}
	if s, err = p.finishSettings(name, s, from); err != nil {
		return nil, err
	}
	body, err = wrap(plainBody(body), p.middleware, s.middleware)
	if err != nil {
		return nil, fmt.Errorf("worker %q: %w", name, err)
	}
	m := &member{settings: s, pool: p, name: name, body: body, wanted: int32(s.replicas)} //nolint:gosec // limitOfReplicas
	m.first.member = m
	if m.wanted > 1 {
		more := make([]*supervisor, m.wanted-1)
		for i := range more {
			more[i] = &supervisor{member: m, replica: int32(i + 1)}
		}
		m.more.Store(&more)
	}
	return m, nil
}

// newSettings applies options on top of the pool's defaults. Without options it returns nil.
func (p *Pool) newSettings(opts ...[]Option) (*settings, error) {
	all := slices.Concat(opts...)
	if len(all) == 0 {
		return nil, nil
	}
	s := p.defaults
	return &s, s.apply(all)
}

// finishSettings applies what the configuration says about the worker, and checks the result. Workers
// about which nothing is said share the pool's defaults.
func (p *Pool) finishSettings(name string, s *settings, from place) (*settings, error) {
	overrides := p.config.overrides(name)
	if from.child { // what is said about the parent is not about it
		overrides = nil
		if override, ok := p.config.Workers[name]; ok {
			overrides = []WorkerConfig{override}
		}
	}
	if s == nil {
		if len(overrides) == 0 {
			return p.completeDefaults, nil
		}
		copied := p.defaults
		s = &copied
	}
	for _, override := range overrides {
		override.apply(s)
	}
	s.complete()
	return s, errors.Join(s.validate(name), s.validatePlace(name, from))
}

// validatePlace says which settings do not fit where the worker comes from.
func (s *settings) validatePlace(worker string, from place) error {
	if from.child && len(s.after) > 0 {
		return badValue(worker, "after", s.after, "a child cannot come after others: it comes and goes with its parent")
	}
	if inGroup := from.name != "" && !from.child; s.strategy != OneForOne && !inGroup {
		return badValue(worker, "strategy", s.strategy, "is for workers of a Group, and this one is in none")
	}
	return nil
}

// nameIn is the name that a worker, or a group, has in its pool.
func nameIn(group string, s *settings, v any) (name string, err error) {
	if s != nil && s.name != nil {
		name = *s.name
	} else if name, err = nameOf(v); err != nil {
		return "", err
	}
	if err := checkName(name); err != nil {
		if group != "" {
			err = fmt.Errorf("group %q: %w", group, err)
		}
		return "", err
	}
	name = qualifiedName(group, name)
	return name, checkName(name)
}

func qualifiedName(group, name string) string {
	if group == "" {
		return name
	}
	return group + "/" + name
}

// givenName is what an error calls a worker that is too broken to be asked.
func givenName(body Worker) string {
	if named, ok := body.(*namedWorker); ok && named != nil {
		return named.name
	}
	return typeName(body)
}

// plainBody spares a worker made of a function the detour over its name.
func plainBody(w Worker) Worker {
	if named, ok := w.(*namedWorker); ok {
		return named.RunFunc
	}
	return w
}

// newGroup puts together the workers that a group configures.
func (p *Pool) newGroup(g Group, opts []Option) ([]*member, error) {
	for wrapped, ok := g.(*groupWithOptions); ok; wrapped, ok = g.(*groupWithOptions) {
		g, opts = wrapped.Group, slices.Concat(wrapped.opts, opts)
	}
	if isNil(g) {
		return nil, errNilGroup
	}
	var s settings
	if err := s.apply(opts); err != nil {
		return nil, fmt.Errorf("group %q: %w", typeName(g), err)
	}
	name, err := nameIn("", &s, g)
	if err != nil {
		return nil, err
	}
	workers, err := workersOf(g)
	if err != nil {
		return nil, fmt.Errorf("group %q: %w", name, err)
	}
	var errs []error
	members := make([]*member, 0, len(workers))
	for i, w := range workers {
		m, err := p.newMember(place{name: name, options: append(slices.Clip(opts), unnamed)}, w, nil)
		if errors.Is(err, errNilWorker) {
			err = fmt.Errorf("group %q: worker %d is nil", name, i+1)
		}
		errs = append(errs, err)
		members = append(members, m)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	newTeam(members)
	return members, nil
}

// unnamed keeps a group's name from becoming that of its workers.
func unnamed(s *settings) { s.name = nil }

// workersOf calls Workers, which is the user's code.
func workersOf(g Group) (workers []Worker, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic in Workers: %s", valueText(r))
		}
	}()
	return g.Workers(), nil
}
