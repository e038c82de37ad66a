package queue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/queue/internal/database"
)

// retryPause is the wait between two tries to reach the database.
var retryPause = workerfx.ExponentialBackoff{Initial: 50 * time.Millisecond, Max: time.Second}

// start opens the database. If it cannot be used, start closes it again, as Fx calls no stop hook then.
func (a *appQueue) start(ctx context.Context) error {
	if err := a.checkWorkers(); err != nil { // the pool has all workers by now
		return err
	}
	if err := a.takeCollector(); err != nil {
		return fmt.Errorf("queue: register metrics: %w", err)
	}
	if err := a.tryToStart(ctx); err != nil {
		a.db.Close()
		return fmt.Errorf("queue: %v: %w", a.db, err)
	}
	a.opened.Store(true)
	a.endOverdue = a.watchOverdue()
	return nil
}

// tryToStart opens the database and migrates its schema. It tries again until ctx is about to end.
func (a *appQueue) tryToStart(ctx context.Context) error {
	begun := time.Now()
	budget, cancel := withReserve(ctx)
	defer cancel()
	var before error
	for try := 1; ; try++ {
		err := a.prepare(budget)
		if err == nil {
			return nil
		}
		if budget.Err() != nil && before != nil {
			err = before // it says more than the end of the time
		}
		before = err
		_, permanent := errors.AsType[database.PermanentError](err)
		switch {
		case permanent, errors.Is(err, ErrSchemaBehind):
			return err
		case budget.Err() != nil:
			return fmt.Errorf("cannot be used (%d tries in %v), is it up, and are address, user and database right? %w",
				try, time.Since(begun).Round(time.Millisecond), err)
		}
		a.log.Warn().Err(err).Str("database", a.db.String()).Int("try", try).Msg("queue cannot use its database, it will try again")
		workerfx.Wait(budget, retryPause.Duration(try))
	}
}

func (a *appQueue) prepare(ctx context.Context) error {
	if err := a.db.Open(ctx, a.riverLog); err != nil {
		return err
	}
	if err := a.db.Check(ctx, a.needsSession()); err != nil {
		return err
	}
	if err := a.db.Migrate(ctx, a.riverLog, !a.noMigrations); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}

// needsSession tells whether this process takes locks or listens. A process that only enqueues does so to migrate.
func (a *appQueue) needsSession() bool { return len(a.queueNames()) > 0 || !a.noMigrations }

// withReserve returns ctx with an earlier deadline. It is earlier by a tenth of the time that is left, at most by a
// second. So the caller gets the error of the last try, and not only the error of the deadline.
func withReserve(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, bounded := ctx.Deadline()
	if !bounded {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, deadline.Add(-min(time.Until(deadline)/10, time.Second)))
}

// stop closes the database. It waits for the transactions of handlers, but leaves half of the time for the hooks that
// follow.
func (a *appQueue) stop(ctx context.Context) error {
	a.opened.Store(false)
	a.endOverdue()
	budget := ctx
	if deadline, bounded := ctx.Deadline(); bounded {
		var cancel context.CancelFunc
		budget, cancel = context.WithTimeout(ctx, time.Until(deadline)/2)
		defer cancel()
	}
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		a.db.Close()
	}()
	select {
	case <-closed:
		return nil
	case <-budget.Done():
		return fmt.Errorf("queue: %v: not closed, as somebody still uses it", a.db)
	}
}
