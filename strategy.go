package workerfx

import (
	"errors"
	"fmt"
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
	if s.isStopping() {
		return false
	}
	led, ready := s.team().regroup(s)
	return !ready || led && s.enter()
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
