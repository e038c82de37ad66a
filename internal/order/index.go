package order

import (
	"slices"

	"github.com/workerfx/workerfx/internal/names"
)

// aliases returns the names that others may use for n: its own name, and the names of its groups.
func (n *Node[T]) aliases() (found []string) {
	if n.Child {
		return nil
	}
	for name := n.Name; name != ""; name = names.Parent(name) {
		found = append(found, name)
	}
	return found
}

// candidates returns the full names that n may mean by a name. The first one that a worker has is meant.
func (n *Node[T]) candidates(name string) []string {
	group := names.Parent(n.Name)
	if group == "" {
		return []string{name}
	}
	return []string{names.Join(group, name), name}
}

// wantedNames returns the candidates of all names in After.
func (n *Node[T]) wantedNames() (found []string) {
	for _, name := range n.After {
		found = append(found, n.candidates(name)...)
	}
	return found
}

// index finds nodes by a name, in the order in which they were added.
type index[T any] map[string][]*Node[T]

type set[T any] map[*Node[T]]bool

func (g *Graph[T]) register(n *Node[T]) {
	for _, name := range n.aliases() {
		g.byAlias[name] = append(g.byAlias[name], n)
	}
	for _, name := range n.wantedNames() {
		g.byWantedName[name] = append(g.byWantedName[name], n)
	}
}

// unregister changes the entry of each name once, however many of the nodes have it. To change it for each node would
// take time in proportion to the square of the size of a group.
func (g *Graph[T]) unregister(nodes []*Node[T], gone set[T]) {
	aliases, wanted := make(map[string]bool), make(map[string]bool)
	for _, n := range nodes {
		for _, name := range n.aliases() {
			aliases[name] = true
		}
		for _, name := range n.wantedNames() {
			wanted[name] = true
		}
	}
	g.byAlias.remove(aliases, gone)
	g.byWantedName.remove(wanted, gone)
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
