//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd || windows)

package lockfile

import (
	"errors"
	"os"
)

// lockFile fails. Without file locks, a process cannot know whose jobs it may take over.
func lockFile(*os.File) (free bool, err error) {
	return false, errors.New("SQLite: this system has no file locks that workerfx knows; use PostgreSQL")
}
