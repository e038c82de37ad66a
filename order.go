package workerfx

import (
	"slices"
	"time"

	"github.com/workerfx/workerfx/internal/names"
	"github.com/workerfx/workerfx/internal/order"
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

// orderAll puts all workers of a pool that starts into their order.
func orderAll(p *Pool) error {
	p.order = nil
	entries := sortedEntries(p)
	for _, e := range entries {
		e.node = nil
	}
	if !slices.ContainsFunc(entries, comesAfterOthers) {
		return nil
	}
	return orderNew(p, entries)
}

func comesAfterOthers(e *entry) bool { return len(e.after) > 0 }

// orderNew puts workers into the order of a pool. Without workers that come after others there is none.
func orderNew(p *Pool, entries []*entry) error {
	graph := p.order
	if graph == nil {
		if !slices.ContainsFunc(entries, comesAfterOthers) {
			return nil
		}
		graph = order.New[*entry](ErrUnknownWorker, func(name string) bool {
			return slices.ContainsFunc(p.excluded, func(worker string) bool { return names.IsIn(worker, name) })
		})
		entries = sortedEntries(p) // the first order has all of them
	}
	nodes := make([]*order.Node[*entry], 0, len(entries))
	for _, e := range entries {
		e.node = &order.Node[*entry]{Value: e, Name: e.name, After: e.after, Child: e.parent != nil}
		nodes = append(nodes, e.node)
	}
	if err := graph.Add(nodes...); err != nil {
		return err
	}
	p.order = graph
	return nil
}

// predecessors are the workers that e comes after.
func (e *entry) predecessors() []*order.Node[*entry] {
	if e.node == nil {
		return nil
	}
	return e.node.Predecessors()
}

// waitsFor returns the worker that r, a replica of e, still has to wait for, or nil. One that failed for good comes
// first, and is logged.
func (e *entry) waitsFor(r *replica, after *afterwards) (found *entry) {
	var lost *entry
	for _, node := range e.predecessors() {
		switch before := node.Value; {
		case before.removed || before.isReady():
		case before.hasFailed():
			lost = before
		case found == nil:
			found = before
		}
		if lost != nil {
			found = lost
			break
		}
	}
	if lost != e.lost {
		e.lost = lost
		if lost != nil {
			e.pool.readiness.setbacks++
		}
		run := r.run
		after.log(func() {
			defer r.announce() // not earlier, so that the log tells of causes first
			if lost != nil {
				e.pool.log.lost(r, run, lost)
			}
		})
	}
	return found
}

// lookAtPredecessors makes the replicas look again that wait for other workers.
func (e *entry) lookAtPredecessors() {
	for r := range e.replicas() {
		if r.machine.IsEntering() {
			r.wake()
		}
	}
}

// mayStop tells whether e may stop while the pool does: all that come after it have. A child stops when its parent does.
func (e *entry) mayStop() bool {
	node := e.root().node
	return node == nil || !slices.ContainsFunc(node.Dependents(), func(o *order.Node[*entry]) bool { return !o.Value.isOver() })
}

// isOver tells whether nothing of e runs any more, or nobody waits for what does.
func (e *entry) isOver() bool {
	for r := range e.replicas() {
		if !r.machine.HasExited() && !r.abandoned {
			return false
		}
	}
	return true
}

// stopPredecessors asks those to stop that waited for e to, if the pool stops.
func (e *entry) stopPredecessors(after *afterwards) {
	p := e.pool
	if p.phase != phaseStopped {
		return
	}
	for _, node := range e.predecessors() {
		before := node.Value
		if !before.mayStop() {
			continue
		}
		d := deadline{from: time.Now(), until: p.stopDeadline.until}
		before.askToStop(d, after)
		if before.hasChildren() {
			for _, o := range p.entries {
				if o.parent != nil && o.root() == before {
					o.askToStop(d, after)
				}
			}
		}
	}
}

// hasChildren tells whether a run of e has children.
func (e *entry) hasChildren() bool {
	for r := range e.replicas() {
		if r.run != nil && r.run.parts != nil && len(r.run.parts.children) > 0 {
			return true
		}
	}
	return false
}
