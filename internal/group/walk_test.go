package group_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx/internal/group"
)

var everybody = parse("a0 a1 b0 b1 c0 c1")

// step is one call of a group's method. The walk knows what must have failed after it.
type step struct {
	call string
	r    replica
}

func allSteps() (steps []step) {
	for _, r := range everybody {
		steps = append(steps, step{"Failed", r}, step{"Forget", r})
	}
	return append(steps, step{call: "Clear"})
}

func (s step) take(g *group.Group[replica]) {
	switch s.call {
	case "Failed":
		g.Failed(s.r, s.r.member, time.Time{})
	case "Forget":
		g.Forget(s.r)
	case "Clear":
		g.Clear()
	}
}

// after is the obvious model: the replicas that have failed, in their order.
func (s step) after(failed []replica, strategies []group.Strategy) []replica {
	switch {
	case s.call == "Clear":
		return nil
	case s.call == "Forget":
		return slices.DeleteFunc(slices.Clone(failed), func(r replica) bool { return r == s.r })
	case strategies[s.r.member] == one:
		return failed
	}
	return append(slices.Clip(failed), s.r)
}

// check says what is wrong with a group in which these replicas have failed.
func check(g *group.Group[replica], failed []replica) error {
	var leaders []replica
	for _, r := range everybody {
		hasFailed, waits := slices.Contains(failed, r), g.MustWait(r, r.member)
		shares := slices.ContainsFunc(failed, func(f replica) bool { return g.Shares(r.member, f.member) })
		leads := g.Leads(r)
		if leads {
			leaders = append(leaders, r)
		}
		switch {
		case g.HasFailed(r) != hasFailed:
			return fmt.Errorf("%v: HasFailed is %v", r, !hasFailed)
		case leads && !hasFailed:
			return fmt.Errorf("%v leads and has not failed", r)
		case leads && waits:
			return fmt.Errorf("%v leads and must wait", r)
		case !leads && waits != shares:
			return fmt.Errorf("%v: MustWait is %v", r, waits)
		case hasFailed && !leads && !waits:
			return fmt.Errorf("%v has failed, and neither leads nor waits", r)
		}
	}
	return checkLeaders(g, leaders, len(failed))
}

func checkLeaders(g *group.Group[replica], leaders []replica, failures int) error {
	if (len(leaders) == 0) != (failures == 0) {
		return fmt.Errorf("%d failures, and these lead: %v", failures, leaders)
	}
	for _, r := range leaders {
		for _, o := range leaders {
			if g.Shares(r.member, o.member) {
				return fmt.Errorf("%v and %v lead, and the first would have to wait for the second", r, o)
			}
			if r.member != o.member {
				return fmt.Errorf("%v and %v lead, and Clear would forget one of them", r, o)
			}
		}
	}
	return nil
}

// walk takes every step from every state of a group. A state is who has failed, in which order. Since it
// says all that a group knows, this covers every sequence of steps, however long. A replica that has failed
// does not fail again: it waits, or it leads and clears the group before it runs again.
func walk(t *testing.T, strategies []group.Strategy) (states, steps int) {
	t.Helper()
	type state struct {
		failed []replica
		path   []step // the shortest way to it
	}
	seen, queue := map[string]bool{"[]": true}, []state{{}}
	for ; len(queue) > 0; queue = queue[1:] {
		s := queue[0]
		states++
		for _, next := range allSteps() {
			if next.call == "Failed" && slices.Contains(s.failed, next.r) {
				continue
			}
			path, failed := append(slices.Clip(s.path), next), next.after(s.failed, strategies)
			g := group.New[replica](strategies)
			for _, taken := range path {
				taken.take(g)
			}
			if err := check(g, failed); err != nil {
				require.Failf(t, "the group is wrong", "%v, strategies %v after %v", err, strategies, path)
			}
			steps++
			if key := fmt.Sprint(failed); !seen[key] {
				seen[key] = true
				queue = append(queue, state{failed, path})
			}
		}
	}
	return states, steps
}

func TestEverySequenceOfFailuresHasSomebodyWhoLeads(t *testing.T) {
	states, steps := 0, 0
	strategies := []group.Strategy{one, all, rest}
	for _, a := range strategies {
		for _, b := range strategies {
			for _, c := range strategies {
				s, n := walk(t, []group.Strategy{a, b, c})
				states, steps = states+s, steps+n
			}
		}
	}
	t.Logf("%d states, %d steps checked", states, steps)
}
