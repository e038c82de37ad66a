package workerfx

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// AddChild starts w as a child of the run that ctx belongs to, with all that a worker of the pool has:
// it is supervised, reported and counted as "parent/child", where child is its own name. It never
// outlives the run: that ends once all its children have. A child of the same name is stopped first. It
// fails outside of a run, once the run has ended or ctx has, and as [Pool.Add] does.
func AddChild(ctx context.Context, w Worker, opts ...Option) error {
	run := runOf(ctx)
	if run == nil {
		return fmt.Errorf("add child: %w", errNoRun)
	}
	m, err := run.s.pool.newMember(place{name: run.parentName(), child: true}, w, opts)
	if err != nil {
		return err
	}
	m.parent = run
	for {
		before, err := run.adopt(m)
		if before == nil {
			return err
		}
		if err := before.stopAndWait(ctx); err != nil {
			return fmt.Errorf("worker %q: replace: %w", m.name, err)
		}
		run.disown(before)
	}
}

// RemoveChild stops a child of the run that ctx belongs to, waits until it has stopped, and forgets it.
// If it does not before ctx ends, or its stop timeout passes, a *[StopError] names it. It fails with
// [ErrUnknownWorker] if there is no such child.
func RemoveChild(ctx context.Context, name string) error {
	run := runOf(ctx)
	if run == nil {
		return fmt.Errorf("remove child %q: %w", name, errNoRun)
	}
	t := run.tied()
	t.mu.Lock()
	m := t.children[name]
	known := slices.Collect(maps.Keys(t.children))
	t.mu.Unlock()
	if m == nil {
		return fmt.Errorf("child %q of worker %q: %w%s", cut(name, maxName), run.s.name, ErrUnknownWorker, didYouMean(cut(name, maxName), known))
	}
	if err := m.stopAndWait(ctx); err != nil {
		return fmt.Errorf("worker %q: remove: %w", m.name, err)
	}
	run.disown(m)
	return nil
}

// Children returns the names of the children of the run that ctx belongs to, sorted and without the
// parent's name; those that ended are not among them. Outside of a run there are none.
func Children(ctx context.Context) []string {
	run := runOf(ctx)
	if run == nil {
		return nil
	}
	t := run.tied()
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Sorted(maps.Keys(t.children))
}

var errNoRun = errors.New("the context is not that of a worker's run")

// parentName is what comes before the "/" in the names of the run's children.
func (c *runContext) parentName() string { return replicaName(c.s.name, int(c.s.replica)) }

// childName is a child's name without its parent's.
func (m *member) childName() string { return m.name[len(m.parent.parentName())+1:] }

// adopt makes m a child of the run and starts it, unless there is one of that name, which it returns.
func (c *runContext) adopt(m *member) (before *member, err error) {
	name := m.childName()
	t := c.tied()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over || c.Err() != nil {
		return nil, fmt.Errorf("worker %q: add child: the run of %q has ended", m.name, c.s.name)
	}
	if before := t.children[name]; before != nil {
		return before, nil
	}
	if err := c.s.pool.join([]*member{m}); err != nil {
		return nil, err
	}
	if t.children == nil {
		t.children = make(map[string]*member)
	}
	t.children[name] = m
	return nil, nil
}

// disown forgets a child, in the pool too, if it has ended.
func (c *runContext) disown(m *member) {
	if !c.s.pool.forget(m) {
		return
	}
	name := m.childName()
	t := c.tied()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.children[name] == m {
		delete(t.children, name)
	}
}

// cutTies stops the run's children and waits until they have: however long it takes, they do not
// outlive it. It returns how many items the run's body left in hand.
func (c *runContext) cutTies() (items int) {
	t := c.ties.Load()
	t.mu.Lock()
	t.over = true
	items = t.waiting
	t.tell()
	if t.cut != nil {
		t.cut.Stop()
	}
	children := slices.Collect(maps.Values(t.children))
	t.mu.Unlock()
	b := c.s.pool.budgetUntil(context.Background())
	if d := c.s.stopTimeout; d > 0 {
		b.until = b.from.Add(d)
	}
	for _, m := range children {
		m.close()
		m.requestStop(b)
	}
	for _, m := range children {
		for s := range m.replicas() {
			<-s.ended()
		}
		c.s.pool.forget(m)
	}
	return items
}
