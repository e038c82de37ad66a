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
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivertype"

	"github.com/workerfx/workerfx/queue/internal/database"
)

// Database is a PostgreSQL database.
type Database struct {
	database.Store[pgx.Tx]

	config *pgxpool.Config // of the pool
	pool   *pgxpool.Pool
	own    *connections    // of the pool; nil if the pool is the app's
	sized  bool            // the URL says how large the pool is
	direct *pgxpool.Config // of connections for locks and notifications; config without a direct URL
	lease  time.Duration

	sqlDB    *sql.DB // on the connections of pool
	sqlStore database.Store[*sql.Tx]
}

// ParseURL returns the configuration of a URL. Its errors leave the password out.
func ParseURL(url string) (*pgxpool.Config, error) {
	if url == "" {
		return nil, errors.New("the URL is empty, want postgres://user:password@host:5432/database")
	}
	return pgxpool.ParseConfig(url)
}

// New returns the database of a URL, or of the app's pool. Direct is the configuration for locks and notifications if a
// pooler is in between, else nil.
func New(url string, pool *pgxpool.Pool, direct *pgxpool.Config, lease time.Duration) (*Database, error) {
	d := &Database{
		Store: database.NewStore(&dialect, &changes), sqlStore: database.NewStore[*sql.Tx](&dialect, nil),
		pool: pool, direct: direct, lease: lease,
	}
	if pool != nil {
		d.config = pool.Config()
	} else {
		var err error
		if d.config, err = ParseURL(url); err != nil {
			return nil, fmt.Errorf("PostgreSQL: %w", err)
		}
		d.own, d.sized = &connections{}, strings.Contains(url, "pool_max_conns")
	}
	switch {
	case direct == nil:
		d.direct = d.config
	case d.own != nil:
		keepNoStatements(d.config)
	}
	return d, nil
}

// spareConns are connections for calls while handlers have all other connections. Without them, a call inside of a
// handler's transaction would wait for itself.
const spareConns = 4

// SetMaxTransactions makes the pool large enough, but not if the URL says how large it is.
func (d *Database) SetMaxTransactions(transactions int) {
	if d.own != nil && !d.sized {
		d.config.MaxConns = max(d.config.MaxConns, int32(transactions)+spareConns) //nolint:gosec // slots are checked
	}
}

// String is "PostgreSQL at host:port/database".
func (d *Database) String() string { return NameOf(d.config) }

// NameOf names the database of a configuration without its password.
func NameOf(config *pgxpool.Config) string {
	c := config.ConnConfig
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
		return d.explainLostStatement(err) // a hook of the app's pool may prepare statements
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
	lock, err := OpenLock(ctx, d.direct, "migrate", d.lease)
	if err != nil {
		return fmt.Errorf("lock for migrations: %w", err)
	}
	defer lock.Close()
	return d.MigrateIn(ctx, log, true)
}

// riverConns is the largest number of connections of a River client. The connection of its lock and the one that listens
// are not counted. One fetches and one sweeps. The leader needs a few more.
const riverConns = 6

// Join takes the client's lock, and makes pools for the client. They are closed when the lock is lost.
func (d *Database) Join(ctx context.Context, clientID string) (*database.Session, error) {
	lock, err := OpenLock(ctx, d.direct, clientID, d.lease)
	if err != nil {
		return nil, fmt.Errorf("liveness lock: %w", err)
	}
	own := &connections{}
	pool, err := own.newPool(ctx, d.config, riverConns)
	if err != nil {
		lock.Close()
		return nil, err
	}
	listening, err := own.newPool(ctx, d.direct, 1)
	if err != nil {
		own.close(pool)
		lock.Close()
		return nil, err
	}
	unlink := context.AfterFunc(lock.alive, func() { time.AfterFunc(cutDelay, own.cut) })
	endWatch := d.watchPooler(lock, pool)
	session := database.NewSession(lock.alive, clientID)
	session.Executor = riverpgxv5.New(lock.pool).GetExecutor()
	session.Driver = listeningDriver{riverpgxv5.New(pool), riverpgxv5.New(listening)}
	session.Sweep = func(ctx context.Context) ([]*rivertype.JobRow, error) { return d.sweep(ctx, pool) }
	session.Leave = func() {
		endWatch()
		unlink()
		own.close(pool, listening)
		lock.Close()
	}
	return session, nil
}

// listeningDriver is River's driver, but it listens through another one.
type listeningDriver struct {
	*riverpgxv5.Driver

	listening *riverpgxv5.Driver
}

// GetListener returns a listener, which takes a connection from its pool.
func (d listeningDriver) GetListener(params *riverdriver.GetListenenerParams) riverdriver.Listener {
	return d.listening.GetListener(params)
}

var dialect = database.Dialect{
	Fence: `SELECT true FROM river_job WHERE id = $1 AND state = 'running' AND attempt = $2
		AND attempted_by[cardinality(attempted_by)] = $3 FOR UPDATE`,
	Counts: `SELECT coalesce(json_agg(json_build_object('Queue', queue, 'State', state, 'Jobs', jobs,
			'Oldest', extract(epoch FROM now() - first)) ORDER BY queue, state::text), '[]')
		FROM (SELECT queue, state, count(*) AS jobs, min(scheduled_at) AS first FROM river_job GROUP BY state, queue) AS c`,
	OwnJobs: `SELECT coalesce(json_agg(json_build_object('ID', id, 'Attempt', attempt, 'Cancelled', cancelled, 'Old', old)), '[]')
		FROM (SELECT id, attempt, metadata->'cancel_attempted_at' IS NOT NULL AS cancelled, attempted_at < now() - interval '20 seconds' AS old
			FROM river_job WHERE state = 'running' AND attempted_by[cardinality(attempted_by)] = $1) AS own
		WHERE cancelled OR old`,
	IsDuplicate: func(err error) bool { return hasCode(err, "23505") }, // unique_violation
	IsDoubled:   func(err error) bool { return hasCode(err, "21000") }, // cardinality_violation
	IsDeadlock:  func(err error) bool { return hasCode(err, deadlockDetected) },
	IsLocked:    func(err error) bool { return hasCode(err, lockNotAvailable) || hasCode(err, deadlockDetected) },
}
