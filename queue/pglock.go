package queue

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// lockKey is the key of the advisory lock of a name.
func lockKey(name string) int64 {
	sum := sha256.Sum256([]byte("workerfx:" + name))
	return int64(binary.BigEndian.Uint64(sum[:8])) //nolint:gosec // all 64 bits, whatever their sign
}

// postgresLock is an advisory lock and its connection. The holder queries the server every quarter of the lease.
// The server ends a connection that was silent for a lease. So a process that is frozen or cut off loses its lock.
// The holder gives the lock up a quarter of the lease before the server does: it knows of the loss before others
// get the lock.
type postgresLock struct {
	pool        *pgxpool.Pool   // of that one connection, which it never replaces
	connections *connections    // of the pool
	alive       context.Context //nolint:containedctx // the lock's life, not a call's
	lose        context.CancelCauseFunc
	done        chan struct{} // closed when watch has ended
}

// lockSlice is the longest wait for a lock in one call. A connection that was cut off during a wait stops waiting
// after that.
const lockSlice = 5 * time.Second

// openPostgresLock waits until the lock is free and takes it.
func openPostgresLock(ctx context.Context, config *pgxpool.Config, key int64, lease time.Duration) (*postgresLock, error) {
	own := &connections{}
	pool, err := onePool(ctx, own.of(config), lease)
	if err != nil {
		return nil, err
	}
	for {
		_, err = pool.Exec(ctx, `SELECT pg_advisory_lock($1)`, key)
		if err == nil {
			break
		}
		if !hasCode(err, "55P03") { // lock_timeout
			own.close(pool)
			return nil, err
		}
	}
	l := &postgresLock{pool: pool, connections: own, done: make(chan struct{})}
	l.alive, l.lose = context.WithCancelCause(context.Background())
	go l.watch(lease)
	return l, nil
}

// onePool returns a pool with one connection to the database of config, and changes config. The pool does not
// replace the connection: what is done through it is done while the lock is held.
func onePool(ctx context.Context, config *pgxpool.Config, lease time.Duration) (*pgxpool.Pool, error) {
	config.MaxConns, config.MinConns, config.MinIdleConns = 1, 0, 0
	config.MaxConnLifetime, config.MaxConnIdleTime, config.HealthCheckPeriod = math.MaxInt64, math.MaxInt64, time.Hour
	config.MaxConnLifetimeJitter = 0
	config.ShouldPing = func(context.Context, pgxpool.ShouldPingParams) bool { return false }
	beforeConnect, afterConnect := config.BeforeConnect, config.AfterConnect
	var connected atomic.Bool
	config.BeforeConnect = func(ctx context.Context, c *pgx.ConnConfig) error {
		if connected.Load() {
			return ErrLockLost
		}
		if beforeConnect != nil {
			return beforeConnect(ctx, c)
		}
		return nil
	}
	config.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		if connected.Swap(true) {
			return ErrLockLost
		}
		if afterConnect != nil {
			if err := afterConnect(ctx, conn); err != nil {
				return err
			}
		}
		return setUpLock(ctx, conn, lease)
	}
	return pgxpool.NewWithConfig(ctx, config)
}

// setUpLock makes the server end the connection when it was silent for a lease.
func setUpLock(ctx context.Context, conn *pgx.Conn, lease time.Duration) error {
	if _, err := conn.Exec(ctx, fmt.Sprintf(`SET lock_timeout = %d`, lockSlice.Milliseconds())); err != nil {
		return err
	}
	for _, setting := range []string{"idle_in_transaction_session_timeout", "idle_session_timeout"} {
		_, err := conn.Exec(ctx, fmt.Sprintf(`SET %s = %d`, setting, lease.Milliseconds()))
		if err != nil && !hasCode(err, "42704") { // servers before 14 do not know the last one, and wait for TCP
			return err
		}
	}
	return nil
}

// lookEvery is the time between two looks whether the connection was closed. A look costs no traffic.
const lookEvery = 100 * time.Millisecond

// watch looks at the connection and queries the server, until the lock is given back or lost.
func (l *postgresLock) watch(lease time.Duration) {
	defer close(l.done)
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	asked := time.Now()
	for {
		select {
		case <-l.alive.Done():
			return
		case <-ticker.C:
		}
		err := l.look()
		if now := time.Now(); err == nil && now.Sub(asked) >= lease/4 {
			asked = now
			err = l.ask(lease / 2)
		}
		if err != nil {
			l.lose(fmt.Errorf("%w: %w", ErrLockLost, err))
			l.connections.cut()
		}
	}
}

// ask waits for an answer of the server.
func (l *postgresLock) ask(waitLimit time.Duration) error {
	ctx, cancel := context.WithTimeout(l.alive, waitLimit)
	defer cancel()
	_, err := l.pool.Exec(ctx, `SELECT 1`)
	return err
}

// look tells whether the connection was closed, unless the connection is in use.
func (l *postgresLock) look() error {
	for _, conn := range l.pool.AcquireAllIdle(l.alive) {
		ctx, cancel := context.WithTimeout(l.alive, time.Millisecond)
		_, err := conn.Conn().WaitForNotification(ctx)
		cancel()
		conn.Release()
		if err != nil && !pgconn.Timeout(err) {
			return err
		}
	}
	return nil
}

// close gives the lock and its connection back, and waits until that is done.
func (l *postgresLock) close() {
	l.lose(context.Canceled)
	<-l.done
	l.connections.close(l.pool)
}

func hasCode(err error, code string) bool {
	failed, ok := errors.AsType[*pgconn.PgError](err)
	return ok && failed.Code == code
}
