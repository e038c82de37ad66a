package middleware

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"

	"github.com/workerfx/workerfx/internal/lockfile"
)

// NewFileLocker returns a [Locker] for the processes of one machine. Its locks are locks of the operating system on files in
// dir, a directory that must exist and must not be on a network drive. A lock is free again when its holder gives it back or its
// process ends, however it ends. It is lost only if its file is removed: so do not use a directory that is cleaned up, such as
// /tmp. A caller that waits tries again every 50ms. Each key has a file, which is never removed. An error of Lock names the
// directory, such as an empty or a missing one.
func NewFileLocker(dir string) Locker { return fileLocker(dir) }

type fileLocker string

// Lock waits until the lock of a key is free, and takes it.
func (l fileLocker) Lock(ctx context.Context, key string) (Lock, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := l.check(); err != nil {
		return nil, fmt.Errorf("middleware.NewFileLocker: directory %q: %w", string(l), err)
	}
	lock, err := lockfile.Directory(l).Lock(ctx, fileName(key))
	if err != nil {
		return nil, err
	}
	return &fileLock{key: key, lock: lock}, nil
}

func (l fileLocker) check() error {
	if l == "" {
		return errors.New("must not be empty")
	}
	info, err := os.Stat(string(l))
	if err == nil && !info.IsDir() {
		err = errors.New("is not a directory")
	}
	return err
}

// fileName is a name that every file system allows: the begin of the key for people, and a hash of all of it.
func fileName(key string) string {
	const readable = 40
	begin := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' {
			return r
		}
		return '_'
	}, key)
	sum := sha256.Sum256([]byte(key))
	return begin[:min(len(begin), readable)] + "-" + hex.EncodeToString(sum[:8])
}

type fileLock struct {
	key      string
	lock     *lockfile.Lock
	unlocked atomic.Bool
}

// Lost returns nil: nothing can take the lock away.
func (*fileLock) Lost() <-chan struct{} { return nil }

// Unlock never waits. A second call is an error and changes nothing.
func (l *fileLock) Unlock(context.Context) error {
	if l.unlocked.Swap(true) {
		return fmt.Errorf("lock %q %w", l.key, errUnlocked)
	}
	l.lock.Release()
	return nil
}
