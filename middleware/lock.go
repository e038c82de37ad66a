package middleware

import (
	"context"
	"errors"
)

// ErrLockLost is the cause of a call's context ([context.Cause]) once the lock of [Singleton] was lost.
var ErrLockLost = errors.New("lock was lost")

// Locker hands out locks, each known by a key, to all who share it: the goroutines of one process
// ([NewLocalLocker]), or many processes that share a database. It is called from many goroutines at once.
type Locker interface {
	// Lock waits until the key's lock is free and takes it. It returns an error if it cannot, and soon
	// after ctx ended; nothing is locked then. One lock is never held twice, not even by callers in one
	// process: a locker whose locks belong to a connection uses a connection for each.
	Lock(ctx context.Context, key string) (Lock, error)
}

// Lock is a lock that is held.
type Lock interface {
	// Lost returns a channel that is closed when the lock is no longer held although nobody gave it back:
	// because its connection or its lease is gone, say. It is always the same one, and nil if that cannot happen.
	Lost() <-chan struct{}
	// Unlock gives the lock back and frees what belongs to it. It is called once, also for a lock that was
	// lost, and returns soon after ctx ended.
	Unlock(ctx context.Context) error
}
