package workerfx

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/workerfx/workerfx/internal/lifecycle"
	"github.com/workerfx/workerfx/internal/names"
	"github.com/workerfx/workerfx/internal/nilcheck"
	"github.com/workerfx/workerfx/internal/order"
)

// entry is a worker in a pool: its body, its settings and its replicas. The pool's lock guards the fields that change.
type entry struct {
	*settings

	rescheduled *settings // those after Reschedule; nil if it was not called

	pool   *Pool
	name   string
	body   Worker // with its middleware
	parent *run   // nil unless the worker is a child

	first   replica    // replica 0, which always exists
	more    []*replica // the other replicas in their order; replaced, never changed
	wanted  int32      // the number of replicas
	paused  bool       // new replicas are paused
	removed bool       // it was removed, and leaves the pool when it has stopped
	retired *totals    // of replicas that were scaled down and are gone, or nil

	node              *order.Node[*entry] // in the start order; nil if no worker comes after another
	group             *groupMember        // nil unless the workers of its group share failures
	failedPredecessor *entry              // a worker that it comes after and that failed for good, or nil
}

// current are the settings with the schedule that is in force.
func (e *entry) current() *settings {
	if e.rescheduled != nil {
		return e.rescheduled
	}
	return e.settings
}

// replicas yields the replicas in their order, also those that were scaled down and have not ended yet.
func (e *entry) replicas() iter.Seq[*replica] {
	return func(yield func(*replica) bool) {
		if !yield(&e.first) {
			return
		}
		for _, r := range e.more {
			if !yield(r) {
				return
			}
		}
	}
}

// isOpen tells whether the entry is part of the pool, so that its replicas may start.
func (e *entry) isOpen() bool { return e.pool.entries[e.name] == e && !e.removed }

// prepareStart prepares the start of the replicas, and appends them to starting. The pool's lock is held.
func (e *entry) prepareStart(starting []*replica) []*replica {
	for r := range e.replicas() {
		if e.wanted == 0 {
			r.machine.ScaleDown()
		}
		r.prepareStart()
		starting = append(starting, r)
	}
	return starting
}

// hasEnded tells whether no replica has a goroutine.
func (e *entry) hasEnded() bool {
	for r := range e.replicas() {
		if !r.machine.HasExited() {
			return false
		}
	}
	return true
}

// root is the entry itself, or the first ancestor of a child.
func (e *entry) root() *entry {
	for e.parent != nil {
		e = e.parent.replica.entry
	}
	return e
}

// base is the context with the values of the worker's runs. It does not end.
func (e *entry) base() context.Context {
	if e.parent != nil {
		return context.WithoutCancel(e.parent)
	}
	return e.pool.baseCtx
}

// value looks a key up in what base has its values from.
func (e *entry) value(key any) any {
	if e.parent != nil {
		return e.parent.Value(key)
	}
	return e.pool.startCtx.Value(key)
}

// owner is the group or the parent of a worker. It is zero for a worker with neither.
type owner struct {
	name    string   // of the group, or of the parent
	parent  *run     // nil unless the worker is a child
	options []Option // of the group
}

// newEntry makes the entry of a worker. Settings come from the pool's defaults, the options of the group, those of
// the worker, those that are given to Add, and the configuration for the worker's name. The last one wins.
func newEntry(p *Pool, of owner, w Worker, addOptions []Option) (*entry, error) {
	if w == nil {
		return nil, errNilWorker
	}
	body, own := unwrapWorker(w)
	if err := checkBody(body); err != nil {
		return nil, fmt.Errorf("worker %q: %w", names.Join(of.name, nameForErrors(body)), err)
	}
	s, err := newSettings(p.defaults, of.options, slices.Concat(own, addOptions))
	if err != nil {
		return nil, fmt.Errorf("worker %q: %w", names.Join(of.name, nameForErrors(body)), err)
	}
	name, err := nameInPool(of, s, body)
	if err != nil {
		return nil, err
	}
	if s, err = finishSettings(p, name, s, of); err != nil {
		return nil, err
	}
	body, err = wrap(plainBody(body), p.middleware, s.middleware)
	if err != nil {
		return nil, fmt.Errorf("worker %q: %w", name, err)
	}
	e := &entry{settings: s, pool: p, name: name, body: body, wanted: int32(s.replicas)} //nolint:gosec // see maxReplicas
	e.first = replica{entry: e, record: newRecord(s), machine: lifecycle.New(&s.policy)}
	for i := int32(1); i < e.wanted; i++ {
		e.more = append(e.more, newReplica(e, i))
	}
	return e, nil
}

// plainBody returns the function inside a worker of [NewWorker].
func plainBody(w Worker) Worker {
	if named, ok := w.(*namedWorker); ok {
		return named.RunFunc
	}
	return w
}

// newGroup makes the entries of a group's workers.
func newGroup(p *Pool, g Group, opts []Option) ([]*entry, error) {
	g, opts = unwrapGroup(g, opts)
	if nilcheck.IsNil(g) {
		return nil, errNilGroup
	}
	var s settings
	if err := s.apply(opts); err != nil {
		return nil, fmt.Errorf("group %q: %w", names.OfType(g), err)
	}
	name, err := nameInPool(owner{}, &s, g)
	if err != nil {
		return nil, err
	}
	workers, err := workersOf(g)
	if err != nil {
		return nil, fmt.Errorf("group %q: %w", name, err)
	}
	var errs []error
	entries := make([]*entry, 0, len(workers))
	for i, w := range workers {
		e, err := newEntry(p, owner{name: name, options: append(slices.Clip(opts), unnamed)}, w, nil)
		if errors.Is(err, errNilWorker) {
			err = fmt.Errorf("group %q: worker %d is nil", name, i+1)
		}
		errs = append(errs, err)
		entries = append(entries, e)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	shareFailures(entries)
	return entries, nil
}

// unnamed is an option that removes the group's name from the settings of its workers.
func unnamed(s *settings) { s.name = nil }
