package workerfx

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/workerfx/workerfx/internal/group"
	"github.com/workerfx/workerfx/internal/safecall"
)

// Strategy says which workers of a [Group] restart when one of them fails and has another attempt.
type Strategy int

// The strategies.
const (
	OneForOne  Strategy = iota // only the worker that failed
	OneForAll                  // all workers of the group
	RestForOne                 // the worker that failed, and the workers behind it in the result of Workers
)

var strategyNames = [...]string{"one for one", "one for all", "rest for one"}

// String returns the strategy in words, such as "one for all".
func (s Strategy) String() string {
	if s < 0 || int(s) >= len(strategyNames) {
		return fmt.Sprintf("strategy %d", int(s))
	}
	return strategyNames[s]
}

// WithStrategy sets which workers of a group restart together. It is an option of a group, or of one worker in a
// group for the failures of that worker. Before the worker that failed runs again, the others stop, as at
// [Pool.Stop]. Then they run again with it, in the order of [WithAfter]. The worker fails for good if another
// worker does not stop in time (within its stop timeout, else [Config.StopTimeout]). If it is paused, the others run
// again without it, as soon as all of them have stopped. When a worker fails for good, the others stop for good; if one
// of them is essential, the pool stops. Workers that are done or paused stay so. Other replicas of the worker that
// failed go on. [Pool.Restart] restarts one worker only. The default is [OneForOne].
func WithStrategy(strategy Strategy) Option {
	return func(s *settings) { s.strategy = strategy }
}

// groupMember is a worker's place in a group whose workers share failures. Its methods may be called on nil, and do
// nothing then. The pool's lock is held in all of them.
type groupMember struct {
	*sharedGroup

	index int // in the group's order
}

// sharedGroup is the workers of a group that share their failures.
type sharedGroup struct {
	members  []*entry // in the group's order
	failures *group.Group[*replica]
}

// shareFailures makes a sharedGroup of a group's workers if one of them has a strategy other than [OneForOne].
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

// holdOthers stops the replicas that share the failures of r, and makes them wait. r failed and has another attempt.
func (g *groupMember) holdOthers(r *replica, effects *sideEffects) {
	if g != nil && r.strategy != OneForOne {
		g.failures.Failed(r, g.index, time.Now())
		g.update(effects)
	}
}

// update holds the replicas that have to wait for a failed replica, and releases the others.
func (g *groupMember) update(effects *sideEffects) {
	for i, e := range g.members {
		for r := range e.replicas() {
			wait, held := g.failures.MustWait(r, i), r.machine.IsHeld()
			switch {
			case wait && !held:
				r.machine.Hold()
				endRunForGroup(r, effects)
			case held && !wait:
				r.machine.Release(g.failures.HasFailed(r))
				r.wake()
			}
		}
	}
}

// endRunForGroup ends a replica's run for another member of its group, or wakes the replica.
func endRunForGroup(r *replica, effects *sideEffects) {
	if r.machine.IsRunning() {
		r.run.stopGracefully(r.pool.stopDeadlineOf(context.Background()).grace(r.stopTimeout), effects)
		return
	}
	r.wake()
}

// stopOthers stops the replicas for good that share the failures of r. r failed for good; if peer is not nil, it
// failed as peer did not stop.
func (g *groupMember) stopOthers(r, peer *replica, effects *sideEffects) {
	if g == nil || r.strategy == OneForOne {
		return
	}
	for i, e := range g.members {
		if !g.failures.Shares(i, g.index) {
			continue
		}
		for other := range e.replicas() {
			other.machine.StopGroup()
			endRunForGroup(other, effects)
		}
	}
	if g.failures.Forget(r) {
		g.update(effects)
	}
	run := r.run
	effects.log(func() { r.pool.log.groupStopped(r, run, peer) })
}

// holdNew holds a replica that starts, if it has to wait for another replica.
func (g *groupMember) holdNew(r *replica) {
	if g != nil && g.failures.MustWait(r, g.index) {
		r.machine.Hold()
	}
}

// releaseOthers releases the replicas that wait for r, which is about to run again. It returns false if there are none.
func (g *groupMember) releaseOthers(r *replica, effects *sideEffects) bool {
	if g == nil || !g.failures.Leads(r) {
		return false
	}
	g.failures.Clear() // other failures are those of r's worker, or of replicas that wait for r
	g.update(effects)
	return true
}

// goOnWithout releases the replicas that wait for r, which exits or is paused.
func (g *groupMember) goOnWithout(r *replica, effects *sideEffects) {
	if g != nil && g.failures.Forget(r) {
		g.update(effects)
	}
}

// wakeFailed wakes the failed replicas, which may wait for r to stop.
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

// stopsIn tells whether a member still runs that r, which has failed, waits for, and how much time it has left to stop.
func (g *groupMember) stopsIn(r *replica, now time.Time) (runs bool, left time.Duration) {
	peer := g.stillRunning(r)
	if peer == nil {
		return false, 0
	}
	by := g.failures.AskedToStop(peer.group.index).Add(cmp.Or(peer.stopTimeout, r.pool.config.stopTimeout()))
	return true, by.Sub(now)
}

// stillRunning returns a replica that still runs and that r, which has failed, waits for. It returns nil if there
// is none.
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

// failAsGroupRuns records that a replica failed for good, as another member of its group did not stop. It stops the
// others.
func failAsGroupRuns(r *replica, now time.Time, effects *sideEffects) {
	peer := r.group.stillRunning(r)
	failure := r.record.failure(TroubleFailed)
	shown := fmt.Sprintf("worker %q of its group did not stop; %s", peer.name, failure.text)
	recordFailure(r, safecall.WithText(errors.Join(ErrStuck, failure.Err), shown), shown, now)
	r.group.stopOthers(r, peer, effects)
}
