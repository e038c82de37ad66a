package queue

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverdatabasesql"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivertype"

	"github.com/workerfx/workerfx"
)

// postgres is a PostgreSQL database.
type postgres struct {
	store[pgx.Tx]

	config *pgxpool.Config
	pool   *pgxpool.Pool
	own    *connections // of the pool; nil if it is the app's
	sized  bool         // the URL says how large the pool is
	lease  time.Duration

	// For transactions of database/sql.
	sqlDB       *sql.DB // on the connections of pool
	sqlDriver   *riverdatabasesql.Driver
	sqlInserter *river.Client[*sql.Tx]
}

// newPostgres returns the database of a URL, or of the app's pool.
func newPostgres(url string, pool *pgxpool.Pool, lease time.Duration) (*postgres, error) {
	p := &postgres{store: store[pgx.Tx]{statements: &postgresStatements}, pool: pool, lease: lease}
	if pool != nil {
		p.config = pool.Config()
		return p, nil
	}
	var err error
	if url == "" {
		return nil, errors.New("PostgreSQL: the URL is empty, want postgres://user:password@host:5432/database")
	}
	if p.config, err = pgxpool.ParseConfig(url); err != nil {
		return nil, fmt.Errorf("PostgreSQL: %w", err) // without the password, pgx sees to that
	}
	p.own, p.sized = &connections{}, strings.Contains(url, "pool_max_conns")
	return p, nil
}

// spareConns are connections for calls while handlers have all other connections: a call inside of a handler's
// transaction would wait for itself.
const spareConns = 4

func (p *postgres) makeRoom(transactions int) {
	if p.own != nil && !p.sized {
		p.config.MaxConns = max(p.config.MaxConns, int32(transactions)+spareConns) //nolint:gosec // slots are checked
	}
}

// String is "PostgreSQL at host:port/database".
func (p *postgres) String() string {
	c := p.config.ConnConfig
	return fmt.Sprintf("PostgreSQL at %s:%d/%s", c.Host, c.Port, c.Database)
}

func (*postgres) shared() bool { return true }

func (p *postgres) open(ctx context.Context, log *slog.Logger) error {
	if p.pool == nil {
		pool, err := pgxpool.NewWithConfig(ctx, p.own.of(p.config))
		if err != nil {
			return err
		}
		p.pool = pool
	}
	if err := p.pool.Ping(ctx); err != nil {
		return err
	}
	return p.useBoth(log)
}

// useBoth sets the driver of pgx, and that of database/sql.
func (p *postgres) useBoth(log *slog.Logger) (err error) {
	p.closeSQL() // that of an open that failed later, or of an app that starts again
	p.sqlDB = stdlib.OpenDBFromPool(p.pool)
	p.sqlDriver = riverdatabasesql.New(p.sqlDB)
	if p.sqlInserter, err = newInserter(p.sqlDriver, log); err != nil {
		return err
	}
	return p.use(riverpgxv5.New(p.pool), log)
}

func (*postgres) txTypes() []reflect.Type { return []reflect.Type{pgxTxType, sqlTxType} }

// insertTx takes transactions of pgx and of database/sql.
func (p *postgres) insertTx(ctx context.Context, tx any, jobs []river.InsertManyParams) ([]*rivertype.JobInsertResult, error) {
	switch tx := tx.(type) {
	case pgx.Tx:
		return insertManyTx(ctx, p.inserter, tx, jobs)
	case *sql.Tx:
		return insertManyTx(ctx, p.sqlInserter, tx, jobs)
	default:
		return nil, fmt.Errorf("transaction is a %T, want a %v or a %v as the app's queue is %v", tx, pgxTxType, sqlTxType, p)
	}
}

func (p *postgres) close() {
	p.closeSQL()
	if p.own != nil && p.pool != nil {
		p.own.close(p.pool)
		p.own, p.pool = &connections{}, nil // those were cut, perhaps, and an app may start again
	}
}

// closeSQL closes what database/sql has. The connections are those of the pool.
func (p *postgres) closeSQL() {
	if p.sqlDB != nil {
		_ = p.sqlDB.Close() // there is nothing that could fail
	}
}

// migrate holds the lock of migrations. So one of many processes that start at the same time migrates, and the
// others wait.
func (p *postgres) migrate(ctx context.Context, log *slog.Logger, apply bool) error {
	if !apply {
		return p.migrateIn(ctx, log, false)
	}
	lock, err := openPostgresLock(ctx, p.config, lockKey("migrate"), p.lease)
	if err != nil {
		return fmt.Errorf("lock for migrations: %w", err)
	}
	defer lock.close()
	return p.migrateIn(ctx, log, true)
}

// riverConns is the largest number of connections of a River client, beside that of its lock: one listens, one
// fetches, one sweeps, and the leader needs a few more.
const riverConns = 7

// join takes the client's lock, and makes a pool for the client. The pool is closed when the lock is lost.
func (p *postgres) join(ctx context.Context, clientID string) (*session, error) {
	lock, err := openPostgresLock(ctx, p.config, lockKey(clientID), p.lease)
	if err != nil {
		return nil, fmt.Errorf("liveness lock: %w", err)
	}
	own := &connections{}
	config := own.of(p.config)
	config.MaxConns, config.MinConns, config.MinIdleConns = riverConns, 0, 0
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		lock.close()
		return nil, err
	}
	unlink := context.AfterFunc(lock.alive, func() { time.AfterFunc(lastWords, own.cut) })
	return &session{
		clientID: clientID, alive: lock.alive,
		executor: riverpgxv5.New(lock.pool).GetExecutor(), driver: riverpgxv5.New(pool),
		sweep: func(ctx context.Context) ([]*rivertype.JobRow, error) { return p.sweep(ctx, pool) },
		leave: func() {
			unlink()
			own.close(pool)
			lock.close()
		},
	}, nil
}

var postgresStatements = statements{
	fence: `SELECT true FROM river_job WHERE id = $1 AND state = 'running' AND attempt = $2
		AND attempted_by[cardinality(attempted_by)] = $3 FOR UPDATE`,
	counts: `SELECT coalesce(json_agg(json_build_object('Queue', queue, 'State', state, 'Jobs', jobs) ORDER BY queue, state::text), '[]')
		FROM (SELECT queue, state, count(*) AS jobs FROM river_job GROUP BY queue, state) AS c`,
}

// work marks its transaction with the job's client, so that a sweep finds it. A transaction of a client that is
// frozen or cut off would keep its locks, and the next attempt would wait for them.
func (p *postgres) work(ctx context.Context, txType reflect.Type, job *rivertype.JobRow, do func(tx any) error) error {
	if txType == sqlTxType {
		return p.workSQL(ctx, job, do)
	}
	begin := fmt.Sprintf(`BEGIN; SELECT pg_advisory_xact_lock_shared(%d)`, txKey(ownerOf(job)))
	return pgx.BeginTxFunc(ctx, p.pool, pgx.TxOptions{BeginQuery: begin}, func(tx pgx.Tx) error {
		if err := do(tx); err != nil {
			return err
		}
		return p.complete(ctx, p.driver.UnwrapExecutor(tx), job)
	})
}

// workSQL is work in a transaction of database/sql.
func (p *postgres) workSQL(ctx context.Context, job *rivertype.JobRow, do func(tx any) error) error {
	return inSQLTx(ctx, p.sqlDB, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock_shared($1)`, txKey(ownerOf(job))); err != nil {
			return err
		}
		if err := do(tx); err != nil {
			return err
		}
		return p.complete(ctx, p.sqlDriver.UnwrapExecutor(tx), job)
	})
}

// deathGrace is how long a lock must be free before others take over the jobs of its holder. A holder that only
// lost its connection notices it in that time.
const deathGrace = 3 * lookEvery

func (p *postgres) sweep(ctx context.Context, pool *pgxpool.Pool) (freed []*rivertype.JobRow, err error) {
	dead, err := p.dead(ctx, pool)
	if err != nil || len(dead) == 0 {
		return nil, err
	}
	workerfx.Wait(ctx, deathGrace)
	for _, owner := range dead {
		if err := p.endTxs(ctx, pool, owner); err != nil {
			return freed, err
		}
		jobs, err := p.sweepOwner(ctx, pool, owner)
		freed = append(freed, jobs...)
		if err != nil {
			return freed, err
		}
	}
	return freed, nil
}

// dead returns the clients that have running jobs and no lock.
func (*postgres) dead(ctx context.Context, pool *pgxpool.Pool) (dead []string, err error) {
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
		if !isOurs(owner) {
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

// endTxs ends the open transactions of a client that is gone. If the user of the database has no right to do so,
// they end with their process or their connection.
func (*postgres) endTxs(ctx context.Context, pool *pgxpool.Pool, owner string) error {
	_, err := pool.Exec(ctx, `SELECT pg_terminate_backend(pid) FROM pg_locks
		WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
		AND objsubid = 1 AND (classid::bigint << 32) | objid::bigint = $1`, txKey(owner))
	if err != nil && !hasCode(err, "42501") { // insufficient_privilege
		return fmt.Errorf("end the transactions of %s: %w", owner, err)
	}
	return nil
}

// sweepOwner frees the jobs of a client if its lock is free. It holds the lock meanwhile, so that only one process
// sweeps. A row that an open transaction has locked is left for the next sweep.
func (p *postgres) sweepOwner(ctx context.Context, pool *pgxpool.Pool, owner string) (freed []*rivertype.JobRow, err error) {
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
		exec := p.driver.UnwrapExecutor(tx)
		if freed, err = exec.JobGetByIDMany(ctx, &riverdriver.JobGetByIDManyParams{ID: ids}); err != nil {
			return err
		}
		return free(ctx, exec, freed)
	})
	if err != nil {
		return nil, fmt.Errorf("sweep the jobs of %s: %w", owner, err)
	}
	return freed, nil
}
