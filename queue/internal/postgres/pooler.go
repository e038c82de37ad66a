package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/rs/xid"

	"github.com/workerfx/workerfx/queue/internal/database"
)

// A pooler in transaction mode serves each transaction of a client on any of its connections to the server. What belongs
// to a session, such as an advisory lock, LISTEN or a prepared statement, is then on one of these connections, and the
// next transaction may be on another one. So locks and notifications use the direct URL. All other calls are one
// transaction, or one statement, and need nothing of the call before.

// keepsStatements tells whether the connections of a configuration use a prepared statement again in a later call.
func keepsStatements(config *pgxpool.Config) bool {
	mode := config.ConnConfig.DefaultQueryExecMode
	return mode == pgx.QueryExecModeCacheStatement || mode == pgx.QueryExecModeDescribeExec
}

// keepNoStatements changes a configuration so that no call needs the prepared statement of another call. This mode asks
// the server for the types of parameters, and keeps them. Modes that do not ask would send a []byte as bytea, also if the
// column is JSON, and also in the statements of handlers.
func keepNoStatements(config *pgxpool.Config) {
	if keepsStatements(config) {
		config.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
		config.ConnConfig.StatementCacheCapacity = 0
	}
}

// ErrNoSession says that connections do not keep their session.
var ErrNoSession = errors.New("a pooler in transaction mode is in between, such as PgBouncer or Supavisor, but locks and " +
	"notifications need connections that keep their session")

// CheckSession returns ErrNoSession if the connections of a configuration do not keep locks.
func CheckSession(ctx context.Context, config *pgxpool.Config) error {
	conns, err := openCheckConns(ctx, config)
	if err != nil {
		return err
	}
	defer conns.close()
	return checkLocks(ctx, conns)
}

// explainLostStatement adds what helps to an error about a lost prepared statement.
func (d *Database) explainLostStatement(err error) error {
	if !isLostStatement(err) {
		return err
	}
	return database.PermanentError{Err: fmt.Errorf("a pooler in transaction mode is in between, such as PgBouncer or "+
		"Supavisor, and does not keep the prepared statements of the query mode %q: use queue.WithDirectURL, and for an app's "+
		"own pool also the query mode cache_describe: add default_query_exec_mode=cache_describe to its URL, or set its "+
		"DefaultQueryExecMode to pgx.QueryExecModeCacheDescribe (%w)", d.config.ConnConfig.DefaultQueryExecMode, err)}
}

// Check returns a PermanentError if a pooler in transaction mode is where it must not be. Session says that this process
// takes locks or listens.
func (d *Database) Check(ctx context.Context, session bool) error {
	if session {
		if err := d.checkSession(ctx); err != nil {
			return err
		}
	}
	isChecked := session && d.direct == d.config
	if isChecked || !keepsStatements(d.config) {
		return nil
	}
	return d.explainLostStatement(checkStatements(ctx, d.config))
}

// checkSession checks the connections for locks and notifications.
func (d *Database) checkSession(ctx context.Context) error {
	conns, err := openCheckConns(ctx, d.direct)
	if err != nil {
		return d.explain(err)
	}
	defer conns.close()
	checks := []func(context.Context, *checkConns) error{checkLocks, d.checkSameDatabase, d.checkNotification}
	for _, check := range checks {
		if err := check(ctx, conns); err != nil {
			return d.explain(err)
		}
	}
	return nil
}

// explain adds to an error what helps, and that it is about the direct URL if there is one.
func (d *Database) explain(err error) error {
	if errors.Is(err, ErrNoSession) {
		err = database.PermanentError{Err: fmt.Errorf("%w: use queue.WithDirectURL with a URL that leads to PostgreSQL itself, "+
			"or set the pooler to session mode", err)}
	}
	if d.direct == d.config {
		return err
	}
	return fmt.Errorf("WithDirectURL (%s): %w", NameOf(d.direct), err)
}

// checkSameDatabase checks that the direct URL leads to the database of the pool. If it does not, the locks of this
// process are free for others, and they take over its jobs while they run.
func (d *Database) checkSameDatabase(ctx context.Context, conns *checkConns) error {
	if d.direct == d.config {
		return nil
	}
	const schema = `SELECT coalesce(current_schema(), '')`
	var free, locked bool
	var want, got string
	lock := lockKey("check:" + xid.New().String())
	if err := conns.all[0].QueryRow(ctx, schema+`, pg_try_advisory_lock($1)`, lock).Scan(&got, &locked); err != nil {
		return err
	}
	// The query mode of the pool is not checked yet. This one works with every pooler.
	err := d.pool.QueryRow(ctx, schema+`, pg_try_advisory_xact_lock($1)`, pgx.QueryExecModeExec, lock).Scan(&want, &free)
	switch {
	case err != nil:
		return err
	case free:
		return database.PermanentError{Err: fmt.Errorf("leads to another database than that of %v", d)}
	case got != want:
		return database.PermanentError{Err: fmt.Errorf("uses the schema %q, but %v uses %q", got, d, want)}
	}
	return nil
}

// checkNotification checks that a notification of the pool arrives.
func (d *Database) checkNotification(ctx context.Context, conns *checkConns) error {
	listener, channel := conns.all[0].Conn(), "workerfx_"+xid.New().String()
	if _, err := listener.Exec(ctx, "LISTEN "+channel); err != nil {
		return err
	}
	if _, err := d.pool.Exec(ctx, "NOTIFY "+channel); err != nil {
		return err
	}
	if _, err := listener.WaitForNotification(ctx); err != nil {
		return fmt.Errorf("a notification did not arrive: %w", err)
	}
	return nil
}
