package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/rivertype"

	"github.com/workerfx/workerfx/queue/internal/database"
)

// gracePeriod is how long a lock must be free before others take over the jobs of its holder. A holder that only
// lost its connection notices it in that time.
const gracePeriod = 3 * checkInterval

// sweep frees the jobs of clients that are gone. It uses pool, as handlers may use all connections of the database.
func (d *Database) sweep(ctx context.Context, pool *pgxpool.Pool) (freed []*rivertype.JobRow, err error) {
	dead, err := d.deadClients(ctx, pool)
	if err != nil || len(dead) == 0 {
		return nil, err
	}
	select {
	case <-time.After(gracePeriod):
	case <-ctx.Done():
	}
	for _, owner := range dead {
		if err := d.endTxs(ctx, pool, owner); err != nil {
			return freed, err
		}
		jobs, err := d.sweepOwner(ctx, pool, owner)
		freed = append(freed, jobs...)
		if err != nil {
			return freed, err
		}
	}
	return freed, nil
}

// deadClients returns the clients that have running jobs and no lock.
func (*Database) deadClients(ctx context.Context, pool *pgxpool.Pool) (dead []string, err error) {
	rows, err := pool.Query(ctx, `SELECT DISTINCT coalesce(attempted_by[cardinality(attempted_by)], '')
		FROM river_job WHERE state = 'running'`)
	if err != nil {
		return nil, err
	}
	owners, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, err
	}
	for _, owner := range owners {
		if !database.IsOurs(owner) {
			continue
		}
		var free bool // the lock is given back with the statement
		if err := pool.QueryRow(ctx, `SELECT pg_try_advisory_xact_lock($1)`, lockKey(owner)).Scan(&free); err != nil {
			return nil, err
		}
		if free {
			dead = append(dead, owner)
		}
	}
	return dead, nil
}

// txKey is the key of the advisory lock that the transactions of a client share.
func txKey(clientID string) int64 { return lockKey("tx:" + clientID) }

// endTxs ends the open transactions of a client that is gone. If the user of the database has no right to do so, the
// transactions end with their process or their connection. Behind a pooler in transaction mode, many clients use a
// connection to the server, one after the other. But a lock of a transaction is free when the transaction ends, so a
// connection that holds it serves this client.
func (*Database) endTxs(ctx context.Context, pool *pgxpool.Pool, owner string) error {
	_, err := pool.Exec(ctx, `SELECT pg_terminate_backend(pid) FROM pg_locks
		WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
		AND objsubid = 1 AND (classid::bigint << 32) | objid::bigint = $1`, txKey(owner))
	if err != nil && !hasCode(err, "42501") { // insufficient_privilege
		return fmt.Errorf("end the transactions of %s: %w", owner, err)
	}
	return nil
}

// sweepOwner frees the jobs of a client if its lock is free. It holds the lock until it is done, so that only one
// process sweeps them. A row that an open transaction has locked is left for the next sweep.
func (d *Database) sweepOwner(ctx context.Context, pool *pgxpool.Pool, owner string) (freed []*rivertype.JobRow, err error) {
	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		var dead bool
		if err := tx.QueryRow(ctx, `SELECT pg_try_advisory_xact_lock($1)`, lockKey(owner)).Scan(&dead); err != nil || !dead {
			return err
		}
		rows, err := tx.Query(ctx, `SELECT id FROM river_job
			WHERE state = 'running' AND attempted_by[cardinality(attempted_by)] = $1 FOR UPDATE SKIP LOCKED`, owner)
		if err != nil {
			return err
		}
		ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
		if err != nil || len(ids) == 0 {
			return err
		}
		exec := d.Executor(tx)
		if freed, err = exec.JobGetByIDMany(ctx, &riverdriver.JobGetByIDManyParams{ID: ids}); err != nil {
			return err
		}
		return database.Free(ctx, exec, freed)
	})
	if err != nil {
		return nil, fmt.Errorf("sweep the jobs of %s: %w", owner, err)
	}
	return freed, nil
}
