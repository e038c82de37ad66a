package middleware

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/workerfx/workerfx"
)

const (
	// unlockTimeout bounds how long giving back a lock may hold up a worker that stops.
	unlockTimeout = 5 * time.Second
	// afterLoss is the wait before a lock that was lost is asked for again. A locker whose locks are lost as
	// soon as they are taken must not spin a core.
	afterLoss = 100 * time.Millisecond
)

// Singleton runs next only while it holds the worker's lock, so that of all who share locker one does the
// work and the others wait to take over. The lock's key is the worker's name ([workerfx.CtxWorkerName]):
// replicas share it, and so do workers of one name in several pools; outside of a run it is "". It is
// meant for workers that run until they are stopped: one that returns makes room for the next holder, so
// each tick of a schedule is run by all of them, one after the other.
//
//	wait for the lock --> next --+-- returns --> give the lock back, return what next did
//	        ^                    |
//	        +----- 100ms --------+-- the lock is lost, next returns an error
//
// When the lock is lost, the context of next ends with the cause [ErrLockLost]. An error that next then
// returns is taken for a consequence and logged as a warning, unless it wraps [workerfx.ErrDoNotRestart],
// [workerfx.ErrSkip] or [workerfx.ErrStopping]; nil is a success as ever. Until next has noticed, another
// holder may work beside it: what must never happen twice needs a check of its own. A child that next adds
// ([workerfx.AddChild]) belongs to the run and not to the lock: next should remove it before it returns.
//
// If ctx ends before next runs, Singleton returns ctx.Err(); if locker fails, an error that wraps locker's.
// The lock is given back also when next panics or ctx has ended, within 5s if the lock obeys its context; if
// that fails it is logged. The time spent waiting is part of the run, also for [workerfx.WithRunTimeout]; while
// it waits the run is on standby ([workerfx.Standby]).
// The worker is refused if locker is nil.
func Singleton(locker Locker) workerfx.Middleware {
	return orRefuse(checkNotNil("Singleton", "locker", locker), func(next workerfx.RunFunc) workerfx.RunFunc {
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
		return nil, ended // whatever locker makes of it: to obey is no failure
	}
	if err != nil {
		return nil, fmt.Errorf("lock %q: %w", key, err)
	}
	return lock, nil
}

// watch ends held when the lock is gone.
func watch(held context.Context, gone <-chan struct{}, end context.CancelCauseFunc) {
	select {
	case <-gone:
		end(ErrLockLost)
	case <-held.Done():
	}
}

// unlock gives the lock back in a context that lives, also when ctx does not.
func unlock(ctx context.Context, lock Lock, key string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), unlockTimeout)
	defer cancel()
	if err := lock.Unlock(ctx); err != nil {
		workerfx.CtxLogger(ctx).Warn().Err(err).Str("lock", key).Msg("lock could not be given back")
	}
}
