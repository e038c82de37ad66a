package postgres

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"reflect"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverdatabasesql"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivertype"

	"github.com/workerfx/workerfx/queue/internal/database"
)

var (
	pgxTxType = reflect.TypeFor[pgx.Tx]()
	sqlTxType = reflect.TypeFor[*sql.Tx]()
)

// TxTypes are the transactions of pgx and of database/sql.
func (*Database) TxTypes() []reflect.Type { return []reflect.Type{pgxTxType, sqlTxType} }

// useDrivers sets the drivers of pgx and of database/sql.
func (d *Database) useDrivers(log *slog.Logger) error {
	d.closeSQL() // an earlier Open may have failed, or the app starts again
	d.sqlDB = stdlib.OpenDBFromPool(d.pool)
	if err := d.sqlStore.Use(riverdatabasesql.New(d.sqlDB), log); err != nil {
		return err
	}
	return d.Use(riverpgxv5.New(d.pool), log)
}

// closeSQL closes sqlDB. Its connections belong to the pool.
func (d *Database) closeSQL() {
	if d.sqlDB != nil {
		_ = d.sqlDB.Close() // there is nothing that could fail
	}
}

// InsertTx adds jobs as a part of a transaction of pgx or of database/sql.
func (d *Database) InsertTx(ctx context.Context, tx any, jobs []river.InsertManyParams) ([]*rivertype.JobInsertResult, error) {
	switch tx := tx.(type) {
	case pgx.Tx:
		return d.Store.InsertTx(ctx, tx, jobs)
	case *sql.Tx:
		results, err := d.sqlStore.InsertTx(ctx, tx, jobs)
		if err != nil && tx != nil && isForeign(ctx, tx) {
			err = fmt.Errorf(`transaction is not one of pgx's driver "pgx" for database/sql, as the app's queue is %v: %w`, d, err)
		}
		return results, err
	default:
		return nil, fmt.Errorf("transaction is a %T, want a %v or a %v as the app's queue is %v", tx, pgxTxType, sqlTxType, d)
	}
}

// isForeign tells whether a transaction, after a statement has failed in it, is one of another driver or another kind of
// database. Their errors are not those of pgx.
func isForeign(ctx context.Context, tx *sql.Tx) bool {
	_, err := tx.ExecContext(ctx, `SELECT pg_backend_pid()`)
	_, fromPostgres := errors.AsType[*pgconn.PgError](err) // such as "current transaction is aborted"
	unusable := ctx.Err() != nil || errors.Is(err, sql.ErrTxDone) || errors.Is(err, driver.ErrBadConn)
	return err != nil && !fromPostgres && !unusable
}

// Work calls do in a transaction, and completes the job in it. The transaction holds a lock with the name of the
// job's client, so that a sweep finds it. A client that is frozen or cut off would keep the locks of its transaction,
// and the next attempt would wait for them.
func (d *Database) Work(ctx context.Context, txType reflect.Type, job *rivertype.JobRow, do func(tx any) error) error {
	if txType == sqlTxType {
		return d.workSQL(ctx, job, do)
	}
	begin := fmt.Sprintf(`BEGIN; SELECT pg_advisory_xact_lock_shared(%d)`, txKey(database.OwnerOf(job)))
	return pgx.BeginTxFunc(ctx, d.pool, pgx.TxOptions{BeginQuery: begin}, func(tx pgx.Tx) error {
		if err := do(tx); err != nil {
			return err
		}
		return d.Complete(ctx, tx, job)
	})
}

// workSQL is Work in a transaction of database/sql.
func (d *Database) workSQL(ctx context.Context, job *rivertype.JobRow, do func(tx any) error) error {
	return database.InTx(ctx, d.sqlDB, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock_shared($1)`, txKey(database.OwnerOf(job))); err != nil {
			return err
		}
		if err := do(tx); err != nil {
			return err
		}
		return d.sqlStore.Complete(ctx, tx, job)
	})
}
