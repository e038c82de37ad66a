package workerfx

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
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
// one of them is essential, so does the pool. Workers that are done, or paused, stay so, and an operator's
// Restart is about one worker only. The default is [OneForOne].
func WithStrategy(strategy Strategy) Option {
	return func(s *settings) { s.strategy = strategy }
}

// team is the workers of a group that share their failures.
type team struct {
	members []*member // in the group's order

	mu     sync.Mutex  // guards the fields below; comes before the pool's and a supervisor's lock
	leader *supervisor // the one that failed and that the others wait for, or nil
	since  time.Time   // when they were asked to
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

// sharers are the replicas of the workers that share a failure of m's. It is nil for a worker without a team.
func (t *team) sharers(m *member) (found []*supervisor) {
	if t == nil || m.strategy == OneForOne {
		return nil
	}
	for i, o := range t.members {
		if o != m && (m.strategy == OneForAll || i > slices.Index(t.members, m)) {
			found = slices.AppendSeq(found, o.replicas())
		}
	}
	return found
}

// gather makes the others wait for s, which failed, and ends their runs. One that waits for another already
// changes nothing.
func (t *team) gather(s *supervisor) {
	if t == nil || s.strategy == OneForOne {
		return
	}
	t.mu.Lock()
	sharers := t.sharers(s.member) // with the lock: those that come later see the leader
	if sharers == nil || s.isHeld() {
		t.mu.Unlock()
		return
	}
	t.leader, t.since = s, time.Now()
	runs := make([]*runContext, len(sharers))
	for i, o := range sharers {
		runs[i] = o.hold()
	}
	t.mu.Unlock()
	finishAll(runs)
}

// join makes a replica whose life begins, or begins anew, wait for the one that the others wait for.
func (t *team) join(s *supervisor) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.leader != nil && slices.Contains(t.sharers(t.leader.member), s) {
		s.hold()
	}
}

// release ends the wait of the others if it was s that they waited for.
func (t *team) release(s *supervisor) bool {
	if t == nil {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.leader != s {
		return false
	}
	t.leader = nil
	for _, o := range t.sharers(s.member) {
		o.order(func(o *orders) { o.held = false })
	}
	return true
}

// disband stops the others for good, as s has failed for good.
func (t *team) disband(s *supervisor) {
	sharers := t.sharers(s.member)
	runs := make([]*runContext, len(sharers))
	for i, o := range sharers {
		runs[i] = o.disband()
	}
	t.release(s)
	finishAll(runs)
}

// busy returns one of the others whose run goes on although s waits for its end, or nil, and when s has waited
// long enough.
func (t *team) busy(s *supervisor) (peer *supervisor, until time.Time) {
	if t == nil {
		return nil, until
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.leader != s {
		return nil, until
	}
	for _, o := range t.sharers(s.member) {
		if o.isRunning() {
			return o, t.since.Add(orDefault(o.stopTimeout, s.pool.stopTimeout()))
		}
	}
	return nil, until
}

// tell makes the one that the others wait for look whether s, which is one of them, has stopped.
func (t *team) tell(s *supervisor) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.leader != nil && t.leader != s {
		t.leader.lookAgain()
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

// shareFailure makes the others of the replica's team do what follows from a run of its own that is over.
func (s *supervisor) shareFailure(next step) {
	switch {
	case next.retry:
		s.team().gather(s)
	case next.done && next.status == StatusError && s.strategy != OneForOne:
		s.team().disband(s) // before the log sink may end the goroutine
		s.pool.journal.disbanded(s, nil)
	}
}

// regroup lets the others of the team begin anew beside the replica, and tells whether it has to wait for
// some of them.
func (s *supervisor) regroup() bool {
	return s.team().release(s) && s.enter()
}

// escalate makes the replica fail for good if one of its team still has not stopped.
func (s *supervisor) escalate() bool {
	peer, _ := s.team().busy(s)
	if peer == nil {
		return false
	}
	s.mu.Lock()
	failure := s.report.failure(TroubleFailed)
	err := &briefError{
		error: errors.Join(ErrStuck, failure.Err),
		text:  fmt.Sprintf("worker %q of its group did not stop; %s", peer.name, failure.text),
	}
	s.reportNext(step{err: err}, s.now)
	s.report.status, s.report.nextRunAt = StatusError, 0
	s.mu.Unlock()
	s.team().disband(s)
	s.pool.journal.disbanded(s, peer)
	return true
}
