package workerfx

import (
	"slices"
	"time"

	"github.com/workerfx/workerfx/internal/names"
	"github.com/workerfx/workerfx/internal/order"
)

// WithAfter makes the worker's first run wait until the named workers are ready. When the pool stops, they stop
// after the worker. A name is that of a worker, or of a group for all of its workers. Within a group the group's
// name may be left out. A worker without [WithReadiness] is ready when its first run begins. If a named worker
// fails for good, the worker does not start. A named worker that the configuration excludes from this process, or
// that was removed, is not waited for. Unknown names and cycles are errors of [Pool.Start]. If the option is given
// more than once, all names count. A child cannot come after others.
func WithAfter(names ...string) Option {
	return func(s *settings) { s.after = append(slices.Clip(s.after), names...) }
}

// orderAll makes the start order of all workers of a pool.
func orderAll(p *Pool) error {
	p.order = nil
	ordered := false
	for _, e := range p.entries {
		e.node = nil
		ordered = ordered || comesAfterOthers(e)
	}
	if !ordered {
		return nil
	}
	return orderNew(p, sortedEntries(p))
}

func comesAfterOthers(e *entry) bool { return len(e.after) > 0 }

// orderNew adds workers to the start order of a pool. The first worker that comes after others makes the order.
func orderNew(p *Pool, entries []*entry) error {
	graph := p.order
	if graph == nil {
		if !slices.ContainsFunc(entries, comesAfterOthers) {
			return nil
		}
		graph = order.New[*entry](ErrUnknownWorker, func(name string) bool {
			for worker := range p.excluded {
				if names.IsIn(worker, name) {
					return true
				}
			}
			return false
		})
		entries = sortedEntries(p) // a new order has all workers
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

// waitsFor returns a worker that r, a replica of e, has to wait for, or nil. If a worker has failed for good, it
// returns that one, and logs it.
func (e *entry) waitsFor(r *replica, effects *sideEffects) (found *entry) {
	var failed *entry
	for _, node := range e.predecessors() {
		switch before := node.Value; {
		case before.removed || before.isReady():
		case before.hasFailed():
			failed = before
		case found == nil:
			found = before
		}
		if failed != nil {
			found = failed
			break
		}
	}
	if failed != e.failedPredecessor {
		e.failedPredecessor = failed
		if failed != nil {
			e.pool.readiness.failures++
		}
		run := r.run
		effects.log(func() {
			defer r.announce() // after the line, so that the log has causes first
			if failed != nil {
				e.pool.log.doesNotStart(r, run, failed)
			}
		})
	}
	return found
}

// recheckPredecessors wakes the replicas that wait for other workers, so that they look at them again.
func (e *entry) recheckPredecessors() {
	for r := range e.replicas() {
		if r.machine.AwaitsPredecessors() {
			r.wake()
		}
	}
}

// mayStop tells whether all workers that come after e have stopped. A child stops with its parent.
func (e *entry) mayStop() bool {
	node := e.root().node
	return node == nil || !slices.ContainsFunc(node.Dependents(), func(o *order.Node[*entry]) bool { return !o.Value.isOver() })
}

// isOver tells whether all replicas of e have ended or were abandoned.
func (e *entry) isOver() bool {
	for r := range e.replicas() {
		if !r.machine.HasExited() && !r.abandoned {
			return false
		}
	}
	return true
}

// stopPredecessors stops the workers that e comes after, if the pool stops and nothing else keeps them.
func (e *entry) stopPredecessors(effects *sideEffects) {
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
		before.askToStop(d, effects)
		if before.hasChildren() {
			for _, o := range p.entries {
				if o.parent != nil && o.root() == before {
					o.askToStop(d, effects)
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
