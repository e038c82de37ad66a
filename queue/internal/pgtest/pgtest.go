// Package pgtest gives tests a PostgreSQL: the one that an environment variable names, else one that it starts from the
// binaries that are installed.
package pgtest

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
)

// Env names a server whose user may create databases.
const Env = "WORKERFX_TEST_POSTGRES_URL"

// Server is a PostgreSQL. The zero Server is none.
type Server struct {
	url  string
	stop func()
}

// Start finds a server, or starts one that ends with the tests at the latest. It locks the calling goroutine to its
// thread, on whose life the server's depends: call it in TestMain.
func Start() (*Server, error) {
	if url := os.Getenv(Env); url != "" {
		return &Server{url: url, stop: func() {}}, nil
	}
	s, err := start()
	if err != nil {
		return nil, fmt.Errorf("no PostgreSQL: %w; set %s to the URL of a server whose user may create databases, "+
			"or install one (on Debian: apt-get install postgresql)", err, Env)
	}
	return s, nil
}

// Stop ends a server that Start started, and removes its data.
func (s *Server) Stop() { s.stop() }

var databases atomic.Int64

// NewDatabase makes an empty database and returns its URL. Drop removes it, whoever is connected to it.
func (s *Server) NewDatabase(ctx context.Context) (address string, drop func() error, err error) {
	name := fmt.Sprintf("workerfx_pgtest_%d_%d", os.Getpid(), databases.Add(1))
	if err := s.exec(ctx, "CREATE DATABASE "+name); err != nil {
		return "", nil, err
	}
	u, err := url.Parse(s.url)
	if err != nil {
		return "", nil, err
	}
	u.Path = "/" + name
	return u.String(), func() error { return s.exec(context.Background(), "DROP DATABASE "+name+" WITH (FORCE)") }, nil
}

func (s *Server) exec(ctx context.Context, statement string) error {
	admin, err := pgx.Connect(ctx, s.url)
	if err != nil {
		return err
	}
	defer admin.Close(ctx)
	_, err = admin.Exec(ctx, statement)
	return err
}
