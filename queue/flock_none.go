//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd || windows)

package queue

import (
	"errors"
	"os"
)

// lockFile refuses: without file locks nobody knows whose jobs to take over.
func lockFile(*os.File) (free bool, err error) {
	return false, errors.New("SQLite: this system has no file locks that workerfx knows; use PostgreSQL")
}
