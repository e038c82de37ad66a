package order_test

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"weak"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx/internal/names"
	"github.com/workerfx/workerfx/internal/order"
)

type node = order.Node[int]

var errUnknown = errors.New("unknown worker")

func newGraph(excluded ...string) *order.Graph[int] {
	return order.New[int](errUnknown, func(name string) bool {
		return slices.ContainsFunc(excluded, func(worker string) bool { return names.IsIn(worker, name) })
	})
}

func newNode(name string, after ...string) *node { return &node{Name: name, After: after} }

// parse makes nodes of lines such as "a: b c", which says that a comes after b and c.
func parse(lines ...string) (nodes []*node) {
	for _, line := range lines {
		name, after, _ := strings.Cut(line, ":")
		nodes = append(nodes, newNode(name, strings.Fields(after)...))
	}
	return nodes
}

func namesOf(nodes []*node) []string {
	found := []string{}
	for _, n := range nodes {
		found = append(found, n.Name)
	}
	return found
}

func TestNamesAreLookedForInTheOwnGroupFirst(t *testing.T) {
	for _, tt := range []struct {
		name     string
		excluded []string
		nodes    string
		want     []string // what the first one comes after
	}{
		{"a worker", nil, "a: b|b|c", []string{"b"}},
		{"several", nil, "a: c b|b|c", []string{"c", "b"}},
		{"twice", nil, "a: b b|b", []string{"b"}},
		{"a group", nil, "a: g|g/x|g/y|h/x", []string{"g/x", "g/y"}},
		{"a group and one of it", nil, "a: g/y g|g/x|g/y", []string{"g/y", "g/x"}},
		{"a group in a group", nil, "a: g|g/h/x|g/y", []string{"g/h/x", "g/y"}},
		{"no group, but a name that begins like one", nil, "a: g|g|gg|g-x", []string{"g"}},
		{"the own group", nil, "g/a: b|b|g/b", []string{"g/b"}},
		{"not in the own group", nil, "g/a: b|b|h/b", []string{"b"}},
		{"a full name in the own group", nil, "g/a: g/b|g/b", []string{"g/b"}},
		{"excluded", []string{"b"}, "a: b c|c", []string{"c"}},
		{"excluded from the own group", []string{"g/b"}, "g/a: b|b", []string{}},
		{"a whole group excluded", []string{"g/x", "g/y"}, "a: g|b", []string{}},
		{"a part of a group excluded", []string{"g/x"}, "a: g|g/y", []string{"g/y"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			nodes := parse(strings.Split(tt.nodes, "|")...)
			require.NoError(t, newGraph(tt.excluded...).Add(nodes...))
			assert.Equal(t, tt.want, namesOf(nodes[0].Predecessors()))
			for _, n := range nodes[1:] {
				assert.Equal(t, slices.Contains(tt.want, n.Name), slices.Contains(n.Dependents(), nodes[0]), n.Name)
			}
		})
	}
}

func TestAChildHasNoNameForOthers(t *testing.T) {
	child := &node{Name: "parent/child", Child: true}
	a := newNode("a", "parent")
	graph := newGraph()
	require.NoError(t, graph.Add(newNode("parent"), child, a))
	assert.Equal(t, []string{"parent"}, namesOf(a.Predecessors()))
	require.ErrorIs(t, graph.Add(newNode("b", "parent/child")), errUnknown)
}

func TestAddRefusesABadOrderAndKeepsTheGraph(t *testing.T) {
	long := strings.Repeat("x", 300)
	for _, tt := range []struct{ name, there, added, want string }{
		{"unknown", "database", "a: databse", `worker "a": after "databse": unknown worker; did you mean "database"?`},
		{"unknown and nothing like it", "database", "a: mail", `worker "a": after "mail": unknown worker`},
		{"the first unknown one", "db", "a: db|b: zz|c: yy", `worker "b": after "zz": unknown worker`},
		{"a name that is too long", "db", "a: " + long, `worker "a": after "` + long[:197] + `…": unknown worker`},
		{"a worker of another group", "g/cache", "h/b: cache", `worker "h/b": after "cache": unknown worker; did you mean "g/cache"?`},
		{"itself", "db", "a: a", circle("a", "a -> a")},
		{"two", "db", "a: b|b: a db", circle("a", "a -> b -> a")},
		{"three behind one", "db", "a: b|b: c|c: d|d: b", circle("a", "b -> c -> d -> b")},
		{"its own group", "db", "g/a: g|g/b", circle("g/a", "g/a -> g/a")},
		{"a group and a worker", "db", "g/a: x|g/b|x: g", circle("g/a", "g/a -> x -> g/a")},
		{"through one that was there", "x: a", "a: x", circle("a", "a -> x -> a")},
		{"through several that were there", "x: y|y: z|z: a", "b: x|a: b", circle("b", "b -> x -> y -> z -> a -> b")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			graph := newGraph("a") // so that the nodes there may come after it
			there := parse(strings.Split(tt.there, "|")...)
			require.NoError(t, graph.Add(there...))
			before := links(there)
			added := parse(strings.Split(tt.added, "|")...)
			require.EqualError(t, graph.Add(added...), tt.want)
			assert.Equal(t, before, links(there))
			for _, n := range added {
				assert.Empty(t, n.Predecessors())
				assert.Empty(t, n.Dependents())
				if n.Name != "a" {
					require.ErrorIs(t, graph.Add(newNode("other", n.Name)), errUnknown)
				}
			}
			require.NoError(t, graph.Add(newNode("a"), newNode("b", "a")), "the names are free")
		})
	}
}

func circle(worker, path string) string {
	return fmt.Sprintf("worker %q: after: workers wait for each other in a circle: %s", worker, path)
}

// links describes the links of nodes.
func links(nodes []*node) (found []string) {
	for _, n := range nodes {
		found = append(found, fmt.Sprint(n.Name, " after ", namesOf(n.Predecessors()), ", before ", namesOf(n.Dependents())))
	}
	return found
}

func TestAReplacedPredecessorIsThePredecessorAgain(t *testing.T) {
	graph := newGraph()
	nodes := parse("a: b g", "b", "g/x", "g/y", "h/c: b")
	a, b, x, c := nodes[0], nodes[1], nodes[2], nodes[4]
	require.NoError(t, graph.Add(nodes...))
	graph.Remove(b, x)
	assert.Equal(t, []string{"g/y"}, namesOf(a.Predecessors()))
	assert.Empty(t, c.Predecessors())
	require.NoError(t, graph.Add(newNode("g/x"), newNode("other")))
	assert.Equal(t, []string{"g/y", "g/x"}, namesOf(a.Predecessors()))
	require.NoError(t, graph.Add(b), "the node itself")
	assert.Equal(t, []string{"g/y", "g/x", "b"}, namesOf(a.Predecessors()))
	assert.Equal(t, []string{"b"}, namesOf(c.Predecessors()))
	assert.Equal(t, []string{"a", "h/c"}, namesOf(b.Dependents()))
}

func TestANewWorkerOfAGroupIsAPredecessorToo(t *testing.T) {
	graph := newGraph()
	a := newNode("a", "g")
	require.NoError(t, graph.Add(a, newNode("g/x")))
	require.NoError(t, graph.Add(newNode("g/y"), newNode("gg")))
	assert.Equal(t, []string{"g/x", "g/y"}, namesOf(a.Predecessors()))
}

func TestANewWorkerIsNoPredecessorOfOnesThatMeanTheirOwnGroups(t *testing.T) {
	graph := newGraph("h/b")
	nodes := parse("g/a: b", "g/b", "h/a: b")
	require.NoError(t, graph.Add(nodes...))
	require.NoError(t, graph.Add(newNode("b")))
	assert.Equal(t, []string{"g/b"}, namesOf(nodes[0].Predecessors()))
	assert.Empty(t, nodes[2].Predecessors(), "the configuration keeps it out")
}

func TestRemovedNodesAreForgotten(t *testing.T) {
	graph := newGraph()
	nodes := parse("first", "b: first", "a: b", "g/x: b")
	require.NoError(t, graph.Add(nodes...))
	b := nodes[1]
	graph.Remove(b)
	assert.Empty(t, nodes[0].Dependents())
	assert.Empty(t, nodes[2].Predecessors())
	assert.Equal(t, []string{"first"}, namesOf(b.Predecessors()), "who removed it can still tell its neighbors")
	assert.Equal(t, []string{"a", "g/x"}, namesOf(b.Dependents()))
	graph.Remove(b) // again
	require.ErrorIs(t, graph.Add(newNode("c", "b")), errUnknown)
}

func TestTheMemoryOfRemovedNodesIsFreed(t *testing.T) {
	graph := newGraph()
	nodes := parse("first", "b: first", "a: b", "g/x: b")
	require.NoError(t, graph.Add(nodes...))
	graph.Remove(nodes[1])
	memory := weak.Make(nodes[1])
	nodes[1] = nil
	runtime.GC()
	assert.Nil(t, memory.Value())
	runtime.KeepAlive(graph)
	runtime.KeepAlive(nodes)
}

func TestAKeptSliceDoesNotChange(t *testing.T) {
	graph := newGraph()
	nodes := parse("b", "a: b g", "c: b", "g/x")
	require.NoError(t, graph.Add(nodes...))
	dependents, predecessors := nodes[0].Dependents(), nodes[1].Predecessors()
	graph.Remove(nodes[1], nodes[3])
	require.NoError(t, graph.Add(parse("d: b", "g/y")...))
	assert.Equal(t, []string{"a", "c"}, namesOf(dependents))
	assert.Equal(t, []string{"b", "g/x"}, namesOf(predecessors))
	_ = append(nodes[0].Dependents(), nil)
	require.NoError(t, graph.Add(newNode("e", "b")))
	assert.Equal(t, []string{"c", "d", "e"}, namesOf(nodes[0].Dependents()))
}

func TestReplacingDoesNotCloseACycle(t *testing.T) {
	graph := newGraph()
	nodes := parse("a", "b: a", "c: b", "d: c")
	require.NoError(t, graph.Add(nodes...))
	for range 3 { // what the search noted the first time must not mislead the next
		graph.Remove(nodes[0])
		require.EqualError(t, graph.Add(newNode("a", "c")), circle("a", "a -> c -> b -> a"))
		require.NoError(t, graph.Add(nodes[0]))
	}
}
