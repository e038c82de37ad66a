package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/rs/xid"

	"github.com/workerfx/workerfx/queue/internal/database"
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
	if err := errors.Join(errs...); err != nil {
		conns.close()
		return nil, err
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
				return database.PermanentError{Err: errNoSession}
			}
		}
	}
	return nil
}

// lostStatement returns an error as lost if connections do not keep their prepared statements. Each connection prepares a
// statement with the same name, which returns the connection's number.
func lostStatement(ctx context.Context, config *pgxpool.Config) (lost, err error) {
	conns, err := openCheckConns(ctx, config)
	if err != nil {
		return nil, err
	}
	defer conns.close()
	name := "" // as in the mode "describe exec"
	if config.ConnConfig.DefaultQueryExecMode == pgx.QueryExecModeCacheStatement {
		name = "workerfx_" + xid.New().String()
	}
	for i, conn := range conns.all {
		if _, err := conn.Conn().PgConn().Prepare(ctx, name, "SELECT "+strconv.Itoa(i), nil); err != nil {
			return asLost(err)
		}
	}
	for i := len(conns.all) - 1; i >= 0; i-- { // backwards, as connections may be served by turns
		result := conns.all[i].Conn().PgConn().ExecPrepared(ctx, name, nil, nil, nil).Read()
		if result.Err != nil {
			return asLost(result.Err)
		}
		if got := string(result.Rows[0][0]); got != strconv.Itoa(i) {
			return fmt.Errorf("statement %d of the check was replaced by statement %s", i, got), nil
		}
	}
	return nil, nil
}

// asLost returns an error as lost if a prepared statement was not there, or was another one's.
func asLost(err error) (lost, other error) {
	if hasCode(err, "42P05") || hasCode(err, "26000") { // duplicate_prepared_statement, invalid_sql_statement_name
		return err, nil
	}
	return nil, err
}
