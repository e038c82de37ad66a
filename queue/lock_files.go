package queue

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/workerfx/workerfx"
)

// lockFiles is a directory of lock files beside an SQLite database. Each client has a file with its name, and there
// is one for migrations.
type lockFiles string

// fileLock is a locked file. The system unlocks it when the process ends, however it ends.
type fileLock struct{ file *os.File }

func (d lockFiles) make() error {
	return os.MkdirAll(string(d), 0o750)
}

// path is the path of the file for a name. The names of clients have colons, which not every system allows in file names.
func (d lockFiles) path(name string) string {
	return filepath.Join(string(d), strings.ReplaceAll(name, ":", "_")+".lock")
}

// tryLock takes a lock if it is free.
func (d lockFiles) tryLock(name string) (lock *fileLock, free bool, err error) {
	file, err := os.OpenFile(d.path(name), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, false, err
	}
	if free, err = lockFile(file); err != nil || !free {
		return nil, false, errors.Join(err, file.Close())
	}
	return &fileLock{file}, true, nil
}

// lock waits until a lock is free, and takes it.
func (d lockFiles) lock(ctx context.Context, name string) (*fileLock, error) {
	const pause = 10 * time.Millisecond // waits are short, and only at a start
	for {
		lock, free, err := d.tryLock(name)
		if err != nil || free {
			return lock, err
		}
		workerfx.Wait(ctx, pause)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
}

// release unlocks the file and leaves it for the next holder.
func (l *fileLock) release() { _ = l.file.Close() }

// remove removes the file and unlocks it, as its name is not used again.
func (l *fileLock) remove() {
	_ = os.Remove(l.file.Name()) // before the lock is free: a file that is left over is one more sweep, no harm
	_ = l.file.Close()
}
