package order

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/workerfx/workerfx/internal/names"
	"github.com/workerfx/workerfx/internal/text"
)

// checked is what the search for cycles knows about a node. With it, each search looks only at nodes whose
// order has changed since the last one.
type checked int8

const (
	unchecked checked = iota
	onPath            // the search under way is looking at its predecessors
	acyclic           // no cycle leads through it or its predecessors; all of these are acyclic too
)

// findCycle returns the names along a cycle that n waits for or is in, or nil. path leads to n.
func (n *Node[T]) findCycle(path []*Node[T]) (cycle []string) {
	switch n.checked {
	case acyclic:
		return nil
	case onPath:
		for _, o := range path[slices.Index(path, n):] {
			cycle = append(cycle, o.Name)
		}
		return append(cycle, n.Name)
	case unchecked:
	}
	n.checked = onPath
	path = append(path, n)
	for _, before := range n.predecessors {
		if cycle = before.findCycle(path); cycle != nil {
			n.checked = unchecked
			return cycle
		}
	}
	n.checked = acyclic
	return nil
}

// uncheck notes that n has a new predecessor, which may close a cycle.
func (n *Node[T]) uncheck() {
	if n.checked == unchecked {
		return // and so are its dependents
	}
	n.checked = unchecked
	for _, dependent := range n.dependents {
		dependent.uncheck()
	}
}

func cycleError(worker string, cycle []string) error {
	return fmt.Errorf("worker %q: after: workers wait for each other in a circle: %s", worker, strings.Join(cycle, " -> "))
}

func (g *Graph[T]) unknownError(worker, name string) error {
	name = text.Cut(name, text.MaxName)
	known := slices.Sorted(maps.Keys(g.byAlias))
	return fmt.Errorf("worker %q: after %q: %w%s", worker, name, g.unknown, names.DidYouMean(name, known))
}
