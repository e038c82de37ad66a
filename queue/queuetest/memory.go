//go:build !nosqlite

package queuetest

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"modernc.org/sqlite"
)

// openMemory returns a database in memory. Close frees it.
func openMemory() (*sql.DB, error) {
	m := &memory{name: fmt.Sprintf("file:/queuetest-%d?vfs=memdb", databases.Add(1))}
	var err error
	if m.keeper, err = m.Driver().Open(m.name); err != nil {
		return nil, err
	}
	db := sql.OpenDB(m)
	db.SetMaxOpenConns(1)
	return db, nil
}

// databases counts the databases, so that each has a name of its own.
var databases atomic.Int64

// memory opens connections to a database in memory. SQLite's clock is the system's, also inside of a bubble. So the clock is
// asked here, for the only form in which River's statements and those of this package ask for it.
type memory struct {
	name   string
	keeper driver.Conn // keeps the database when database/sql drops its connection, as it may do after a context has ended
}

// Connect opens a connection.
func (m *memory) Connect(context.Context) (driver.Conn, error) {
	opened, err := m.Driver().Open(m.name)
	if err != nil {
		return nil, err
	}
	conn, ok := opened.(conn)
	if !ok {
		return nil, fmt.Errorf("queuetest: a connection of SQLite's driver (%T) lacks what database/sql needs", opened)
	}
	return clockConn{conn}, nil
}

// Close ends the database.
func (m *memory) Close() error { return m.keeper.Close() }

// Driver is that of SQLite.
func (*memory) Driver() driver.Driver { return &sqlite.Driver{} }

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
