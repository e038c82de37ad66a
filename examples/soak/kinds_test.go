package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSharesMakeUpTheNumberOfWorkers(t *testing.T) {
	sum := 0
	for _, k := range kinds {
		sum += k.share
	}
	require.Equal(t, 100, sum)
	for _, workers := range []int{100, 137, 1000, 10_000} {
		made := 0
		for k, units := range share(kinds, workers) {
			require.Positive(t, units, k.name)
			made += units * k.size
		}
		require.Equal(t, workers, made)
	}
}

func TestSeedsDecideOnChances(t *testing.T) {
	roll := func(seed uint64, name string) (rolled [20]int) {
		d := newDice(seed, name)
		for i := range rolled {
			rolled[i] = d.below(1000)
		}
		return rolled
	}
	first := roll(1, "a")
	require.Equal(t, first, roll(1, "a"))
	require.NotEqual(t, first, roll(2, "a"))
	require.NotEqual(t, first, roll(1, "b"))
}
