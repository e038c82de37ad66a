package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx"
)

// newMembers returns three workers of a group, all of which run.
func newMembers(strategy workerfx.Strategy) (q *failureGroups, members []*member) {
	q = new(failureGroups)
	s := &failureGroup{strategy: strategy, all: q}
	for i, name := range []string{"a", "b", "c"} {
		m := &member{failureGroup: s, index: i, name: name, counts: new(workerCounts)}
		s.members = append(s.members, m)
		m.begin()
	}
	return q, s.members
}

func TestRestartBesideAnOldRunIsAFault(t *testing.T) {
	for strategy, wrong := range map[workerfx.Strategy][]string{
		workerfx.OneForOne:  nil,
		workerfx.OneForAll:  {"b runs again beside an old run of a", "b runs again beside an old run of c"},
		workerfx.RestForOne: {"b runs again beside an old run of c"},
	} {
		q, members := newMembers(strategy)
		members[1].end(true)
		members[1].begin()
		require.Equal(t, wrong, q.beside.examples(), strategy)
		require.EqualValues(t, 1, q.restarted.Load())
	}
}

func TestRestartAfterAllHaveStoppedIsNoFault(t *testing.T) {
	q, members := newMembers(workerfx.OneForAll)
	members[1].end(true)
	members[0].end(false)
	members[2].end(false)
	members[0].begin()
	members[1].begin()
	members[2].begin()
	require.Zero(t, q.beside.count())

	members[1].end(false)
	members[1].begin()
	require.Zero(t, q.beside.count(), "it was asked to stop")
}

func TestRestartByACommandIsNotShared(t *testing.T) {
	q, members := newMembers(workerfx.OneForAll)
	members[1].counts.commands.Add(1)
	members[1].end(true)
	members[1].counts.commands.Add(-1)
	members[1].begin()

	members[1].end(true)
	members[1].counts.commanded.Add(1)
	members[1].begin()

	require.Zero(t, q.restarted.Load())
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
		q, members := newMembers(strategy)
		members[1].end(true)
		members[0].wasStopped()
		members[2].wasStopped()
		require.Equal(t, wrong, q.without.examples(), strategy)

		members[1].begin()
		before := q.without.count()
		members[0].wasStopped()
		require.Equal(t, before+1, q.without.count(), "it runs again")
	}
}

func TestWorkerOfAGroupThatIsDoneIsAFault(t *testing.T) {
	var q failureGroups
	q.addTarget("w")
	q.check([]workerfx.Execution{{Worker: "w", Status: workerfx.StatusWaiting}, {Worker: "another", Status: workerfx.StatusError}})
	require.Zero(t, q.done.count())
	q.check([]workerfx.Execution{{Worker: "w", Status: workerfx.StatusError, Err: errMishap}})
	require.Equal(t, []string{"w: error: mishap"}, q.done.examples())
}
