// Package lockfile has locks of the operating system on files. A process holds such a lock until it gives it back or
// ends, also if it crashes. The package does not know what a lock is for.
package lockfile

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Directory is the path of a directory of lock files. Each lock has a file with its name.
type Directory string

// Lock is a locked file.
type Lock struct{ file *os.File }

// Make makes the directory if there is none.
func (d Directory) Make() error {
	return os.MkdirAll(string(d), 0o750)
}

// path replaces the colons in a name, as not every system allows them in file names.
func (d Directory) path(name string) string {
	return filepath.Join(string(d), strings.ReplaceAll(name, ":", "_")+".lock")
}

// TryLock takes a lock if it is free.
func (d Directory) TryLock(name string) (lock *Lock, free bool, err error) {
	file, err := os.OpenFile(d.path(name), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, false, err
	}
	if free, err = lockFile(file); err != nil || !free {
		return nil, false, errors.Join(err, file.Close())
	}
	return &Lock{file}, true, nil
}

// retryPause is the wait between two tries to take a lock. The system has no wait that a context can end.
const retryPause = 50 * time.Millisecond

// Lock waits until a lock is free, and takes it. It returns the cause of ctx if ctx ends first.
func (d Directory) Lock(ctx context.Context, name string) (*Lock, error) {
	for {
		lock, free, err := d.TryLock(name)
		if err != nil || free {
			return lock, err
		}
		select {
		case <-time.After(retryPause):
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
}

// Release unlocks the file and leaves it for the next holder.
func (l *Lock) Release() { _ = l.file.Close() }

// Remove removes the file and unlocks it. The name must not be used again.
func (l *Lock) Remove() {
	_ = os.Remove(l.file.Name()) // before the lock is free: a file that is left over only costs one more sweep
	_ = l.file.Close()
}
