package middleware

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/workerfx/workerfx"
)

const (
	// unlockTimeout is the longest time that Unlock may delay a stop.
	unlockTimeout = 5 * time.Second
	// afterLoss is the wait before the next try after a loss, so that a locker whose locks are lost at once does
	// not make a busy loop.
	afterLoss = 100 * time.Millisecond
)

// Singleton runs next only while it holds the worker's lock. So one of all workers that share locker does the work,
// and the others wait to take over. The key of the lock is the worker's name ([workerfx.CtxWorkerName]). Replicas
// share it, and so do workers of the same name in other pools and processes. Outside of a run the key is "".
// Singleton is for workers that run until they are stopped. A worker that returns gives the lock to the next one:
// so each tick of a schedule is run by all of them, one after the other.
//
//	wait for the lock --> next --+-- returns --> give the lock back, return what next did
//	        ^                    |
//	        +----- 100ms --------+-- the lock is lost, next returns an error
//
// When the lock is lost, the context of next ends with the cause [ErrLockLost]. If next then returns an error, it
// is logged as a warning, unless it wraps [workerfx.ErrDoNotRestart], [workerfx.ErrSkip] or [workerfx.ErrStopping].
// nil is a success. Until next notices, another holder may work beside it. A child that next adds
// ([workerfx.AddChild]) belongs to the run and not to the lock: next should remove it before it returns.
//
// If ctx ends before next runs, Singleton returns ctx.Err(). If locker fails, it returns an error that wraps that
// of locker. The lock is given back also when next panics or ctx has ended, within 5s if the lock obeys its
// context. An error of Unlock is logged. The wait is a part of the run, also for [workerfx.WithRunTimeout]. During
// the wait the run is on standby ([workerfx.Standby]). A nil locker is an error when the worker is added.
func Singleton(locker Locker) workerfx.Middleware {
	return ifValid(checkNotNil("Singleton", "locker", locker), func(next workerfx.RunFunc) workerfx.RunFunc {
		return func(ctx context.Context) error {
			key := workerfx.CtxWorkerName(ctx)
			for {
				lost, err := runLocked(ctx, locker, key, next)
				if !lost {
					return err
				}
				workerfx.CtxLogger(ctx).Warn().Err(err).Str("lock", key).Msg("lock was lost, waiting for it")
				workerfx.Wait(ctx, afterLoss)
			}
		}
	})
}

// runLocked calls next while it holds the lock. It tells whether the call failed because the lock was lost.
func runLocked(ctx context.Context, locker Locker, key string, next workerfx.RunFunc) (lost bool, err error) {
	lock, err := acquire(ctx, locker, key)
	if err != nil {
		return false, err
	}
	defer unlock(ctx, lock, key)
	if err := ctx.Err(); err != nil { // it ended as the lock was taken
		return false, err
	}
	held, end := context.WithCancelCause(ctx)
	defer end(nil)
	gone := lock.Lost()
	if gone != nil {
		go watch(held, gone, end)
	}
	err = next(held)
	select {
	case <-gone: // maybe next knew before watch did
		end(ErrLockLost)
	default:
	}
	lost = err != nil && !isForPool(err) && errors.Is(context.Cause(held), ErrLockLost)
	return lost, err
}

func acquire(ctx context.Context, locker Locker, key string) (Lock, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	resume := workerfx.Standby(ctx)
	defer resume()
	lock, err := locker.Lock(ctx, key)
	if ended := ctx.Err(); err != nil && ended != nil {
		return nil, ended // whatever error locker returned: it was asked to stop
	}
	if err != nil {
		return nil, fmt.Errorf("lock %q: %w", key, err)
	}
	return lock, nil
}

// watch ends held when the lock is lost.
func watch(held context.Context, gone <-chan struct{}, end context.CancelCauseFunc) {
	select {
	case <-gone:
		end(ErrLockLost)
	case <-held.Done():
	}
}

// unlock gives the lock back, with a context that lives also when ctx has ended.
func unlock(ctx context.Context, lock Lock, key string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), unlockTimeout)
	defer cancel()
	if err := lock.Unlock(ctx); err != nil {
		workerfx.CtxLogger(ctx).Warn().Err(err).Str("lock", key).Msg("lock could not be given back")
	}
}
