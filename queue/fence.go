package queue

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/rivertype"
)

// fencedDriver is River's driver with an executor of ours in its place.
type fencedDriver[TTx any] struct {
	riverdriver.Driver[TTx]

	executor riverdriver.Executor
}

// GetExecutor returns the guarded executor.
func (d fencedDriver[TTx]) GetExecutor() riverdriver.Executor { return d.executor }

// fencedExecutor is River's executor, but what a client says of the end of its jobs goes through its
// session: once the lock is lost, and others may have taken the jobs over, it is not heard any more. No
// check beforehand could promise that, as a process may be frozen between any check and the act.
type fencedExecutor struct {
	riverdriver.Executor

	session *session
	stacks  *stacks
}

// JobSetStateIfRunningMany is the end of attempts, in every way that they end.
func (e *fencedExecutor) JobSetStateIfRunningMany(ctx context.Context, params *riverdriver.JobSetStateIfRunningManyParams) ([]*rivertype.JobRow, error) {
	ctx, release := e.session.bind(ctx)
	defer release()
	e.stacks.addTo(params)
	executor := e.Executor
	if e.session.executor != nil {
		executor = e.session.executor
	}
	rows, err := executor.JobSetStateIfRunningMany(ctx, params)
	if err != nil && e.session.isLost() { // to try again would be in vain
		return nil, fmt.Errorf("%w: %w: %w", riverdriver.ErrClosedPool, ErrLockLost, err)
	}
	if err == nil {
		e.stacks.forget(params.ID)
	}
	return rows, err
}

// LeaderResign is not worth several tries once the session is lost: the leader's time runs out by itself.
func (e *fencedExecutor) LeaderResign(ctx context.Context, params *riverdriver.LeaderResignParams) (bool, error) {
	resigned, err := e.Executor.LeaderResign(ctx, params)
	if err != nil && e.session.isLost() {
		return false, nil
	}
	return resigned, err
}

// session is a client's membership among the living.
type session struct {
	clientID string
	// alive ends when the client no longer counts as living.
	alive context.Context //nolint:containedctx // it is the session's life, not a call's
	// executor works on the connection that the membership hangs on; nil if it hangs on none.
	executor riverdriver.Executor
	// driver works on connections of the session's own, which are cut when it is lost: a database that is silent
	// holds nobody up then. It is a riverdriver.Driver, nil for the database's.
	driver any
	// sweep frees the jobs of clients that are not among the living any more, and returns them. Their attempt is over. It
	// does so on the session's own connections: handlers may have taken all of the database's.
	sweep func(ctx context.Context) ([]*rivertype.JobRow, error)
	leave func()
}

func (s *session) isLost() bool { return s.alive.Err() != nil }

// bind returns ctx with an end when the session is lost.
func (s *session) bind(ctx context.Context) (bound context.Context, release func()) {
	bound, cancel := context.WithCancelCause(ctx)
	unlink := context.AfterFunc(s.alive, func() { cancel(ErrLockLost) })
	return bound, func() {
		unlink()
		cancel(nil)
	}
}

// stacks are those of handlers that panicked, by job, until they are in the database. River would keep that
// of its own goroutine, in which handlers do not run.
type stacks struct {
	mu    sync.Mutex // guards byJob
	byJob map[int64]string
}

func (s *stacks) keep(job int64, stack string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byJob == nil {
		s.byJob = make(map[int64]string)
	}
	s.byJob[job] = stack
}

func (s *stacks) forget(jobs []int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.byJob) == 0 {
		return
	}
	for _, job := range jobs {
		delete(s.byJob, job)
	}
}

// addTo adds the stacks to the errors of the attempts that they belong to.
func (s *stacks) addTo(params *riverdriver.JobSetStateIfRunningManyParams) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.byJob) == 0 {
		return
	}
	for i, job := range params.ID {
		stack, ok := s.byJob[job]
		if !ok || params.ErrData[i] == nil {
			continue
		}
		var failed rivertype.AttemptError
		if json.Unmarshal(params.ErrData[i], &failed) != nil {
			continue
		}
		failed.Trace = stack
		if data, err := json.Marshal(failed); err == nil {
			params.ErrData[i] = data
		}
	}
}
