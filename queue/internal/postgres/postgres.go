// Package postgres keeps jobs in PostgreSQL. Each client has an advisory lock, by which others see that it lives.
package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivertype"

	"github.com/workerfx/workerfx/queue/internal/database"
)

// Database is a PostgreSQL database.
type Database struct {
	database.Store[pgx.Tx]

	config *pgxpool.Config
	pool   *pgxpool.Pool
	own    *connections // of the pool; nil if the pool is the app's
	sized  bool         // the URL says how large the pool is
	lease  time.Duration

	sqlDB    *sql.DB // on the connections of pool
	sqlStore database.Store[*sql.Tx]
}

// New returns the database of a URL, or of the app's pool.
func New(url string, pool *pgxpool.Pool, lease time.Duration) (*Database, error) {
	d := &Database{
		Store: database.NewStore[pgx.Tx](&dialect), sqlStore: database.NewStore[*sql.Tx](&dialect),
		pool: pool, lease: lease,
	}
	if pool != nil {
		d.config = pool.Config()
		return d, nil
	}
	var err error
	if url == "" {
		return nil, errors.New("PostgreSQL: the URL is empty, want postgres://user:password@host:5432/database")
	}
	if d.config, err = pgxpool.ParseConfig(url); err != nil {
		return nil, fmt.Errorf("PostgreSQL: %w", err) // pgx leaves the password out
	}
	d.own, d.sized = &connections{}, strings.Contains(url, "pool_max_conns")
	return d, nil
}

// spareConns are connections for calls while handlers have all other connections. Without them, a call inside of a
// handler's transaction would wait for itself.
const spareConns = 4

// MakeRoom makes the pool large enough, but not if the URL says how large it is.
func (d *Database) MakeRoom(transactions int) {
	if d.own != nil && !d.sized {
		d.config.MaxConns = max(d.config.MaxConns, int32(transactions)+spareConns) //nolint:gosec // slots are checked
	}
}

// String is "PostgreSQL at host:port/database".
func (d *Database) String() string {
	c := d.config.ConnConfig
	return fmt.Sprintf("PostgreSQL at %s:%d/%s", c.Host, c.Port, c.Database)
}

// Shared is true: there are other connections.
func (*Database) Shared() bool { return true }

// Open connects to the server.
func (d *Database) Open(ctx context.Context, log *slog.Logger) error {
	if d.pool == nil {
		pool, err := pgxpool.NewWithConfig(ctx, d.own.configure(d.config))
		if err != nil {
			return err
		}
		d.pool = pool
	}
	if err := d.pool.Ping(ctx); err != nil {
		return err
	}
	return d.useDrivers(log)
}

// Close closes the pool. A pool of the app stays open.
func (d *Database) Close() {
	d.closeSQL()
	if d.own != nil && d.pool != nil {
		d.own.close(d.pool)
		d.own, d.pool = &connections{}, nil // an app may start again, and the old connections may have been cut
	}
}

// Migrate migrates the schema under the lock of migrations. If many processes start at the same time, one of them
// migrates and the others wait.
func (d *Database) Migrate(ctx context.Context, log *slog.Logger, apply bool) error {
	if !apply {
		return d.MigrateIn(ctx, log, false)
	}
	lock, err := OpenLock(ctx, d.config, "migrate", d.lease)
	if err != nil {
		return fmt.Errorf("lock for migrations: %w", err)
	}
	defer lock.Close()
	return d.MigrateIn(ctx, log, true)
}

// riverConns is the largest number of connections of a River client. The connection of its lock is not counted. One
// connection listens, one fetches and one sweeps. The leader needs a few more.
const riverConns = 7

// Join takes the client's lock, and makes a pool for the client. The pool is closed when the lock is lost.
func (d *Database) Join(ctx context.Context, clientID string) (*database.Session, error) {
	lock, err := OpenLock(ctx, d.config, clientID, d.lease)
	if err != nil {
		return nil, fmt.Errorf("liveness lock: %w", err)
	}
	own := &connections{}
	config := own.configure(d.config)
	config.MaxConns, config.MinConns, config.MinIdleConns = riverConns, 0, 0
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		lock.Close()
		return nil, err
	}
	unlink := context.AfterFunc(lock.alive, func() { time.AfterFunc(cutDelay, own.cut) })
	session := database.NewSession(lock.alive, clientID)
	session.Executor, session.Driver = riverpgxv5.New(lock.pool).GetExecutor(), riverpgxv5.New(pool)
	session.Sweep = func(ctx context.Context) ([]*rivertype.JobRow, error) { return d.sweep(ctx, pool) }
	session.Leave = func() {
		unlink()
		own.close(pool)
		lock.Close()
	}
	return session, nil
}

var dialect = database.Dialect{
	Fence: `SELECT true FROM river_job WHERE id = $1 AND state = 'running' AND attempt = $2
		AND attempted_by[cardinality(attempted_by)] = $3 FOR UPDATE`,
	Counts: `SELECT coalesce(json_agg(json_build_object('Queue', queue, 'State', state, 'Jobs', jobs) ORDER BY queue, state::text), '[]')
		FROM (SELECT queue, state, count(*) AS jobs FROM river_job GROUP BY queue, state) AS c`,
	IsDuplicate: func(err error) bool { return hasCode(err, "23505") }, // unique_violation
}
