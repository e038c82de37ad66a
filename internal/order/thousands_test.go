package order_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestLayersOfThousandsHaveTooManyWaysToTryThemAll(t *testing.T) {
	const layers = 2000
	var nodes []*node
	for i := layers; i > 0; i-- { // the last first: the search begins far from the end of the way
		below := []string{fmt.Sprint("layer", i-1)}
		if i == 1 {
			below = nil
		}
		for _, name := range []string{"a", "b", "c"} {
			nodes = append(nodes, newNode(fmt.Sprintf("layer%d/%s", i, name), below...))
		}
	}
	graph := newGraph()
	require.NoError(t, graph.Add(nodes...))
	assert.Len(t, nodes[0].Predecessors(), 3)

	first := nodes[len(nodes)-1]
	graph.Remove(first)
	err := graph.Add(newNode(first.Name, nodes[0].Name))
	require.ErrorContains(t, err, "workers wait for each other in a circle")
	require.NoError(t, graph.Add(first))
}

func TestAddCostsTheSameBesideThousands(t *testing.T) {
	for name, tt := range map[string]struct {
		other func(i int) *node
		added *node
	}{
		"that come after one":          {func(i int) *node { return newNode(fmt.Sprint("w", i), "db") }, newNode("new", "db")},
		"that come after each other":   {func(i int) *node { return newNode(fmt.Sprint("w", i), chain(i)...) }, newNode("new", "w99")},
		"in a group":                   {func(i int) *node { return newNode(fmt.Sprint("g/", i), "db") }, newNode("g/new", "db")},
		"in a group that others await": {func(i int) *node { return newNode(fmt.Sprint("g/", i)) }, newNode("g/new", "db")},
		"of which it names none":       {func(i int) *node { return newNode(fmt.Sprint("w", i), "db") }, newNode("new")},
	} {
		t.Run(name, func(t *testing.T) {
			cost := func(others int) float64 {
				nodes := parse("db", "last: db")
				if name == "in a group that others await" {
					nodes = parse("db", "last: g")
				}
				for i := range others {
					nodes = append(nodes, tt.other(i))
				}
				graph := newGraph()
				require.NoError(t, graph.Add(nodes...))
				var added []*node
				allocs := testing.AllocsPerRun(100, func() {
					n := newNode(fmt.Sprint(tt.added.Name, len(added)), tt.added.After...)
					added = append(added, n)
					if err := graph.Add(n); err != nil {
						t.Error(err)
					}
				})
				graph.Remove(added...)
				return allocs
			}
			assert.InDelta(t, cost(100), cost(5000), 3)
		})
	}
}

func chain(i int) []string {
	if i == 0 {
		return []string{"db"}
	}
	return []string{fmt.Sprint("w", i-1)}
}

func TestThousandsAreRemovedAtOnceWithoutACopyForEach(t *testing.T) {
	const n = 5000
	db := newNode("db")
	graph := newGraph()
	require.NoError(t, graph.Add(db))
	var nodes []*node
	for i := range n {
		nodes = append(nodes, newNode(fmt.Sprint("g/", i), "db"))
	}
	require.NoError(t, graph.Add(nodes...))
	assert.Len(t, db.Dependents(), n)
	kept := nodes[n/2]
	graph.Remove(slices.Concat(nodes[:n/2], nodes[n/2+1:])...)
	assert.Equal(t, []*node{kept}, db.Dependents())
	assert.Less(t, testing.AllocsPerRun(1, func() { graph.Remove(nodes...) }), 12.0*n)
}
