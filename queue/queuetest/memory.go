//go:build !nosqlite

package queuetest

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"strings"
	"time"

	"modernc.org/sqlite"
)

// openMemory returns a database in memory. It has one connection, and lives as long as this one.
func openMemory() *sql.DB {
	db := sql.OpenDB(memory{})
	db.SetMaxOpenConns(1)
	return db
}

// memory opens connections to databases in memory. SQLite's clock is the system's, also inside of a bubble. So the clock is
// asked here, for the only form in which River's statements and those of this package ask for it.
type memory struct{}

// Connect opens a new database.
func (m memory) Connect(context.Context) (driver.Conn, error) {
	opened, err := m.Driver().Open(":memory:")
	if err != nil {
		return nil, err
	}
	conn, ok := opened.(conn)
	if !ok {
		return nil, fmt.Errorf("queuetest: a connection of SQLite's driver (%T) lacks what database/sql needs", opened)
	}
	return clockConn{conn}, nil
}

// Driver is that of SQLite.
func (memory) Driver() driver.Driver { return &sqlite.Driver{} }

// conn is what a connection of the driver can do.
type conn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

// clockConn is a connection whose clock is that of Go.
type clockConn struct{ conn }

// PrepareContext prepares a statement. Its clock stands still.
func (c clockConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	return c.conn.PrepareContext(ctx, withTime(query))
}

// ExecContext executes a statement.
func (c clockConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	return c.conn.ExecContext(ctx, withTime(query), args)
}

// QueryContext executes a query.
func (c clockConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	return c.conn.QueryContext(ctx, withTime(query), args)
}

// withTime returns a statement with the time in the place of the call of SQLite's clock.
func withTime(query string) string {
	return strings.ReplaceAll(query, `datetime('now', 'subsec')`, time.Now().UTC().Format("'2006-01-02 15:04:05.000'"))
}
