package workerfx

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/workerfx/workerfx/internal/names"
	"github.com/workerfx/workerfx/internal/text"
)

// AddChild starts w as a child of the run that ctx belongs to. A child is a worker of the pool, with the name
// "parent/child". It never outlives the run: the run ends after all its children have ended. An older child of the
// same name is stopped first. If the configuration excludes the child ([Config]), it is not started, and AddChild
// returns nil. AddChild fails outside of a run, after the end of the run or of ctx, and for the reasons of [Pool.Add].
func AddChild(ctx context.Context, w Worker, opts ...Option) error {
	parent := runOf(ctx)
	if parent == nil {
		return fmt.Errorf("add child: %w", errNoRun)
	}
	pool := parent.replica.pool
	child, err := newEntry(pool, owner{name: parent.displayName(), parent: parent}, w, opts)
	if err != nil {
		return err
	}
	child.parent = parent
	if ctx.Err() != nil { // it may have ended before the run, such as when a lock was lost
		return fmt.Errorf("worker %q: add child: the context has ended: %w", child.name, context.Cause(ctx))
	}
	for {
		pool.mu.Lock()
		older, err := parent.addChild(child)
		pool.mu.Unlock()
		if older == nil {
			return err
		}
		if err := stopAndWait(ctx, older); err != nil {
			return fmt.Errorf("worker %q: replace: %w", child.name, err)
		}
	}
}

// RemoveChild stops a child of the run that ctx belongs to, waits until it has stopped, and removes it. A
// *[StopError] names the child if it does not stop before ctx ends or its stop timeout passes. RemoveChild fails
// with [ErrUnknownWorker] if there is no such child.
func RemoveChild(ctx context.Context, name string) error {
	parent := runOf(ctx)
	if parent == nil {
		return fmt.Errorf("remove child %q: %w", name, errNoRun)
	}
	mu := &parent.replica.pool.mu
	mu.Lock()
	child := parent.child(name)
	known := parent.childNames()
	mu.Unlock()
	if child == nil {
		name = text.Cut(name, text.MaxName)
		return fmt.Errorf("child %q of worker %q: %w%s", name, parent.replica.name, ErrUnknownWorker, names.DidYouMean(name, known))
	}
	if err := stopAndWait(ctx, child); err != nil {
		return fmt.Errorf("worker %q: remove: %w", child.name, err)
	}
	return nil
}

// Children returns the names of the children of the run that ctx belongs to, sorted and without the parent's name.
// Children that have ended are left out. Outside of a run there are none.
func Children(ctx context.Context) []string {
	parent := runOf(ctx)
	if parent == nil {
		return nil
	}
	mu := &parent.replica.pool.mu
	mu.Lock()
	defer mu.Unlock()
	return parent.childNames()
}

var errNoRun = errors.New("the context is not that of a worker's run")

// displayName is the first part of the names of the run's children.
func (r *run) displayName() string { return r.replica.displayName() }

// childName is a child's name without its parent's.
func childName(e *entry) string { return e.name[len(e.parent.displayName())+1:] }

// child returns the child of this name without the parent's name, or nil. The pool's lock is held here and in the
// functions below.
func (r *run) child(name string) *entry {
	if r.parts == nil {
		return nil
	}
	return r.parts.children[name]
}

func (r *run) childNames() []string {
	if r.parts == nil {
		return nil
	}
	return slices.Sorted(maps.Keys(r.parts.children))
}

// addChild makes e a child of the run and starts it. If there is a child of the same name, it returns that instead.
func (r *run) addChild(e *entry) (older *entry, err error) {
	name := childName(e)
	if r.over || r.Err() != nil {
		return nil, fmt.Errorf("worker %q: add child: the run of %q has ended", e.name, r.replica.name)
	}
	if older := r.child(name); older != nil {
		return older, nil
	}
	pool := r.replica.pool
	if err := addAll(pool, []*entry{e}); err != nil || pool.entries[e.name] != e { // the configuration excludes it
		return nil, err
	}
	p := r.part()
	if p.children == nil {
		p.children = make(map[string]*entry)
	}
	p.children[name] = e
	return nil, nil
}

// endChildren stops the run's children and waits until they have ended, however long that takes. The pool's lock is free
// while it waits.
func (r *run) endChildren() {
	pool := r.replica.pool
	children := slices.Collect(maps.Values(r.parts.children))
	d := pool.stopDeadlineOf(context.Background())
	if timeout := r.replica.stopTimeout; timeout > 0 {
		d.until = d.from.Add(timeout)
	}
	var effects sideEffects
	var ended []<-chan struct{}
	for _, e := range children {
		e.removed = true
		e.askToStop(d, &effects)
		for child := range e.replicas() {
			ended = append(ended, child.hasEndedChan())
		}
	}
	pool.mu.Unlock()
	effects.perform()
	for _, c := range ended {
		<-c
	}
	pool.mu.Lock()
	for _, e := range children {
		removeIfEnded(e)
	}
}
