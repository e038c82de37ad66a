package workerfx

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Trouble is what is wrong with a replica of a worker.
type Trouble int

// The kinds of trouble.
const (
	TroubleFailed   Trouble = iota + 1 // it was given up: there is no other attempt
	TroubleFailing                     // its last run failed, and it waits for its next attempt or tick
	TroubleStuck                       // its run missed its heartbeat or outlasted its timeout
	TroubleNotReady                    // it has not said that it is ready, or waits for workers it comes after
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

// Problem is one replica's trouble.
type Problem struct {
	Worker  string
	Replica int
	Trouble Trouble
	// Since is when it began.
	Since time.Time
	// Err tells more: the last failure, or an error that wraps [ErrStuck]. It may be nil.
	Err error

	text string // of Err, which is the user's code, or what there is to say without one
}

// String is one line about the problem.
func (p Problem) String() string {
	line := fmt.Sprintf("worker %q is %v since %s", replicaName(p.Worker, p.Replica), p.Trouble, p.Since.Format(time.RFC3339))
	if p.text != "" {
		line += ": " + oneLine(p.text)
	}
	return line
}

// HealthError tells what is wrong with a pool's workers. The errors in it are found by [errors.Is] and
// [errors.As].
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

// Has tells whether one of the problems is of that kind.
func (e *HealthError) Has(t Trouble) bool {
	return slices.ContainsFunc(e.Problems, func(p Problem) bool { return p.Trouble == t })
}

// Health returns nil, or a *[HealthError] that tells which workers have failed or are failing, are stuck, or
// are not ready ([WithReadiness], [WithAfter]). Before the pool's start it is [ErrNotStarted], and once the pool was
// asked to stop it wraps [ErrPoolStopped].
func (p *Pool) Health() error {
	if !p.hasStarted() {
		return ErrNotStarted
	}
	problems := p.problems((*supervisor).health)
	if p.halting.Load() {
		return errors.Join(ErrPoolStopped, problems)
	}
	return problems
}

// unready tells which of the workers that matter are not ready.
func (p *Pool) unready(matters func(*member) bool) error {
	if !p.hasStarted() {
		return ErrNotStarted
	}
	return p.problems(func(s *supervisor, add func(Problem)) {
		if matters(s.member) && !s.isReady() {
			add(s.unready())
		}
	})
}

// problems collects what find adds about each replica.
func (p *Pool) problems(find func(s *supervisor, add func(Problem))) error {
	var found []Problem
	for _, m := range p.sorted() {
		for s := range m.replicas() {
			find(s, func(problem Problem) {
				problem.Worker, problem.Replica = s.name, int(s.replica)
				found = append(found, problem)
			})
		}
	}
	if found == nil {
		return nil
	}
	return &HealthError{Problems: found}
}

// health adds what is wrong with the replica.
func (s *supervisor) health(add func(Problem)) {
	ready := s.isReady()
	s.mu.Lock()
	defer s.mu.Unlock()
	r := &s.report
	switch {
	case r.status == StatusError && s.orders.retired:
		return
	case r.status == StatusError:
		add(r.failure(TroubleFailed))
		return
	case r.status == StatusWaiting && r.lastFailure() != nil:
		add(r.failure(TroubleFailing))
	case r.past != nil && r.past.stuck != nil:
		stuck := r.past.stuck
		add(Problem{Trouble: TroubleStuck, Since: stuck.since.time(), Err: stuck.err, text: stuck.err.Error()})
	}
	if expected := s.readiness || len(s.after) > 0; expected && !ready && r.status != StatusStopped {
		add(s.notReady())
	}
}

// unready is why the replica is not ready.
func (s *supervisor) unready() Problem {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.report.status == StatusError {
		return s.report.failure(TroubleFailed)
	}
	return s.notReady()
}

// notReady tells since when the replica is not ready, and what it waits for. s.mu is held.
func (s *supervisor) notReady() Problem {
	r := &s.report
	since := r.startedAt.Round(0)
	switch {
	case r.finishedAt != 0:
		since = r.finishedAt.time()
	case r.startedAt.IsZero() && r.past != nil && r.past.waiting != 0:
		since = r.past.waiting.time()
	case r.startedAt.IsZero():
		since = s.pool.startedAt.Round(0)
	}
	problem := Problem{Trouble: TroubleNotReady, Since: since}
	if r.status == StatusPending && r.past != nil && r.past.holdup != "" {
		problem.text = EventHeldUp + r.past.holdup
	}
	return problem
}
