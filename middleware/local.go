package middleware

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
)

// NewLocalLocker returns a [Locker] for the goroutines of this process. Its locks cannot be lost. The order in
// which callers get a lock is not defined. A caller that waits needs no extra goroutine. Keys that are not in use
// cost nothing.
func NewLocalLocker() Locker { return &localLocker{keys: make(map[string]*localKey)} }

type localLocker struct {
	mu   sync.Mutex // guards keys and the users of each
	keys map[string]*localKey
}

// localKey is a key that is locked or waited for.
type localKey struct {
	held  chan struct{} // has room for the one who holds it
	users int           // holders and callers that wait
}

func (l *localLocker) Lock(ctx context.Context, name string) (Lock, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	key := l.enter(name)
	select {
	case key.held <- struct{}{}:
		return &localLock{locker: l, name: name, key: key}, nil
	case <-ctx.Done():
		l.leave(name, key)
		return nil, ctx.Err()
	}
}

func (l *localLocker) enter(name string) *localKey {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := l.keys[name]
	if key == nil {
		key = &localKey{held: make(chan struct{}, 1)}
		l.keys[name] = key
	}
	key.users++
	return key
}

func (l *localLocker) leave(name string, key *localKey) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if key.users--; key.users == 0 {
		delete(l.keys, name)
	}
}

type localLock struct {
	locker   *localLocker
	name     string
	key      *localKey
	unlocked atomic.Bool
}

var errUnlocked = errors.New("is already unlocked")

// Lost returns nil: nothing can take the lock away.
func (*localLock) Lost() <-chan struct{} { return nil }

// Unlock never waits. A second call is an error and changes nothing.
func (l *localLock) Unlock(context.Context) error {
	if l.unlocked.Swap(true) {
		return fmt.Errorf("lock %q %w", l.name, errUnlocked)
	}
	<-l.key.held
	l.locker.leave(l.name, l.key)
	return nil
}
