package order

import (
	"slices"

	"github.com/workerfx/workerfx/internal/names"
)

// calledBy returns the names that others may use for n: its own name, and the names of its groups.
func (n *Node[T]) calledBy() (found []string) {
	if n.Child {
		return nil
	}
	for name := n.Name; name != ""; name = names.Parent(name) {
		found = append(found, name)
	}
	return found
}

// meanings returns the full names that n may mean by a name. The first of a known worker counts.
func (n *Node[T]) meanings(name string) []string {
	group := names.Parent(n.Name)
	if group == "" {
		return []string{name}
	}
	return []string{names.Join(group, name), name}
}

// waitsFor returns all full names that n may mean by the names in After.
func (n *Node[T]) waitsFor() (found []string) {
	for _, name := range n.After {
		found = append(found, n.meanings(name)...)
	}
	return found
}

// index finds nodes by a name, in the order in which they were added.
type index[T any] map[string][]*Node[T]

type set[T any] map[*Node[T]]bool

func (g *Graph[T]) register(n *Node[T]) {
	for _, name := range n.calledBy() {
		g.called[name] = append(g.called[name], n)
	}
	for _, name := range n.waitsFor() {
		g.waiting[name] = append(g.waiting[name], n)
	}
}

// unregister looks at each name once, however many nodes have it: with thousands of nodes in a group, one
// look per node and name would take time in proportion to the square.
func (g *Graph[T]) unregister(nodes []*Node[T], gone set[T]) {
	called, waiting := make(map[string]bool), make(map[string]bool)
	for _, n := range nodes {
		for _, name := range n.calledBy() {
			called[name] = true
		}
		for _, name := range n.waitsFor() {
			waiting[name] = true
		}
	}
	g.called.remove(called, gone)
	g.waiting.remove(waiting, gone)
}

func (i index[T]) remove(names map[string]bool, gone set[T]) {
	for name := range names {
		i[name] = slices.DeleteFunc(i[name], func(n *Node[T]) bool { return gone[n] })
		if len(i[name]) == 0 {
			delete(i, name)
		}
	}
}

// without returns a copy: callers may have kept the slice.
func without[T any](nodes []*Node[T], gone set[T]) (rest []*Node[T]) {
	for _, n := range nodes {
		if !gone[n] {
			rest = append(rest, n)
		}
	}
	return rest
}
