package group_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx/internal/group"
)

const (
	one  = group.OneForOne
	all  = group.OneForAll
	rest = group.RestForOne
)

// replica is one of several replicas of a member.
type replica struct{ member, number int }

func (r replica) String() string { return fmt.Sprintf("%c%d", 'a'+r.member, r.number) }

// parse makes replicas of text such as "a0 b1".
func parse(text string) (found []replica) {
	for name := range strings.FieldsSeq(text) {
		found = append(found, replica{int(name[0] - 'a'), int(name[1] - '0')})
	}
	return found
}

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// failed returns a group in which replicas failed a second after each other.
func failed(strategies []group.Strategy, replicas string) *group.Group[replica] {
	g := group.New[replica](strategies)
	for i, r := range parse(replicas) {
		g.Failed(r, r.member, start.Add(time.Duration(i)*time.Second))
	}
	return g
}

// who lists the replicas for which is holds, two of each member.
func who(members int, is func(r replica) bool) string {
	var found []string
	for m := range members {
		for n := range 2 {
			if r := (replica{m, n}); is(r) {
				found = append(found, r.String())
			}
		}
	}
	return strings.Join(found, " ")
}

func TestWhoMustWaitWhenReplicasFail(t *testing.T) {
	type strategies = []group.Strategy
	for _, tt := range []struct {
		name            string
		strategies      strategies
		failed          string
		leads, mustWait string
	}{
		{"none", strategies{all, all, rest}, "", "", ""},
		{"one for one", strategies{one, all, rest}, "a0", "", ""},
		{"one for all", strategies{one, all, one}, "b0", "b0", "a0 a1 c0 c1"},
		{"rest for one", strategies{one, rest, all}, "b0", "b0", "c0 c1"},
		{"rest for one, the last", strategies{all, all, rest}, "c0", "c0", ""},
		{"two replicas of one", strategies{all, all, all}, "b0 b1", "b0 b1", "a0 a1 c0 c1"},
		{"two that would wait for each other", strategies{all, all, all}, "b1 a0", "b1", "a0 a1 b0 c0 c1"},
		{"three that would wait for each other", strategies{all, all, all}, "c0 a0 b1", "c0", "a0 a1 b0 b1 c1"},
		{"the earlier worker fails last", strategies{rest, rest, rest}, "b0 a0", "a0", "b0 b1 c0 c1"},
		{"the earlier worker fails first", strategies{rest, rest, rest}, "a0 b0", "a0", "b0 b1 c0 c1"},
		{"from the last worker to the first", strategies{rest, rest, rest}, "c0 b0 a0", "a0", "b0 b1 c0 c1"},
		{"one for all behind rest for one", strategies{rest, one, all}, "a0 c0", "a0", "a1 b0 b1 c0 c1"},
		{"one for all before rest for one", strategies{rest, one, all}, "c0 a0", "c0", "a0 a1 b0 b1 c1"},
		{"one for all makes the first one wait", strategies{all, rest, one}, "b0 a0", "a0", "b0 b1 c0 c1"},
		{"one that leads no longer is still waited for", strategies{all, rest, all}, "b0 a0", "a0", "b0 b1 c0 c1"},
		{"one for one does not count", strategies{one, rest, all}, "a0 b0", "b0", "c0 c1"},
		{"the same replica twice", strategies{all, all, all}, "a0 b0 a0", "a0", "a1 b0 b1 c0 c1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := failed(tt.strategies, tt.failed)
			assert.Equal(t, tt.leads, who(3, g.Leads))
			waits := func(r replica) bool { return g.MustWait(r, r.member) }
			assert.Equal(t, tt.mustWait, who(3, waits))
			g.Clear()
			assert.Empty(t, who(3, waits))
			assert.Empty(t, who(3, g.HasFailed))
		})
	}
}

func TestSharesFollowsTheStrategyOfTheFailedMember(t *testing.T) {
	for strategy, want := range map[group.Strategy][3]bool{one: {}, all: {true, false, true}, rest: {false, false, true}, 7: {}} {
		g := group.New[replica]([]group.Strategy{all, strategy, all})
		for member := range want {
			assert.Equal(t, want[member], g.Shares(member, 1), "member %d, strategy %d", member, strategy)
		}
	}
}

func TestForgottenFailureReleasesTheOthers(t *testing.T) {
	g := failed([]group.Strategy{all, all, all}, "a0 b0")
	require.False(t, g.Forget(replica{2, 0}), "it has not failed")
	require.True(t, g.Forget(replica{0, 0}))
	assert.Equal(t, "b0", who(3, g.Leads), "the next one leads")
	assert.Equal(t, "b0", who(3, g.HasFailed))
	require.True(t, g.Forget(replica{1, 0}))
	require.False(t, g.Forget(replica{1, 0}), "again")
	assert.Empty(t, who(3, func(r replica) bool { return g.MustWait(r, r.member) }))
}

func TestFailedReplicasAreListedInOrder(t *testing.T) {
	g := failed([]group.Strategy{all, all, one}, "b0 c0 a0")
	assert.Equal(t, parse("b0 a0"), g.Replicas(), "nobody shares the failures of c")
	g.Forget(replica{1, 0})
	assert.Equal(t, parse("a0"), g.Replicas())
	g.Clear()
	assert.Empty(t, g.Replicas())
}

func TestAMemberIsAskedToStopAtTheLastFailureThatItShares(t *testing.T) {
	g := failed([]group.Strategy{rest, all, all}, "c0 a0")
	assert.Equal(t, start, g.AskedToStop(0))
	assert.Equal(t, start.Add(time.Second), g.AskedToStop(1))
	assert.Equal(t, start.Add(time.Second), g.AskedToStop(2))
	g.Clear()
	assert.Zero(t, g.AskedToStop(1))
}
