package postgres

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

	"github.com/workerfx/workerfx/queue/internal/database"
)

// lockKey is the key of the advisory lock of a name.
func lockKey(name string) int64 {
	sum := sha256.Sum256([]byte("workerfx:" + name))
	return int64(binary.BigEndian.Uint64(sum[:8])) //nolint:gosec // all 64 bits, whatever their sign
}

// Lock is an advisory lock and its connection. The holder queries the server every quarter of the lease. The server
// ends a connection that was silent for a lease. So a process that is frozen or cut off loses its lock. The holder
// gives the lock up a quarter of the lease before the server does. So it knows of the loss before others get the lock.
type Lock struct {
	pool        *pgxpool.Pool   // of one connection, which it never replaces
	connections *connections    // of the pool
	alive       context.Context //nolint:containedctx // the lock's life, not a call's
	lose        context.CancelCauseFunc
	done        chan struct{} // closed when watch has ended
}

// lockTimeout is the longest wait for a lock in one call on the connection of a Lock. So a connection that was cut off
// does not wait for ever, and a row that somebody else has locked does not keep the holder from its queries.
func lockTimeout(lease time.Duration) time.Duration { return min(lease/8, 5*time.Second) }

// OpenLock waits until the lock of a name is free and takes it. The lock has a connection of its own to the
// database of config.
func OpenLock(ctx context.Context, config *pgxpool.Config, name string, lease time.Duration) (*Lock, error) {
	own := &connections{}
	pool, err := newLockPool(ctx, own.configure(config), lease)
	if err != nil {
		return nil, err
	}
	for {
		_, err = pool.Exec(ctx, `SELECT pg_advisory_lock($1)`, lockKey(name))
		if err == nil {
			break
		}
		if !hasCode(err, lockNotAvailable) {
			own.close(pool)
			return nil, err
		}
	}
	l := &Lock{pool: pool, connections: own, done: make(chan struct{})}
	l.alive, l.lose = context.WithCancelCause(context.Background())
	go l.watch(lease)
	return l, nil
}

// newLockPool returns a pool with one connection to the database of config, and changes config. The pool does not
// replace the connection, so all calls through it are made while the lock is held.
func newLockPool(ctx context.Context, config *pgxpool.Config, lease time.Duration) (*pgxpool.Pool, error) {
	config.MaxConns, config.MinConns, config.MinIdleConns = 1, 0, 0
	config.MaxConnLifetime, config.MaxConnIdleTime, config.HealthCheckPeriod = math.MaxInt64, math.MaxInt64, time.Hour
	config.MaxConnLifetimeJitter = 0
	config.ShouldPing = func(context.Context, pgxpool.ShouldPingParams) bool { return false }
	beforeConnect, afterConnect := config.BeforeConnect, config.AfterConnect
	var connected atomic.Bool
	config.BeforeConnect = func(ctx context.Context, c *pgx.ConnConfig) error {
		if connected.Load() {
			return database.ErrLockLost
		}
		if beforeConnect != nil {
			return beforeConnect(ctx, c)
		}
		return nil
	}
	config.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		if connected.Swap(true) {
			return database.ErrLockLost
		}
		if afterConnect != nil {
			if err := afterConnect(ctx, conn); err != nil {
				return err
			}
		}
		return setTimeouts(ctx, conn, lease)
	}
	return pgxpool.NewWithConfig(ctx, config)
}

// setTimeouts makes the server end the connection when it was silent for a lease.
func setTimeouts(ctx context.Context, conn *pgx.Conn, lease time.Duration) error {
	if _, err := conn.Exec(ctx, fmt.Sprintf(`SET lock_timeout = %d`, lockTimeout(lease).Milliseconds())); err != nil {
		return err
	}
	for _, setting := range []string{"idle_in_transaction_session_timeout", "idle_session_timeout"} {
		_, err := conn.Exec(ctx, fmt.Sprintf(`SET %s = %d`, setting, lease.Milliseconds()))
		if err != nil && !hasCode(err, "42704") { // undefined_object: servers before 14 do not know idle_session_timeout
			return err
		}
	}
	return nil
}

// checkInterval is the time between two checks of the connection. A check costs no traffic.
const checkInterval = 100 * time.Millisecond

// watch checks the connection and queries the server, until the lock is given back or lost.
func (l *Lock) watch(lease time.Duration) {
	defer close(l.done)
	ticker := time.NewTicker(checkInterval)
	defer ticker.Stop()
	pinged := time.Now()
	for {
		select {
		case <-l.alive.Done():
			return
		case <-ticker.C:
		}
		err := l.check()
		if now := time.Now(); err == nil && now.Sub(pinged) >= lease/4 {
			pinged = now
			err = l.ping(lease / 2)
		}
		if err != nil {
			l.lose(fmt.Errorf("%w: %w", database.ErrLockLost, err))
			l.connections.cut()
		}
	}
}

// ping waits for an answer of the server.
func (l *Lock) ping(timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(l.alive, timeout)
	defer cancel()
	_, err := l.pool.Exec(ctx, `SELECT 1`)
	return err
}

// check returns an error if the connection was closed. It leaves a connection alone that is in use.
func (l *Lock) check() error {
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

// Lost is closed when the lock is lost or given back.
func (l *Lock) Lost() <-chan struct{} { return l.alive.Done() }

// Close gives the lock and its connection back, and waits until that is done.
func (l *Lock) Close() {
	l.lose(context.Canceled)
	<-l.done
	l.connections.close(l.pool)
}

// Codes of PostgreSQL's errors.
const (
	deadlockDetected = "40P01"
	lockNotAvailable = "55P03" // such as after lock_timeout
)

// hasCode tells whether an error of PostgreSQL has a code.
func hasCode(err error, code string) bool {
	failed, ok := errors.AsType[*pgconn.PgError](err)
	return ok && failed.Code == code
}
