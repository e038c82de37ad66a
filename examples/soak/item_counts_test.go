package main

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestItemCountsBalances(t *testing.T) {
	cases := map[string]struct {
		sent        int
		handled     []int64
		lost, twice int64
	}{
		"nothing":          {},
		"all in command":   {sent: 3, handled: []int64{0, 1, 2}},
		"all in disorder":  {sent: 4, handled: []int64{3, 1, 0, 2}},
		"first lost":       {sent: 3, handled: []int64{1, 2}, lost: 1},
		"last lost":        {sent: 3, handled: []int64{0, 1}, lost: 1},
		"all lost":         {sent: 3, lost: 3},
		"again, at once":   {sent: 2, handled: []int64{0, 0, 1}, twice: 1},
		"again, too early": {sent: 3, handled: []int64{2, 2}, lost: 2, twice: 1},
		"again, late":      {sent: 2, handled: []int64{0, 1, 0, 1}, twice: 2},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			l := newItemCounts()
			for want := range c.sent {
				require.EqualValues(t, want, l.next())
				l.wasSent()
			}
			l.wasHandled(c.handled...)

			sent, lost, twice := l.balance()

			require.EqualValues(t, c.sent, sent)
			require.Equal(t, c.lost, lost)
			require.Equal(t, c.twice, twice)
			require.Equal(t, sent-lost, l.succeeded())
		})
	}
}

func TestItemCountsForgetSettledItems(t *testing.T) {
	l := newItemCounts()
	for _, item := range rand.Perm(1000) {
		l.wasSent()
		l.wasHandled(int64(item))
	}
	require.Empty(t, l.above)
	require.EqualValues(t, 1000, l.below)
}
