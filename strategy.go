package workerfx

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/workerfx/workerfx/internal/group"
	"github.com/workerfx/workerfx/internal/safecall"
)

// Strategy says which workers of a [Group] are run again when one of them fails and has another attempt.
type Strategy int

// The strategies.
const (
	OneForOne  Strategy = iota // only the one that failed
	OneForAll                  // all of the group
	RestForOne                 // it, and those that come after it in what Workers returned
)

var strategyNames = [...]string{"one for one", "one for all", "rest for one"}

// String returns the strategy in words, such as "one for all".
func (s Strategy) String() string {
	if s < 0 || int(s) >= len(strategyNames) {
		return fmt.Sprintf("strategy %d", int(s))
	}
	return strategyNames[s]
}

// WithStrategy makes the workers of a group share their failures. It is an option of a group, or of a worker
// in one for that worker's failures. Before the one that failed is run again, the others stop, as they do at
// [Pool.Stop]; they begin anew with it, in the order of [WithAfter]. One that does not stop in
// time (its stop timeout, else [Config.StopTimeout]) makes it fail for good. When it fails for good, the others stop for good, too; if
// one of them is essential, so does the pool. Workers that are done, or paused, stay so; an operator's
// Restart is about one worker only, and other replicas of the one that failed go on. The default is [OneForOne].
func WithStrategy(strategy Strategy) Option {
	return func(s *settings) { s.strategy = strategy }
}

// groupMember is a worker's place in a group whose workers share failures. The methods of a nil member do nothing. The
// pool's lock is held in all of them.
type groupMember struct {
	*sharedGroup

	index int // in the group's order
}

// sharedGroup is the workers of a group that share their failures.
type sharedGroup struct {
	members  []*entry // in the group's order
	failures *group.Group[*replica]
}

// shareFailures makes a group's workers share their failures if one of them asks for it.
func shareFailures(members []*entry) {
	if !slices.ContainsFunc(members, func(e *entry) bool { return e.strategy != OneForOne }) {
		return
	}
	strategies := make([]group.Strategy, len(members))
	for i, e := range members {
		strategies[i] = group.Strategy(e.strategy)
	}
	shared := &sharedGroup{members: members, failures: group.New[*replica](strategies)}
	for i, e := range members {
		e.group = &groupMember{sharedGroup: shared, index: i}
	}
}

// holdOthers makes those wait that share the failures of r, which failed and has another attempt, and ends their runs.
func (g *groupMember) holdOthers(r *replica, after *afterwards) {
	if g != nil && r.strategy != OneForOne {
		g.failures.Failed(r, g.index, time.Now())
		g.update(after)
	}
}

// update holds the replicas that have to wait for one that failed, and releases all others.
func (g *groupMember) update(after *afterwards) {
	for i, e := range g.members {
		for r := range e.replicas() {
			wait, held := g.failures.MustWait(r, i), r.machine.IsHeld()
			switch {
			case wait && !held:
				r.machine.Hold()
				endRunForGroup(r, after)
			case held && !wait:
				r.machine.Release(g.failures.HasFailed(r))
				r.wake()
			}
		}
	}
}

// endRunForGroup ends a replica's run for another member of its group, or wakes the replica.
func endRunForGroup(r *replica, after *afterwards) {
	if r.machine.IsRunning() {
		r.run.finish(r.pool.stopDeadlineOf(context.Background()).grace(r.stopTimeout), after)
		return
	}
	r.wake()
}

// stopOthers stops those for good that share the failures of r, which failed for good, also because peer did not stop.
func (g *groupMember) stopOthers(r, peer *replica, after *afterwards) {
	if g == nil || r.strategy == OneForOne {
		return
	}
	for i, e := range g.members {
		if !g.failures.Shares(i, g.index) {
			continue
		}
		for other := range e.replicas() {
			other.machine.StopGroup()
			endRunForGroup(other, after)
		}
	}
	if g.failures.Forget(r) {
		g.update(after)
	}
	run := r.run
	after.log(func() { r.pool.log.groupStopped(r, run, peer) })
}

// holdNew holds a replica that begins, if it has to wait for another one.
func (g *groupMember) holdNew(r *replica) {
	if g != nil && g.failures.MustWait(r, g.index) {
		r.machine.Hold()
	}
}

// releaseOthers releases those that wait for r, which is about to run again. It tells whether there may be any.
func (g *groupMember) releaseOthers(r *replica, after *afterwards) bool {
	if g == nil || !g.failures.Leads(r) {
		return false
	}
	g.failures.Clear() // other failures can only be those of its own replicas, or of those that wait for it
	g.update(after)
	return true
}

// forget ends the wait for a replica that ends.
func (g *groupMember) forget(r *replica, after *afterwards) {
	if g != nil && g.failures.Forget(r) {
		g.update(after)
	}
}

// wakeFailed makes those look again that failed and wait for others, one of which is r, to stop.
func (g *groupMember) wakeFailed(r *replica) {
	if g == nil {
		return
	}
	for _, failed := range g.failures.Replicas() {
		if failed != r {
			failed.wake()
		}
	}
}

// stopsBy is when the members must have stopped that still run although r, which failed, waits for them; zero if none
// runs.
func (g *groupMember) stopsBy(r *replica) (by time.Time) {
	if peer := g.stillRunning(r); peer != nil {
		by = g.failures.AskedToStop(peer.group.index).Add(orDefault(peer.stopTimeout, r.pool.config.stopTimeout()))
	}
	return by
}

// stillRunning returns a member that still runs although r, which failed, waits for it; nil if there is none.
func (g *groupMember) stillRunning(r *replica) *replica {
	if g == nil || !g.failures.Leads(r) {
		return nil
	}
	for i, e := range g.members {
		for peer := range e.replicas() {
			if peer.machine.IsRunning() && g.failures.MustWait(peer, i) {
				return peer
			}
		}
	}
	return nil
}

// giveUpOnGroup records that a replica failed for good, as a member of its group did not stop, and stops the others.
func giveUpOnGroup(r *replica, now time.Time, after *afterwards) {
	peer := r.group.stillRunning(r)
	failure := r.record.failure(TroubleFailed)
	shown := fmt.Sprintf("worker %q of its group did not stop; %s", peer.name, failure.text)
	r.record.fail(safecall.WithText(errors.Join(ErrStuck, failure.Err), shown), shown, now)
	r.group.stopOthers(r, peer, after)
}
