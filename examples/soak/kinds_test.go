package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"
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

func TestOperatorKnowsItsTargetsInOneOrder(t *testing.T) {
	targets := func() (names []string) {
		s := newSoak(config{workers: 200, seed: 1, commands: 1, budget: time.Second})
		require.NoError(t, fx.New(s.app(kinds)).Err())
		for _, target := range s.operator.targets {
			names = append(names, target.name)
		}
		return names
	}
	first := targets()
	require.NotEmpty(t, first)
	require.Equal(t, first, targets())
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
