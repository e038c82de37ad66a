//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd || windows)

package lockfile

import (
	"errors"
	"os"
)

// lockFile fails. Without file locks, a process cannot know whether another one lives.
func lockFile(*os.File) (free bool, err error) {
	return false, errors.New("this system has no file locks that workerfx knows")
}
