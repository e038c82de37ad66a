package order_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx/internal/order"
)

const modelSize = 4

// model is the obvious graph: bit j of model[i] says that node i comes after node j.
type model [modelSize]uint

func (m model) hasCycle() bool {
	reach := m
	for range modelSize {
		for i := range reach {
			for j := range reach {
				if reach[i]&(1<<j) != 0 {
					reach[i] |= reach[j]
				}
			}
		}
	}
	for i := range reach {
		if reach[i]&(1<<i) != 0 {
			return true
		}
	}
	return false
}

func (m model) node(i int) *node {
	n := newNode(fmt.Sprint(i))
	for j := range modelSize {
		if m[i]&(1<<j) != 0 {
			n.After = append(n.After, fmt.Sprint(j))
		}
	}
	return n
}

func (m model) nodes() (nodes [modelSize]*node) {
	for i := range nodes {
		nodes[i] = m.node(i)
	}
	return nodes
}

// requireLinks requires the model's links, but none with the node missing.
func (m model) requireLinks(t *testing.T, nodes [modelSize]*node, missing int) {
	t.Helper()
	for i, a := range nodes {
		count := 0
		for j, b := range nodes {
			linked := i != missing && j != missing && m[i]&(1<<j) != 0
			if linked != slices.Contains(a.Predecessors(), b) || linked != slices.Contains(b.Dependents(), a) {
				require.Failf(t, "wrong link", "%v: %d after %d, without %d", m, i, j, missing)
			}
			if linked {
				count++
			}
		}
		if len(a.Predecessors()) != count && i != missing {
			require.Failf(t, "a link twice", "%v: %d after %v", m, i, namesOf(a.Predecessors()))
		}
	}
}

// allModels yields all graphs of four nodes.
func allModels(yield func(model) bool) {
	for bits := range uint(1) << (modelSize * modelSize) {
		var m model
		for i := range m {
			m[i] = bits >> (i * modelSize) & (1<<modelSize - 1)
		}
		if !yield(m) {
			return
		}
	}
}

func TestCyclesAreFoundInAllGraphsOfFourNodes(t *testing.T) {
	cyclic, total := 0, 0
	for m := range allModels {
		nodes := m.nodes()
		err := newGraph().Add(nodes[:]...)
		if m.hasCycle() != (err != nil) {
			require.Failf(t, "wrong answer", "%v: %v", m, err)
		}
		if total++; err != nil {
			cyclic++
			m = model{} // no links are left
		}
		m.requireLinks(t, nodes, -1)
	}
	t.Logf("%d of %d graphs have a cycle", cyclic, total)
	assert.Equal(t, 543, total-cyclic) // the number of labeled acyclic graphs of 4 nodes: OEIS A003024
}

func TestCyclesAreFoundWhateverNodeIsReplacedInAllGraphsOfFourNodes(t *testing.T) {
	for m := range allModels {
		if m.hasCycle() {
			continue
		}
		nodes := m.nodes()
		graph := newGraph()
		require.NoError(t, graph.Add(nodes[:]...))
		for replaced := range nodes {
			for after := range uint(1) << modelSize {
				graph.Remove(nodes[replaced])
				changed := m
				changed[replaced] = after
				requireReplaced(t, graph, nodes, changed, replaced)
				require.NoError(t, graph.Add(nodes[replaced]), "the old one comes back")
				m.requireLinks(t, nodes, -1)
			}
		}
	}
}

// requireReplaced adds the model's node for one that was removed, and removes it again.
func requireReplaced(t *testing.T, graph *order.Graph[int], nodes [modelSize]*node, m model, replaced int) {
	t.Helper()
	nodes[replaced] = m.node(replaced)
	err := graph.Add(nodes[replaced])
	if m.hasCycle() != (err != nil) {
		require.Failf(t, "wrong answer", "%v: %v", m, err)
	}
	if err != nil {
		m.requireLinks(t, nodes, replaced)
		return
	}
	m.requireLinks(t, nodes, -1)
	graph.Remove(nodes[replaced])
}
