//go:build !race

package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestAllocationsDoNotGrow holds the allocations of workerfx in each work, for an operation. They do not depend on how fast
// the machine is. If a change needs more, change the number here and say why.
func TestAllocationsDoNotGrow(t *testing.T) {
	most := map[string]float64{
		"start and stop 10,000 workers":           15,
		"restart after an error, 10,000 in a row": 5.1,
		"restart after a panic, its stack kept":   8.1,
		"Loop, 1 replica":                         0.1,
		"FromChannel":                             0.1,
		"Batch, 100 items each":                   0.1,
		"span within a run":                       4.1, // a plain one has 3
		"log line through the context":            0.1,
		"Executions() of 1,000 workers":           0.1,
		"tick of 10,000 schedules of a second":    7,
		"scrape of 1,000 workers":                 110,
		"start and stop 1,000 workers":            15,
	}
	for _, w := range allWorks(func(n int) int { return min(n, 10_000) }) {
		limit, guarded := most[w.name]
		if !guarded {
			continue
		}
		delete(most, w.name)
		var m meter
		w.contenders[0].run(&m)
		got := m.sample().allocations
		t.Logf("%-45s %6.2f", w.name, got)
		assert.LessOrEqual(t, got, limit, w.name)
	}
	require.Empty(t, most, "works that do not exist")
}
