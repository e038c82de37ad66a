package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/rs/xid"
)

// checkConns are connections that are open at the same time, for a check.
type checkConns struct {
	all   []*pgxpool.Conn
	close func()
}

// numCheckConns is the number of connections of a check. Together with one of the pool, these are no more than the
// smallest pool of pgx has, and fewer than a client of River needs.
const numCheckConns = 3

// openCheckConns opens connections for a check.
func openCheckConns(ctx context.Context, config *pgxpool.Config) (*checkConns, error) {
	own := &connections{}
	config = config.Copy()
	config.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeExec // it needs no session
	pool, err := own.newPool(ctx, config, numCheckConns)
	if err != nil {
		return nil, err
	}
	conns := &checkConns{all: make([]*pgxpool.Conn, numCheckConns)}
	conns.close = func() {
		for _, conn := range conns.all {
			if conn != nil {
				conn.Release()
			}
		}
		own.close(pool)
	}
	errs := make([]error, numCheckConns)
	var opening sync.WaitGroup
	for i := range conns.all {
		opening.Go(func() { conns.all[i], errs[i] = pool.Acquire(ctx) })
	}
	opening.Wait()
	for _, err := range errs {
		if err != nil {
			conns.close()
			return nil, err
		}
	}
	return conns, nil
}

// checkLocks takes locks on several connections in turn. If a pooler in transaction mode has one client, it serves all its
// calls on the same connection, and the client notices nothing. So there are several clients here. If they are served
// on the same connection, two of them have the same lock. If they are served on connections by turns, a client does not
// find its lock again. No step waits for another, and time plays no part.
//
// After a failure, locks stay on connections of the pooler. Their keys are random, so they are in nobody's way.
func checkLocks(ctx context.Context, conns *checkConns) error {
	const lock, unlock = `SELECT pg_try_advisory_lock($1)`, `SELECT pg_advisory_unlock($1)`
	for i, holder := range conns.all {
		second, third := conns.all[(i+1)%numCheckConns], conns.all[(i+2)%numCheckConns]
		key := lockKey("check:" + xid.New().String())
		for _, step := range []struct {
			conn  *pgxpool.Conn
			query string
			want  bool
		}{
			{holder, lock, true}, {second, lock, false}, {third, lock, false}, // one has it
			{holder, lock, true}, {holder, unlock, true}, {holder, unlock, true}, // and finds it again
		} {
			var done bool
			if err := step.conn.QueryRow(ctx, step.query, key).Scan(&done); err != nil {
				return err
			}
			if done != step.want {
				return ErrNoSession
			}
		}
	}
	return nil
}

// checkStatements returns an error for which isLostStatement is true if connections do not keep their prepared statements. Each
// connection prepares a statement with the same name, which returns the connection's number.
func checkStatements(ctx context.Context, config *pgxpool.Config) error {
	conns, err := openCheckConns(ctx, config)
	if err != nil {
		return err
	}
	defer conns.close()
	name := "" // as in the mode "describe exec"
	if config.ConnConfig.DefaultQueryExecMode == pgx.QueryExecModeCacheStatement {
		name = "workerfx_" + xid.New().String()
	}
	for i, conn := range conns.all {
		if _, err := conn.Conn().PgConn().Prepare(ctx, name, "SELECT "+strconv.Itoa(i), nil); err != nil {
			return err
		}
	}
	for i, conn := range slices.Backward(conns.all) { // backwards, as connections may be served by turns
		result := conn.Conn().PgConn().ExecPrepared(ctx, name, nil, nil, nil).Read()
		if result.Err != nil {
			return result.Err
		}
		if got := string(result.Rows[0][0]); got != strconv.Itoa(i) {
			return fmt.Errorf("%w: statement %d is statement %s", errOtherStatement, i, got)
		}
	}
	return nil
}

var errOtherStatement = errors.New("prepared statement was replaced")

// isLostStatement tells whether an error is about a prepared statement that was not there, or was another client's.
func isLostStatement(err error) bool {
	return hasCode(err, "42P05") || hasCode(err, "26000") || // duplicate_prepared_statement, invalid_sql_statement_name
		errors.Is(err, errOtherStatement)
}
