package middleware

import (
	"context"
	"errors"
)

// ErrLockLost is the cause of a call's context ([context.Cause]) after the lock of [Singleton] was lost.
var ErrLockLost = errors.New("lock was lost")

// Locker has a lock for each key. The goroutines of one process share it ([NewLocalLocker]), or many processes with
// one database. It is called from many goroutines at once.
type Locker interface {
	// Lock waits until the lock of the key is free, and takes it. It returns an error if it cannot, and soon after
	// the end of ctx: then nothing is locked. A lock has one holder at a time, also within one process: a locker
	// whose locks belong to connections needs a connection for each.
	Lock(ctx context.Context, key string) (Lock, error)
}

// Lock is a lock that was taken.
type Lock interface {
	// Lost returns a channel that is closed when the lock is lost, such as with its connection or its lease. It is
	// always the same channel. It is nil if the lock cannot be lost.
	Lost() <-chan struct{}
	// Unlock gives the lock back and frees its resources. It is called once, also for a lost lock. It returns soon
	// after the end of ctx.
	Unlock(ctx context.Context) error
}
