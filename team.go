package workerfx

import (
	"context"
	"slices"
	"sync"
	"time"
)

// team is the workers of a group that share their failures.
type team struct {
	members []*member // in the group's order

	mu      sync.Mutex // guards leaders; comes before the pool's and a supervisor's lock
	leaders []*leader  // in the order in which they failed
}

// leader is a replica that failed, and that others of its team wait for until it runs again.
type leader struct {
	*supervisor

	run   *runContext // that failed
	since time.Time   // when they were asked to stop
	leads bool        // it does not itself wait for another one
}

// newTeam makes a team of a group's workers if one of them shares its failures.
func newTeam(members []*member) {
	if !slices.ContainsFunc(members, func(m *member) bool { return m.strategy != OneForOne }) {
		return
	}
	t := &team{members: members}
	for _, m := range members {
		m.linked().team = t
	}
}

// team is the one that the member is in, or nil.
func (m *member) team() *team {
	if l := m.links.Load(); l != nil {
		return l.team
	}
	return nil
}

// shares tells whether o shares a failure of m's.
func (t *team) shares(o, m *member) bool {
	return o != m && (m.strategy == OneForAll || m.strategy == RestForOne && slices.Index(t.members, o) > slices.Index(t.members, m))
}

// sharers are the replicas of the workers that share a failure of m's.
func (t *team) sharers(m *member) (found []*supervisor) {
	for _, o := range t.members {
		if t.shares(o, m) {
			found = slices.AppendSeq(found, o.replicas())
		}
	}
	return found
}

// gather makes the others wait for s, which failed, and ends their runs.
func (t *team) gather(s *supervisor) {
	if t == nil || s.strategy == OneForOne {
		return
	}
	t.change(func() bool { // with the lock: those that come later see the leader
		t.leaders = append(t.leaders, &leader{supervisor: s, run: s.report.run, since: time.Now()})
		return true
	})
}

// regroup ends the wait of all if it was s that they waited for, which is about to run again. Those of them that
// failed, too, run with it. ready is false if there is somebody to wait for now.
func (t *team) regroup(s *supervisor) (led, ready bool) {
	ready = true
	led = t.change(func() bool {
		if !t.leads(s) {
			return false
		}
		if ready = t.running() == nil; ready {
			t.leaders = nil // others can only be its own replicas, or wait for it
		}
		return ready
	})
	return led, ready
}

// release ends the wait of the others for a replica whose run failed and is not followed by another. One that
// failed as well still has them wait.
func (t *team) release(run *runContext) {
	t.change(func() bool {
		before := len(t.leaders)
		t.leaders = slices.DeleteFunc(t.leaders, func(l *leader) bool { return l.run == run })
		return len(t.leaders) < before
	})
}

// change changes the leaders, and makes those wait who have to then, and no others.
func (t *team) change(do func() bool) (changed bool) {
	if t == nil {
		return false
	}
	t.mu.Lock()
	changed = do()
	var runs []*runContext
	if changed {
		runs = t.arrange()
	}
	t.mu.Unlock()
	finishAll(runs)
	return changed
}

// arrange says who leads, and returns the runs of those that did not have to wait before. One of two who would have
// to wait for each other leads: the first to fail. t.mu is held.
func (t *team) arrange() (runs []*runContext) {
	for i, l := range t.leaders {
		before := t.leaders[:i]
		l.leads = !slices.ContainsFunc(before, func(o *leader) bool { return o.leads && t.shares(l.member, o.member) })
		for _, o := range before {
			o.leads = o.leads && !(l.leads && t.shares(o.member, l.member))
		}
	}
	for _, m := range t.members {
		for s := range m.replicas() {
			switch waits, held := t.waits(s), s.isHeld(); {
			case waits && !held:
				runs = append(runs, s.hold())
			case held && !waits:
				s.order(func(o *orders) { o.held = false })
			}
		}
	}
	return runs
}

// waits tells whether s has to wait for one that failed. t.mu is held.
func (t *team) waits(s *supervisor) bool {
	return !t.leads(s) && slices.ContainsFunc(t.leaders, func(l *leader) bool { return t.shares(s.member, l.member) })
}

// leads tells whether s failed, and does not itself wait for another one. t.mu is held.
func (t *team) leads(s *supervisor) bool {
	return slices.ContainsFunc(t.leaders, func(l *leader) bool { return l.supervisor == s && l.leads })
}

// isLeader tells whether others wait for s, or would if it did not itself wait for another one.
func (t *team) isLeader(s *supervisor) bool {
	if t == nil {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.ContainsFunc(t.leaders, func(l *leader) bool { return l.supervisor == s })
}

// join makes a replica whose life begins, or begins anew, wait for the one that the others wait for.
func (t *team) join(s *supervisor) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.waits(s) {
		s.hold()
	}
}

// disband stops the others for good, as s has failed for good.
func (t *team) disband(s *supervisor) {
	sharers := t.sharers(s.member)
	runs := make([]*runContext, len(sharers))
	for i, o := range sharers {
		runs[i] = o.disband()
	}
	t.release(s.report.run)
	finishAll(runs)
}

// busy returns one of those whose run goes on although s waits for its end, or nil, and when s has waited long
// enough.
func (t *team) busy(s *supervisor) (peer *supervisor, until time.Time) {
	if t == nil {
		return nil, until
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.leads(s) {
		return nil, until
	}
	if peer = t.running(); peer != nil {
		until = t.asked(peer.member).Add(orDefault(peer.stopTimeout, s.pool.stopTimeout()))
	}
	return peer, until
}

// running returns one that has to wait and whose run goes on, or nil. t.mu is held.
func (t *team) running() *supervisor {
	for _, m := range t.members {
		for s := range m.replicas() {
			if t.waits(s) && s.isRunning() {
				return s
			}
		}
	}
	return nil
}

// asked is when m was last asked to stop for one that failed. t.mu is held.
func (t *team) asked(m *member) (at time.Time) {
	for _, l := range t.leaders {
		if t.shares(m, l.member) {
			at = l.since
		}
	}
	return at
}

// tell makes those that others wait for look whether s, which is one of them, has stopped.
func (t *team) tell(s *supervisor) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, l := range t.leaders {
		if l.supervisor != s {
			l.lookAgain()
		}
	}
}

// finishAll ends those runs that are not nil.
func finishAll(runs []*runContext) {
	for _, run := range runs {
		if run != nil {
			run.finish(run.s.pool.budgetUntil(context.Background()).grace(run.s.stopTimeout))
		}
	}
}
