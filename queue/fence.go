package queue

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/rivertype"
)

// fencedDriver is River's driver with another executor.
type fencedDriver[TTx any] struct {
	riverdriver.Driver[TTx]

	executor riverdriver.Executor
}

// GetExecutor returns the fenced executor.
func (d fencedDriver[TTx]) GetExecutor() riverdriver.Executor { return d.executor }

// fencedExecutor is River's executor, but it writes the ends of a client's jobs through the client's session. When
// the session has lost its lock, others may have taken over the jobs: then nothing is written. A check before the
// write could not promise that, as a process may be frozen between the check and the write.
type fencedExecutor struct {
	riverdriver.Executor

	session *session
	stacks  *stacks
}

// JobSetStateIfRunningMany writes the ends of attempts.
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

// LeaderResign does not try several times when the session is lost: the leader's time runs out by itself.
func (e *fencedExecutor) LeaderResign(ctx context.Context, params *riverdriver.LeaderResignParams) (bool, error) {
	resigned, err := e.Executor.LeaderResign(ctx, params)
	if err != nil && e.session.isLost() {
		return false, nil
	}
	return resigned, err
}

// session is the lock of a client. While the client holds it, others do not take over its jobs.
type session struct {
	clientID string
	// alive ends when the lock is lost or given back.
	alive context.Context //nolint:containedctx // it is the session's life, not a call's
	// executor uses the connection of the lock; nil if the lock has no connection.
	executor riverdriver.Executor
	// driver uses connections of the session, which are cut when the lock is lost. So a silent database delays
	// nothing. It is a riverdriver.Driver; nil means that of the database.
	driver any
	// sweep frees the jobs of clients that have lost their lock, and returns them. Their attempt is over. It uses
	// connections of the session, as handlers may use all connections of the database.
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

// stacks are the stacks of panics of handlers, by job, until they are in the database. River would keep the stack
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

// addTo adds the stacks to the errors of their attempts.
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
