package workerfx

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/workerfx/workerfx/internal/lifecycle"
	"github.com/workerfx/workerfx/internal/names"
	"github.com/workerfx/workerfx/internal/text"
)

// Trouble is a kind of problem of a replica.
type Trouble int

// The kinds of trouble.
const (
	TroubleFailed   Trouble = iota + 1 // it failed, and there is no other attempt
	TroubleFailing                     // its last run failed, and it waits for its next attempt or tick
	TroubleStuck                       // its run missed its heartbeat or outlasted its timeout
	TroubleNotReady                    // its run has not called Ready, or it waits for workers that it comes after
)

var troubleNames = map[Trouble]string{
	TroubleFailed: "failed", TroubleFailing: "failing", TroubleStuck: "stuck", TroubleNotReady: "not ready",
}

// String returns the trouble in words, such as "not ready".
func (t Trouble) String() string {
	if name, ok := troubleNames[t]; ok {
		return name
	}
	return "unknown"
}

// Problem is a problem of one replica.
type Problem struct {
	// Worker is the worker's full name. Replica counts from 0.
	Worker  string
	Replica int
	Trouble Trouble
	// Since is when the trouble began, such as the first failure after the last success.
	Since time.Time
	// Err is the last failure, or an error that wraps [ErrStuck]. It may be nil. A replica that is not ready has it while
	// it runs again.
	Err error

	text string // of Err, or what to say without Err
}

// String describes the problem in one line.
func (p Problem) String() string {
	line := fmt.Sprintf("worker %q is %v since %s", names.Replica(p.Worker, p.Replica), p.Trouble, p.Since.Format(time.RFC3339))
	if p.text != "" {
		line += ": " + text.OneLine(p.text)
	}
	return line
}

// HealthError has the problems of a pool's workers. [errors.Is] and [errors.As] find the errors of the problems.
type HealthError struct {
	// Problems are sorted by worker, then replica. A replica may have more than one.
	Problems []Problem
}

// Error has a line for each of the first problems.
func (e *HealthError) Error() string {
	const most = 10
	lines := make([]string, 0, most+1)
	for _, p := range e.Problems[:min(most, len(e.Problems))] {
		lines = append(lines, p.String())
	}
	if n := len(e.Problems) - most; n > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", n))
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the problems' errors.
func (e *HealthError) Unwrap() []error {
	var errs []error
	for _, p := range e.Problems {
		if p.Err != nil {
			errs = append(errs, p.Err)
		}
	}
	return errs
}

// Has tells whether there is a problem of this kind.
func (e *HealthError) Has(t Trouble) bool {
	return slices.ContainsFunc(e.Problems, func(p Problem) bool { return p.Trouble == t })
}

// Health returns nil if all workers are well. Else it returns a *[HealthError] with the workers that have failed, are
// failing, are stuck or are not ready ([WithReadiness], [WithAfter]). Before the pool's start it returns [ErrNotStarted].
// After [Pool.Stop] was called, the error wraps [ErrPoolStopped].
func (p *Pool) Health() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.phase == phaseNew {
		return ErrNotStarted
	}
	problems := problemsOf(sortedEntries(p), healthOf)
	if p.phase == phaseStopped {
		return errors.Join(ErrPoolStopped, problems)
	}
	return problems
}

// unready returns an error with the workers that matter and are not ready.
func (p *Pool) unready(matters func(*entry) bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.wasStarted() {
		return ErrNotStarted
	}
	return problemsOf(sortedEntries(p), unreadyOf(matters))
}

// problemsOf collects the problems that find adds for each replica. The pool's lock is held here and in the
// functions below.
func problemsOf(entries []*entry, find func(r *replica, add func(Problem))) error {
	var found []Problem
	for _, e := range entries {
		for r := range e.replicas() {
			find(r, func(problem Problem) {
				problem.Worker, problem.Replica = r.name, int(r.index)
				found = append(found, problem)
			})
		}
	}
	if found == nil {
		return nil
	}
	return &HealthError{Problems: found}
}

// unreadyOf returns a function that adds why a replica is not ready, if its worker matters.
func unreadyOf(matters func(*entry) bool) func(r *replica, add func(Problem)) {
	return func(r *replica, add func(Problem)) {
		switch {
		case !matters(r.entry) || r.isReady():
		case r.machine.Status() == lifecycle.Error:
			add(r.record.failure(TroubleFailed))
		default:
			add(notReady(r))
		}
	}
}

// healthOf adds the problems of a replica.
func healthOf(r *replica, add func(Problem)) {
	status, rec := r.machine.Status(), &r.record
	switch {
	case status == lifecycle.Error && r.machine.IsScaledDown():
		return
	case status == lifecycle.Error:
		add(rec.failure(TroubleFailed))
		return
	case status == lifecycle.Waiting && rec.lastFailure() != nil:
		add(rec.failure(TroubleFailing))
	case rec.history != nil && rec.history.stuck != nil:
		stuck := rec.history.stuck
		add(Problem{Trouble: TroubleStuck, Since: stuck.since.time(), Err: stuck.err, text: stuck.err.Error()})
	}
	if r.isUnready() {
		add(notReady(r))
	}
}

// expectsReady tells whether it is a problem if the worker is not ready.
func (e *entry) expectsReady() bool { return e.readiness || len(e.after) > 0 }

// isUnready tells whether the replica should be ready, and is not. A replica that failed for good is another problem.
func (r *replica) isUnready() bool {
	status := r.machine.Status()
	return r.expectsReady() && status != lifecycle.Stopped && status != lifecycle.Error && !r.isReady()
}

// notReady is the problem of a replica that is not ready: since when, and what it waits for, or why its last run failed.
func notReady(r *replica) Problem {
	rec := &r.record
	since := rec.startedAt.Round(0)
	switch {
	case rec.finishedAt != 0:
		since = rec.finishedAt.time()
	case rec.startedAt.IsZero() && rec.history != nil && rec.history.waiting != 0:
		since = rec.history.waiting.time()
	case rec.startedAt.IsZero():
		since = r.pool.startedAt.Round(0)
	}
	problem := Problem{Trouble: TroubleNotReady, Since: since}
	status := r.machine.Status()
	switch {
	case status == lifecycle.Pending && rec.history != nil && rec.history.heldBy != "":
		problem.text = EventHeldUp + rec.history.heldBy
	case status == lifecycle.Running && rec.lastFailure() != nil:
		problem.Err, problem.text = rec.history.err, "its last run failed: "+rec.history.errText
	}
	return problem
}
