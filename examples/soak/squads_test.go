package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx"
)

// newMates returns three workers of a group, all of which run.
func newMates(strategy workerfx.Strategy) (q *squads, mates []*mate) {
	q = new(squads)
	s := &squad{strategy: strategy, book: q}
	for i, name := range []string{"a", "b", "c"} {
		m := &mate{squad: s, index: i, name: name, tally: new(tally)}
		s.mates = append(s.mates, m)
		m.begin()
	}
	return q, s.mates
}

func TestRestartBesideAnOldRunIsAFault(t *testing.T) {
	for strategy, wrong := range map[workerfx.Strategy][]string{
		workerfx.OneForOne:  nil,
		workerfx.OneForAll:  {"b runs again beside an old run of a", "b runs again beside an old run of c"},
		workerfx.RestForOne: {"b runs again beside an old run of c"},
	} {
		q, mates := newMates(strategy)
		mates[1].end(true)
		mates[1].begin()
		require.Equal(t, wrong, q.beside.examples(), strategy)
		require.EqualValues(t, 1, q.regrouped.Load())
	}
}

func TestRestartAfterAllHaveStoppedIsNoFault(t *testing.T) {
	q, mates := newMates(workerfx.OneForAll)
	mates[1].end(true)
	mates[0].end(false)
	mates[2].end(false)
	mates[0].begin()
	mates[1].begin()
	mates[2].begin()
	require.Zero(t, q.beside.count())

	mates[1].end(false)
	mates[1].begin()
	require.Zero(t, q.beside.count(), "it was asked to stop")
}

func TestRestartByAnOrderIsNotShared(t *testing.T) {
	q, mates := newMates(workerfx.OneForAll)
	mates[1].tally.orders.Add(1)
	mates[1].end(true)
	mates[1].tally.orders.Add(-1)
	mates[1].begin()

	mates[1].end(true)
	mates[1].tally.ordered.Add(1)
	mates[1].begin()

	require.Zero(t, q.regrouped.Load())
	require.Zero(t, q.beside.count())
}

func TestStopWithoutAFailureIsAFault(t *testing.T) {
	for strategy, wrong := range map[workerfx.Strategy][]string{
		workerfx.OneForOne: {
			"a was stopped, and none had failed whose failures it shares", "c was stopped, and none had failed whose failures it shares",
		},
		workerfx.OneForAll:  nil,
		workerfx.RestForOne: {"a was stopped, and none had failed whose failures it shares"},
	} {
		q, mates := newMates(strategy)
		mates[1].end(true)
		mates[0].wasStopped()
		mates[2].wasStopped()
		require.Equal(t, wrong, q.without.examples(), strategy)

		mates[1].begin()
		before := q.without.count()
		mates[0].wasStopped()
		require.Equal(t, before+1, q.without.count(), "it runs again")
	}
}

func TestWorkerOfAGroupThatIsDoneIsAFault(t *testing.T) {
	var q squads
	q.enlist("w")
	q.check([]workerfx.Execution{{Worker: "w", Status: workerfx.StatusWaiting}, {Worker: "another", Status: workerfx.StatusError}})
	require.Zero(t, q.done.count())
	q.check([]workerfx.Execution{{Worker: "w", Status: workerfx.StatusError, Err: errMishap}})
	require.Equal(t, []string{"w: error: mishap"}, q.done.examples())
}
