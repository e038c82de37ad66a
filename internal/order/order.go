// Package order knows which workers start after which others, and refuses orders that cannot work.
//
// A worker comes after others by their names. A name is looked for in the worker's own group first, then
// among all workers. The name of a group stands for all workers in it. The package resolves the names, finds
// cycles, and keeps the links up to date as workers come and go. It does not know whether a worker is ready
// or has stopped. It has no locks: the owner of a graph guards it.
package order

import "slices"

// Node is a worker in a [Graph]. Its exported fields must not change once it was added.
type Node[T any] struct {
	// Value is what the node stands for. The package does not look at it.
	Value T
	// Name is the worker's full name, such as "group/worker".
	Name string
	// After has the names of the workers that it comes after.
	After []string
	// Child is set for a worker that others cannot come after by name.
	Child bool

	// The graph never changes an element of these slices, so that a caller may keep them.
	predecessors []*Node[T]
	dependents   []*Node[T]
	checked      checked
}

// Predecessors returns the nodes that n comes after. The slice does not change when the graph does.
func (n *Node[T]) Predecessors() []*Node[T] { return slices.Clip(n.predecessors) }

// Dependents returns the nodes that come after n. The slice does not change when the graph does.
func (n *Node[T]) Dependents() []*Node[T] { return slices.Clip(n.dependents) }

// Graph has nodes and the links between them. Make one with [New].
type Graph[T any] struct {
	unknown  error
	excluded func(name string) bool

	byAlias      index[T] // nodes by each name that others may use for them
	byWantedName index[T] // nodes with After by each full name that these may mean
}

// New returns an empty graph. Errors about a name that no worker has wrap unknown. excluded tells whether a
// name is that of a worker that was left out on purpose, or of a group with such a worker: such a name is
// no error. nil means that none was left out.
func New[T any](unknown error, excluded func(name string) bool) *Graph[T] {
	if excluded == nil {
		excluded = func(string) bool { return false }
	}
	return &Graph[T]{unknown: unknown, excluded: excluded, byAlias: make(index[T]), byWantedName: make(index[T])}
}

// Add adds nodes that are not in the graph, and links them with each other and with the nodes there. A node
// may replace one that was removed: nodes that named the removed one come after it now. Add fails if a
// new node names an unknown worker, or if nodes would wait for each other in a cycle. Then the graph is as
// it was before.
func (g *Graph[T]) Add(nodes ...*Node[T]) error {
	isNew := make(set[T], len(nodes))
	for _, n := range nodes {
		n.reset()
		isNew[n] = true
		g.register(n)
	}
	err := g.link(nodes, isNew)
	if err != nil {
		g.Remove(nodes...)
		for _, n := range nodes {
			n.reset()
		}
	}
	return err
}

// link gives new nodes their links. Since there was no cycle before, a cycle has one of the new nodes in it.
func (g *Graph[T]) link(nodes []*Node[T], isNew set[T]) error {
	for _, n := range nodes {
		if err := g.linkPredecessors(n); err != nil {
			return err
		}
	}
	for _, n := range nodes {
		g.linkWaiting(n, isNew)
	}
	for _, n := range nodes {
		if cycle := n.findCycle(nil); cycle != nil {
			return cycleError(n.Name, cycle)
		}
	}
	return nil
}

// linkPredecessors puts n after all nodes that its names mean.
func (g *Graph[T]) linkPredecessors(n *Node[T]) error {
	linked := make(set[T])
	for _, name := range n.After {
		full, ok := g.resolve(n, name)
		if !ok {
			return g.unknownError(n.Name, name)
		}
		for _, before := range g.byAlias[full] {
			if !linked[before] {
				linked[before] = true
				n.comeAfter(before)
			}
		}
	}
	return nil
}

// linkWaiting puts the older nodes that name n after it.
func (g *Graph[T]) linkWaiting(n *Node[T], isNew set[T]) {
	linked := make(set[T])
	for _, name := range n.aliases() {
		for _, older := range g.byWantedName[name] {
			if !isNew[older] && !linked[older] && g.refersTo(older, name) {
				linked[older] = true
				older.comeAfter(n)
			}
		}
	}
}

// refersTo tells whether one of the names in n.After stands for the full name.
func (g *Graph[T]) refersTo(n *Node[T], full string) bool {
	return slices.ContainsFunc(n.After, func(name string) bool {
		resolved, ok := g.resolve(n, name)
		return ok && resolved == full
	})
}

// resolve returns the full name that n means by a name. It is not ok if there is no such worker.
func (g *Graph[T]) resolve(n *Node[T], name string) (full string, ok bool) {
	for _, full := range n.candidates(name) {
		if len(g.byAlias[full]) > 0 || g.excluded(full) {
			return full, true
		}
	}
	return "", false
}

// Remove takes nodes out of the graph: no node waits for them any more. They keep their own predecessors and
// dependents, as these were, until they are added again.
func (g *Graph[T]) Remove(nodes ...*Node[T]) {
	gone, neighbors := make(set[T], len(nodes)), make(set[T])
	for _, n := range nodes {
		gone[n] = true
		for _, neighbor := range slices.Concat(n.predecessors, n.dependents) {
			neighbors[neighbor] = true
		}
	}
	for neighbor := range neighbors {
		if !gone[neighbor] {
			neighbor.predecessors = without(neighbor.predecessors, gone)
			neighbor.dependents = without(neighbor.dependents, gone)
		}
	}
	g.unregister(nodes, gone)
}

// comeAfter links n with one that it comes after.
func (n *Node[T]) comeAfter(before *Node[T]) {
	n.predecessors = append(n.predecessors, before)
	before.dependents = append(before.dependents, n)
	n.uncheck()
}

// reset forgets the links that n had in a graph.
func (n *Node[T]) reset() { n.predecessors, n.dependents, n.checked = nil, nil, unchecked }
