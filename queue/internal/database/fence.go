package database

import (
	"context"
	"errors"
	"fmt"
	"strings"

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
// the session has lost its lock, others may have taken over the jobs, and nothing is written. A check before the
// write is not enough, as a process may be frozen between the check and the write. It also tells the session what the
// database refuses.
type fencedExecutor struct {
	riverdriver.Executor

	dialect *Dialect
	session *Session
	stacks  *Stacks
}

// noteResult tells the session whether a statement of the client succeeded. An error because somebody else holds a lock is left
// out: it is no refusal, and the client tries again until the lock is free.
func (e *fencedExecutor) noteResult(ctx context.Context, what string, err error) {
	if !e.dialect.IsLocked(err) {
		e.session.noteResult(ctx, what, err)
	}
}

// JobGetAvailable fetches jobs.
func (e *fencedExecutor) JobGetAvailable(ctx context.Context, params *riverdriver.JobGetAvailableParams) (*riverdriver.JobGetAvailableResult, error) {
	e.session.held.fetchBegan()
	fetched, err := e.Executor.JobGetAvailable(ctx, params)
	e.session.held.fetchEnded(fetched)
	e.noteResult(ctx, "fetch jobs", err)
	return fetched, err
}

// LeaderAttemptReelect keeps the client the leader. A client without jobs writes nothing else.
func (e *fencedExecutor) LeaderAttemptReelect(ctx context.Context, params *riverdriver.LeaderReelectParams) (*riverdriver.Leader, error) {
	leader, err := e.Executor.LeaderAttemptReelect(ctx, params)
	if !errors.Is(err, rivertype.ErrNotFound) { // another one is the leader
		e.noteResult(ctx, "keep its leader", err)
	}
	return leader, err
}

// JobSetStateIfRunningMany writes the ends of attempts. River does not try again if the session is over or the database closed.
func (e *fencedExecutor) JobSetStateIfRunningMany(ctx context.Context, params *riverdriver.JobSetStateIfRunningManyParams) ([]*rivertype.JobRow, error) {
	rows, err := e.writeEnds(ctx, params)
	e.noteResult(ctx, "write how jobs ended", err)
	switch {
	case err == nil:
		return rows, nil
	case e.session.IsOver():
		return nil, fmt.Errorf("%w: %w: %w", riverdriver.ErrClosedPool, context.Cause(e.session.Alive), err)
	case strings.Contains(err.Error(), "sql: database is closed"): // database/sql has no variable for it
		return nil, fmt.Errorf("%w: %w", riverdriver.ErrClosedPool, err)
	}
	return nil, err
}

func (e *fencedExecutor) writeEnds(ctx context.Context, params *riverdriver.JobSetStateIfRunningManyParams) ([]*rivertype.JobRow, error) {
	ctx, release := e.session.bind(ctx)
	defer release()
	e.stacks.addTo(params)
	executor := e.Executor
	if e.session.Executor != nil {
		executor = e.session.Executor
	}
	written := e.session.held.ending(params.ID)
	rows, err := executor.JobSetStateIfRunningMany(ctx, params)
	if err == nil {
		e.stacks.forget(params.ID)
		written()
	}
	return rows, err
}

// LeaderResign hides the error when the session is over, or when nothing answered in time, such as SQLite during a long
// transaction. So River does not try again, and the stop takes no longer. The leader's time runs out by itself.
func (e *fencedExecutor) LeaderResign(ctx context.Context, params *riverdriver.LeaderResignParams) (bool, error) {
	resigned, err := e.Executor.LeaderResign(ctx, params)
	if err != nil && (e.session.IsOver() || ctx.Err() != nil) {
		return false, nil //nolint:nilerr // see above
	}
	return resigned, err
}
