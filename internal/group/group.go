// Package group decides which replicas of a group must stop and wait when some of them fail.
//
// A worker's strategy says which other workers of the group share its failures. They stop, wait until the
// failed replica can run again, and then run again with it. If several replicas have failed and would have to
// wait for each other, one of them leads and the others wait for it. The package knows which replicas have
// failed. It does not know which of them run. It has no clock and no locks: the owner of a group guards it.
package group

import (
	"slices"
	"time"
)

// Strategy says which workers share the failures of a worker.
type Strategy int

// The strategies.
const (
	OneForOne  Strategy = iota // none
	OneForAll                  // all others of the group
	RestForOne                 // the members behind it in the group
)

// Group has the strategies and the failures of a group. R identifies a replica. A member is a worker of the
// group, by its position in the group's order. Make one with [New].
type Group[R comparable] struct {
	strategies []Strategy
	failures   []failure[R] // in the order in which they happened
}

type failure[R comparable] struct {
	replica R
	member  int
	at      time.Time
	leads   bool // the replica does not wait for another failed one
}

// New returns a group without failures. It has a strategy for each member.
func New[R comparable](strategies []Strategy) *Group[R] { return &Group[R]{strategies: strategies} }

// Shares tells whether a member must stop when another one fails.
func (g *Group[R]) Shares(member, failed int) bool {
	switch g.strategies[failed] {
	case OneForAll:
		return member != failed
	case RestForOne:
		return member > failed
	default:
		return false
	}
}

// Failed notes that a replica of a member has failed and will run again. Others may have to stop and wait
// for that from now on.
func (g *Group[R]) Failed(r R, member int, at time.Time) {
	if g.strategies[member] == OneForOne {
		return
	}
	g.failures = append(g.failures, failure[R]{replica: r, member: member, at: at})
	g.chooseLeaders()
}

// Forget forgets the failures of a replica that will not run again by itself. It tells whether there were
// any: then others may no longer have to wait.
func (g *Group[R]) Forget(r R) (changed bool) {
	before := len(g.failures)
	g.failures = slices.DeleteFunc(g.failures, func(f failure[R]) bool { return f.replica == r })
	g.chooseLeaders()
	return len(g.failures) < before
}

// Clear forgets all failures, as a replica that leads is about to run again. Nobody has to wait any longer:
// the other failed replicas waited for that one, or are replicas of the same member.
func (g *Group[R]) Clear() { g.failures = nil }

// MustWait tells whether a replica of a member must stop, or not run again, until others run again.
func (g *Group[R]) MustWait(r R, member int) bool {
	return !g.Leads(r) && slices.ContainsFunc(g.failures, func(f failure[R]) bool { return g.Shares(member, f.member) })
}

// Leads tells whether a replica has failed and does not wait for another failed one. It may run again once
// all that must wait have stopped.
func (g *Group[R]) Leads(r R) bool {
	return slices.ContainsFunc(g.failures, func(f failure[R]) bool { return f.replica == r && f.leads })
}

// HasFailed tells whether a replica has failed and has not run again, whether it leads or waits.
func (g *Group[R]) HasFailed(r R) bool {
	return slices.ContainsFunc(g.failures, func(f failure[R]) bool { return f.replica == r })
}

// AskedToStop returns when a member last had to stop for a failure. It returns the zero time if there is none.
func (g *Group[R]) AskedToStop(member int) (at time.Time) {
	for _, f := range g.failures {
		if g.Shares(member, f.member) {
			at = f.at
		}
	}
	return at
}

// chooseLeaders decides who leads. If two failed replicas would have to wait for each other, the first to
// fail leads. If only one would have to wait for the other, it waits.
func (g *Group[R]) chooseLeaders() {
	for i := range g.failures {
		f, earlier := &g.failures[i], g.failures[:i]
		f.leads = !slices.ContainsFunc(earlier, func(e failure[R]) bool { return e.leads && g.Shares(f.member, e.member) })
		for j := range earlier {
			if f.leads && g.Shares(earlier[j].member, f.member) {
				earlier[j].leads = false
			}
		}
	}
}

// Replicas returns the replicas that have failed since the last Clear, and that were not forgotten.
func (g *Group[R]) Replicas() (found []R) {
	for _, f := range g.failures {
		found = append(found, f.replica)
	}
	return found
}
