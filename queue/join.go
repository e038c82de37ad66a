package queue

import (
	"context"
	"fmt"
	"time"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/queue/internal/database"
)

const (
	// joinPause is the wait between two tries to join.
	joinPause = 500 * time.Millisecond
	// joinRetryTime is how long a run tries to join after a run has failed. So the log gets one line a minute.
	joinRetryTime = time.Minute
	// joinTimeout is the longest time for one write to the database.
	joinTimeout = 10 * time.Second
)

// join takes the lock of a new client, of a database that takes writes. It fails at once if the last run was well, so
// that the log and the health report tell of the trouble. Else it tries for a minute. It fails when the run is told to
// finish.
func (q *queueWorker) join(ctx context.Context, finish <-chan struct{}) (*database.Session, error) {
	joining, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-finish:
			cancel(workerfx.ErrStopping)
		case <-joining.Done():
		}
	}()
	begun := time.Now()
	for try := 1; ; try++ {
		workerfx.Heartbeat(ctx)
		session, err := q.tryToJoin(joining)
		switch took := time.Since(begun); {
		case err == nil:
			q.failing.Store(false)
			return session, nil
		case joining.Err() != nil:
			return nil, context.Cause(joining)
		case !q.failing.Swap(true) || took >= joinRetryTime:
			return nil, fmt.Errorf("queue %q: %v cannot be used (%d tries in %v): %w", q.name, q.app.db, try, took.Round(time.Second), err)
		}
		workerfx.Wait(joining, joinPause)
	}
}

// tryToJoin takes the lock of a new client, and writes something.
func (q *queueWorker) tryToJoin(ctx context.Context) (*database.Session, error) {
	session, err := q.app.db.Join(ctx, database.NewClientID())
	if err != nil {
		return nil, err
	}
	limit, cancel := context.WithTimeout(ctx, joinTimeout)
	defer cancel()
	if err := q.app.db.TryWrite(limit, session, q.name); err != nil {
		session.Leave()
		return nil, err
	}
	return session, nil
}
