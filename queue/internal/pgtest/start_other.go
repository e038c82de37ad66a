//go:build !linux

package pgtest

import "errors"

// start does not know how to start a server here.
func start() (*Server, error) { return nil, errors.New("one is started on Linux only") }
