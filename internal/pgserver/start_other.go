//go:build !linux

package pgserver

import "errors"

// start does not know how to start a server here.
func start([]string) (*Server, error) { return nil, errors.New("one is started on Linux only") }

// startPgBouncer does not know how to start PgBouncer here.
func startPgBouncer(string, []string) (*Server, error) { return nil, ErrNoPgBouncer }
