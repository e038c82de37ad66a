//go:build unix

package bench_test

import (
	"context"
	"fmt"
	neturl "net/url"
	"os"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/workerfx/workerfx/internal/pgserver"
)

// server is the PostgreSQL that the contenders use, with its own settings, or nil for the reason that there is none.
var (
	server   *pgserver.Server
	noServer error
)

func TestMain(m *testing.M) {
	if server, noServer = pgserver.Start(); noServer != nil {
		os.Exit(m.Run())
	}
	before := goleak.IgnoreCurrent() // what looks after the server
	code := m.Run()
	if err := goleak.Find(before); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	server.Stop()
	os.Exit(code)
}

var databases int

// newDatabase makes an empty database, and returns its URL and how to drop it.
func newDatabase(t testing.TB) (url string, drop func()) {
	t.Helper()
	if noServer != nil {
		t.Skip(noServer)
	}
	databases++
	name := fmt.Sprintf("workerfx_bench_%d_%d", os.Getpid(), databases)
	execute(t, server.URL, "CREATE DATABASE "+name)
	u, err := neturl.Parse(server.URL)
	require.NoError(t, err)
	u.Path = "/" + name
	return u.String(), func() { execute(t, server.URL, "DROP DATABASE "+name+" WITH (FORCE)") }
}

// withParameter adds a parameter to a URL.
func withParameter(t testing.TB, url, name, value string) string {
	t.Helper()
	u, err := neturl.Parse(url)
	require.NoError(t, err)
	parameters := u.Query()
	parameters.Set(name, value)
	u.RawQuery = parameters.Encode()
	return u.String()
}

// execute carries a statement out on a connection of its own.
func execute(t testing.TB, url, statement string) {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, url)
	require.NoError(t, err)
	_, err = conn.Exec(ctx, statement)
	require.NoError(t, err)
	require.NoError(t, conn.Close(ctx))
}

// newPool returns a pool of n connections at most.
func newPool(t testing.TB, url string, n int32) *pgxpool.Pool {
	t.Helper()
	config, err := pgxpool.ParseConfig(url)
	require.NoError(t, err)
	config.MaxConns = n
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	require.NoError(t, err)
	return pool
}
