package workerfx

import (
	"context"
	"fmt"
	"slices"
)

// EssentialPolicy says when the end of an essential worker stops the pool.
type EssentialPolicy string

// The policies.
const (
	// OnExit stops the pool when the worker ends, whether it succeeded or failed.
	OnExit EssentialPolicy = "exit"
	// OnFailure stops the pool when the worker fails for good. A worker that succeeded stops nothing.
	OnFailure EssentialPolicy = "failure"
)

// WithEssential stops the pool when the worker ends. The pool's error is then [ErrExitedPrematurely]; under Fx the app
// exits with code 1. Without a policy, or with [OnExit], any end of the worker does so; with [OnFailure] only a failure. All
// replicas must have ended. A worker that was paused, removed, restarted or scaled down has not ended. By default a worker
// is not essential.
func WithEssential(when ...EssentialPolicy) Option {
	return func(s *settings) {
		s.essential, s.essentialErr = OnExit, nil
		if len(when) > 0 {
			s.essential = when[0]
		}
		if len(when) > 1 {
			s.essentialErr = fmt.Errorf("only one policy may be given, got %d", len(when))
		}
	}
}

func (s *settings) isEssential() bool { return s.essential != "" }

func (s *settings) validateEssential(add addError) {
	err := s.essentialErr
	if !slices.Contains([]EssentialPolicy{"", OnExit, OnFailure}, s.essential) {
		err = fmt.Errorf("must be %q or %q", OnExit, OnFailure)
	}
	if err != nil {
		add("essential policy", fmt.Sprintf("%q", s.essential), err.Error())
	}
}

// essentialEnded stops the pool if all replicas of an essential worker have ended. It does not wait for the stop.
func essentialEnded(e *entry, last Problem) {
	p := e.pool
	failure := &prematureError{worker: e.name, err: last.Err, text: last.text}
	p.mu.Lock()
	if failed, ok := failedReplica(e); ok {
		failure.err, failure.text = failed.Err, failed.text
	} else if e.essential == OnFailure {
		p.mu.Unlock()
		return
	}
	if !endedByItself(e) || p.phase != phaseStarted || p.prematureErr != nil {
		p.mu.Unlock()
		return
	}
	p.prematureErr = failure
	onFailure := p.onPremature
	close(p.premature)
	p.mu.Unlock()

	p.askToStop(p.stopDeadlineOf(context.Background()))
	if onFailure != nil {
		onFailure()
	}
	p.log.essentialEnded(e.name, failure)
}

// endedByItself tells whether all replicas have ended, but for those that were scaled down, and none of them was
// asked to. The pool's lock is held.
func endedByItself(e *entry) bool {
	for r := range e.replicas() {
		if !r.machine.IsScaledDown() && (!r.machine.HasExited() || r.machine.IsStopping()) {
			return false
		}
	}
	return true
}

// failedReplica returns the failure of a replica that failed for good, by itself or with its group. A failure with an error
// comes first. The pool's lock is held.
func failedReplica(e *entry) (failed Problem, ok bool) {
	for r := range e.replicas() {
		if failed.Err == nil && r.machine.HasFailed() && !r.machine.IsScaledDown() {
			failed, ok = r.record.failure(TroubleFailed), true
		}
	}
	return failed, ok
}

// prematureError is why an essential worker stopped the pool.
type prematureError struct {
	worker string
	err    error // the worker's own, or nil
	text   string
}

func (e *prematureError) Error() string {
	text := fmt.Sprintf("worker %q: %v", e.worker, ErrExitedPrematurely)
	if e.err != nil {
		text += "\n" + e.text
	}
	return text
}

func (e *prematureError) Unwrap() []error {
	return slices.DeleteFunc([]error{ErrExitedPrematurely, e.err}, func(err error) bool { return err == nil })
}
