package bench_test

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
)

// server is the PostgreSQL that the contenders use, or why there is none.
var server struct {
	url    string
	reason string
}

func TestMain(m *testing.M) {
	runtime.LockOSThread() // the server is told when the thread that started it is gone
	url, stop, err := startPostgres()
	server.url = url
	if err != nil {
		server.reason = fmt.Sprintf("no PostgreSQL: %v; set WORKERFX_TEST_POSTGRES_URL to that of a server whose user "+
			"may create databases, or install one (on Debian: apt-get install postgresql)", err)
	}
	code := m.Run()
	stop()
	os.Exit(code)
}

var databases int

// newDatabase makes an empty database, and returns its URL and how to drop it.
func newDatabase(t testing.TB) (url string, drop func()) {
	t.Helper()
	if server.url == "" {
		t.Skip(server.reason)
	}
	databases++
	name := fmt.Sprintf("workerfx_bench_%d_%d", os.Getpid(), databases)
	execute(t, server.url, "CREATE DATABASE "+name)
	config, err := pgx.ParseConfig(server.url)
	require.NoError(t, err)
	url = fmt.Sprintf("postgres://%s:%s@%s:%d/%s", config.User, config.Password, config.Host, config.Port, name)
	return url, func() { execute(t, server.url, "DROP DATABASE "+name+" WITH (FORCE)") }
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
