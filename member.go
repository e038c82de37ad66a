package workerfx

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync/atomic"
)

// member is a worker of a pool: what it runs, how, and the supervisors of its replicas. All but removed
// is fixed when it is added.
type member struct {
	*settings

	pool    *Pool
	name    string
	body    Worker // with the middleware around it
	removed atomic.Bool

	first supervisor
}

// replicas yields the supervisors of the member's replicas in their order.
func (m *member) replicas() iter.Seq[*supervisor] {
	return func(yield func(*supervisor) bool) { yield(&m.first) }
}

// newMember puts together a worker and all that is said about it: the pool's defaults, its group's
// options, its own, those given where it is added and, last, the configuration for its name.
func (p *Pool) newMember(group string, w Worker, groupOpts, addOpts []Option) (*member, error) {
	if w == nil {
		return nil, errNilWorker
	}
	body, own := unwrapWorker(w)
	if err := checkBody(body); err != nil {
		return nil, fmt.Errorf("worker %q: %w", qualifiedName(group, givenName(body)), err)
	}
	s, err := p.newSettings(groupOpts, own, addOpts)
	if err != nil {
		return nil, fmt.Errorf("worker %q: %w", qualifiedName(group, givenName(body)), err)
	}
	name, err := nameIn(group, s, body)
	if err != nil {
		return nil, err
	}
	if s, err = p.finishSettings(name, s); err != nil {
		return nil, err
	}
	body, err = wrap(plainBody(body), p.middleware, s.middleware)
	if err != nil {
		return nil, fmt.Errorf("worker %q: %w", name, err)
	}
	m := &member{settings: s, pool: p, name: name, body: body}
	m.first.member = m
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
func (p *Pool) finishSettings(name string, s *settings) (*settings, error) {
	overrides := p.config.overrides(name)
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
	return s, s.validate(name)
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
		m, err := p.newMember(name, w, append(opts[:len(opts):len(opts)], unnamed), nil)
		if errors.Is(err, errNilWorker) {
			err = fmt.Errorf("group %q: worker %d is nil", name, i+1)
		}
		errs = append(errs, err)
		members = append(members, m)
	}
	return members, errors.Join(errs...)
}

// unnamed keeps a group's name from becoming that of its workers.
func unnamed(s *settings) { s.name = nil }

// workersOf calls Workers, which is the user's code.
func workersOf(g Group) (workers []Worker, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic in Workers: %v", r)
		}
	}()
	return g.Workers(), nil
}
