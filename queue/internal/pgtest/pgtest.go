// Package pgtest gives tests databases on a real PostgreSQL.
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/workerfx/workerfx/internal/pgserver"
)

// server is the PostgreSQL of the tests, or missing says why there is none.
var (
	server  *pgserver.Server
	missing error
)

// Main is the TestMain of a package: it starts PostgreSQL, runs the tests, looks for goroutines that they left, and
// exits. The settings of the server make it fast, not safe. Without a server, [NewDatabase] skips its test.
func Main(m *testing.M) {
	if server, missing = pgserver.Start("fsync=off", "shared_buffers=64MB"); missing != nil {
		fmt.Fprintln(os.Stderr, missing)
	}
	before := goleak.IgnoreCurrent() // the goroutines of the server
	code := m.Run()
	if err := goleak.Find(before); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	if server != nil {
		server.Stop()
	}
	os.Exit(code)
}

var databases atomic.Int64

// NewDatabase makes an empty database and returns its URL. The end of the test drops the database and its
// connections.
func NewDatabase(t testing.TB) string {
	t.Helper()
	if missing != nil {
		t.Skip(missing)
	}
	name := fmt.Sprintf("workerfx_pgtest_%d_%d", os.Getpid(), databases.Add(1))
	require.NoError(t, execute("CREATE DATABASE "+name))
	t.Cleanup(func() { require.NoError(t, execute("DROP DATABASE "+name+" WITH (FORCE)")) })
	u, err := url.Parse(server.URL)
	require.NoError(t, err)
	u.Path = "/" + name
	return u.String()
}

// Modes of [ThroughPgBouncer].
const (
	SessionMode     = "pool_mode=session"
	TransactionMode = "pool_mode=transaction"
)

// ThroughPgBouncer returns the URL by which the database of a URL is reached through a PgBouncer of its own. Settings
// are a mode, and other lines for its section [pgbouncer]. The end of the test stops it. Without PgBouncer, the test
// is skipped.
func ThroughPgBouncer(t testing.TB, database string, settings ...string) string {
	t.Helper()
	pooler, err := server.StartPgBouncer(settings...)
	if errors.Is(err, pgserver.ErrNoPgBouncer) {
		t.Skip(err)
	}
	require.NoError(t, err)
	t.Cleanup(pooler.Stop)
	to, err := url.Parse(pooler.URL)
	require.NoError(t, err)
	u, err := url.Parse(database)
	require.NoError(t, err)
	u.Host, u.RawQuery = to.Host, ""
	return u.String()
}

func execute(statement string) error {
	ctx := context.Background()
	admin, err := pgx.Connect(ctx, server.URL)
	if err != nil {
		return err
	}
	defer admin.Close(ctx)
	_, err = admin.Exec(ctx, statement)
	return err
}

// SetReadOnly makes all databases of the server refuse to write, or lets them write again. The end of the test does
// that, too.
func SetReadOnly(t testing.TB, on bool) {
	t.Helper()
	require.NoError(t, execute(fmt.Sprintf("ALTER SYSTEM SET default_transaction_read_only = %v", on)))
	require.NoError(t, execute("SELECT pg_reload_conf()"))
	if on {
		t.Cleanup(func() { SetReadOnly(t, false) })
	}
}
