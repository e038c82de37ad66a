// Package pgtest gives tests databases on a real PostgreSQL.
package pgtest

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"sync/atomic"

	"github.com/jackc/pgx/v5"

	"github.com/workerfx/workerfx/internal/pgserver"
)

// Server is a PostgreSQL.
type Server struct{ *pgserver.Server }

// Start finds a server, or starts one that is quick rather than safe, see [pgserver.Start].
func Start() (*Server, error) {
	s, err := pgserver.Start("fsync=off", "shared_buffers=64MB")
	if err != nil {
		return nil, err
	}
	return &Server{s}, nil
}

var databases atomic.Int64

// NewDatabase makes an empty database and returns its URL. Drop removes it and ends its connections.
func (s *Server) NewDatabase(ctx context.Context) (address string, drop func() error, err error) {
	name := fmt.Sprintf("workerfx_pgtest_%d_%d", os.Getpid(), databases.Add(1))
	if err := s.exec(ctx, "CREATE DATABASE "+name); err != nil {
		return "", nil, err
	}
	u, err := url.Parse(s.URL)
	if err != nil {
		return "", nil, err
	}
	u.Path = "/" + name
	return u.String(), func() error { return s.exec(context.Background(), "DROP DATABASE "+name+" WITH (FORCE)") }, nil
}

func (s *Server) exec(ctx context.Context, statement string) error {
	admin, err := pgx.Connect(ctx, s.URL)
	if err != nil {
		return err
	}
	defer admin.Close(ctx)
	_, err = admin.Exec(ctx, statement)
	return err
}
