package queue

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/workerfx/workerfx/middleware"
	"github.com/workerfx/workerfx/queue/internal/postgres"
)

// PostgresLocker returns a [middleware.Locker] for [middleware.Singleton]. All processes that use the database
// share its locks. They are advisory locks of PostgreSQL, each on a connection of its own, which is not one of pool. A
// lock is lost with its connection, also when its process is frozen or cut off for [DefaultLease]. When its holder
// stops or dies, another process gets the lock within moments. A nil pool is an error of Lock, and so is a pool that
// leads through a pooler in transaction mode.
func PostgresLocker(pool *pgxpool.Pool) middleware.Locker { return &postgresLocker{pool: pool} }

type postgresLocker struct {
	pool    *pgxpool.Pool
	checked atomic.Bool // its connections keep their session
}

// Lock waits until the key's lock is free, and takes it.
func (l *postgresLocker) Lock(ctx context.Context, key string) (middleware.Lock, error) {
	if l.pool == nil {
		return nil, errors.New("PostgresLocker: pool is nil")
	}
	config := l.pool.Config()
	if !l.checked.Load() {
		if err := postgres.CheckSession(ctx, config); err != nil {
			return nil, fmt.Errorf("PostgresLocker: %s: %w", postgres.NameOf(config), err)
		}
		l.checked.Store(true)
	}
	lock, err := postgres.OpenLock(ctx, config, "lock:"+key, DefaultLease)
	if err != nil {
		return nil, err
	}
	return heldLock{lock}, nil
}

type heldLock struct{ *postgres.Lock }

// Unlock gives the lock back. That takes no longer than closing a connection.
func (l heldLock) Unlock(context.Context) error {
	l.Close()
	return nil
}
