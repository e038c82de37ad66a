package queue_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/fxtest"
	"github.com/workerfx/workerfx/middleware"
	"github.com/workerfx/workerfx/queue"
)

func TestLockIsHeldOnce(t *testing.T) {
	db := newPostgres(t)
	here, there := queue.PostgresLocker(db.openPostgres(t)), queue.PostgresLocker(db.openPostgres(t))
	first, err := here.Lock(t.Context(), "report")
	require.NoError(t, err)
	other, err := here.Lock(t.Context(), "another key")
	require.NoError(t, err)
	taken := make(chan middleware.Lock, 2)
	for _, locker := range []middleware.Locker{here, there} {
		go func() {
			lock, err := locker.Lock(context.Background(), "report")
			if err == nil {
				taken <- lock
			}
		}()
	}
	time.Sleep(200 * time.Millisecond)
	require.Empty(t, taken)
	require.NoError(t, first.Unlock(t.Context()))
	second := receive(t, taken)
	time.Sleep(100 * time.Millisecond)
	require.Empty(t, taken)
	require.NoError(t, second.Unlock(t.Context()))
	third := receive(t, taken)
	select {
	case <-third.Lost():
		t.Fatal("nobody took it away")
	default:
	}
	require.NoError(t, third.Unlock(t.Context()))
	require.NoError(t, other.Unlock(t.Context()))
}

func TestWaitForALockEndsWithItsContext(t *testing.T) {
	db := newPostgres(t)
	locker := queue.PostgresLocker(db.openPostgres(t))
	lock, err := locker.Lock(t.Context(), "report")
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	begun := time.Now()
	_, err = locker.Lock(ctx, "report")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Less(t, time.Since(begun), waitLimit/2)
	require.NoError(t, lock.Unlock(t.Context()))
	lock, err = locker.Lock(within(t), "report")
	require.NoError(t, err)
	require.NoError(t, lock.Unlock(t.Context()))
}

func TestLockIsLostWithItsConnection(t *testing.T) {
	db := newPostgres(t)
	locker := queue.PostgresLocker(db.openPostgres(t))
	lock, err := locker.Lock(t.Context(), "report")
	require.NoError(t, err)
	db.exec(t, `SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'
		AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`)
	receive(t, lock.Lost())
	require.NoError(t, lock.Unlock(t.Context()))
}

func TestLockerWithoutAPoolSaysSo(t *testing.T) {
	_, err := queue.PostgresLocker(nil).Lock(t.Context(), "report")
	require.EqualError(t, err, "PostgresLocker: pool is nil")
}

func TestLockerBehindAPoolerInTransactionModeSaysSo(t *testing.T) {
	db := newBehindTransactions(t)
	pool, err := pgxpool.New(t.Context(), db.appURL)
	require.NoError(t, err)
	defer pool.Close()
	_, err = queue.PostgresLocker(pool).Lock(t.Context(), "report")
	require.ErrorContains(t, err, "PostgresLocker: PostgreSQL at 127.0.0.1:")
	require.ErrorContains(t, err, "a pooler in transaction mode is in between")
}

func TestSingletonRunsInOneOfManyApps(t *testing.T) {
	db := newPostgres(t)
	running := make(chan string, 10)
	start := func(name string) *fxtest.App {
		return fxtest.New(t, fx.Supply(db.openPostgres(t)),
			workerfx.ProvideWorker(func(pool *pgxpool.Pool) workerfx.Worker {
				return workerfx.NewWorker("report", func(ctx context.Context) error {
					running <- name
					<-ctx.Done()
					return ctx.Err()
				}, workerfx.WithMiddleware(middleware.Singleton(queue.PostgresLocker(pool))))
			})).RequireStart()
	}
	first := start("first")
	require.Equal(t, "first", receive(t, running))
	start("second")
	time.Sleep(100 * time.Millisecond)
	require.Empty(t, running)
	first.RequireStop()
	require.Equal(t, "second", receive(t, running))
}
