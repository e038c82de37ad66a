package main

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// newRanks returns a worker and its dependent.
func newRanks(p *precedence) (before, after *rank) {
	before, after = &rank{name: "before", counts: new(workerCounts), all: p}, &rank{name: "after", counts: new(workerCounts), all: p}
	follow(after, before)
	after.counts.begun.Store(1)
	return before, after
}

func TestBeginBeforeOthersAreReadyIsAFault(t *testing.T) {
	cases := map[string]struct {
		before func(b, a *rank)
		wrong  bool
	}{
		"ready":                         {func(b, _ *rank) { b.begin(); b.countAsReady() }, false},
		"was ready":                     {func(b, _ *rank) { b.begin(); b.countAsReady(); b.end(); b.begin() }, false},
		"never begun":                   {func(*rank, *rank) {}, true},
		"not ready yet":                 {func(b, _ *rank) { b.begin() }, true},
		"was ready before it was added": {func(b, a *rank) { b.begin(); b.countAsReady(); b.begin(); a.counts.anewAt.Store(now()) }, true},
		"command under way":             {func(b, _ *rank) { b.begin(); b.counts.commands.Add(1) }, false},
		"second run":                    {func(_, a *rank) { a.counts.begun.Add(1) }, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var p precedence
				before, after := newRanks(&p)
				c.before(before, after)
				after.begin()
				require.Equal(t, c.wrong, p.broken.count() > 0, p.broken.examples())
			})
		})
	}
}

func now() int64 {
	time.Sleep(time.Nanosecond)
	return time.Now().UnixNano()
}

func TestStopBeforeOthersHaveIsAFault(t *testing.T) {
	var p precedence
	before, after := newRanks(&p)
	before.begin()
	after.begin()
	wrong := p.broken.count()
	after.sawStop()
	before.counts.commands.Add(1)
	before.sawStop()
	require.Equal(t, wrong, p.broken.count(), "nobody comes after it, or a command may have ended its run")

	before.counts.commands.Add(-1)
	before.sawStop()
	require.Equal(t, wrong+1, p.broken.count())
	require.Contains(t, p.broken.examples(), "before was stopped before after was")

	after.end()
	before.sawStop()
	require.Equal(t, wrong+1, p.broken.count())
	require.EqualValues(t, 2, p.stops.Load())
}

func TestAppThatIsUpBeforeItsWorkersAreReadyIsAFault(t *testing.T) {
	var p precedence
	before, after := newRanks(&p)
	p.appIsReady([]*rank{before, after})
	require.Equal(t, []string{"before"}, p.unready.examples())
	require.EqualValues(t, 1, p.awaited)

	before.countAsReady()
	p.appIsReady([]*rank{before, after})
	require.EqualValues(t, 1, p.unready.count())
}
