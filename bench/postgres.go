package main

import (
	"context"
	"fmt"
	neturl "net/url"
	"os"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/workerfx/workerfx/internal/pgserver"
)

// server starts the PostgreSQL that the queues use, with its own settings. It ends with the process at the latest.
var server = sync.OnceValues(func() (*pgserver.Server, error) { return pgserver.Start() })

var databases int

// newDatabase makes an empty database, and returns its URL and how to drop it.
func newDatabase() (url string, drop func()) {
	databases++
	name := fmt.Sprintf("workerfx_bench_%d_%d", os.Getpid(), databases)
	execute(must(server()).URL, "CREATE DATABASE "+name)
	u, err := neturl.Parse(must(server()).URL)
	check(err)
	u.Path = "/" + name
	return u.String(), func() { execute(must(server()).URL, "DROP DATABASE "+name+" WITH (FORCE)") }
}

// withParameter adds a parameter to a URL.
func withParameter(url, name, value string) string {
	u, err := neturl.Parse(url)
	check(err)
	parameters := u.Query()
	parameters.Set(name, value)
	u.RawQuery = parameters.Encode()
	return u.String()
}

// execute carries a statement out on a connection of its own.
func execute(url, statement string) {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, url)
	check(err)
	_, err = conn.Exec(ctx, statement)
	check(err)
	check(conn.Close(ctx))
}

// newPgxPool returns a pool of n connections at most.
func newPgxPool(url string, n int) *pgxpool.Pool {
	config, err := pgxpool.ParseConfig(url)
	check(err)
	config.MaxConns = int32(n) //nolint:gosec // a hundred or so
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	check(err)
	return pool
}
