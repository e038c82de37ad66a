package middleware_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/middleware"
)

// shakyLocker hands out locks that can be lost, and remembers what was done with them.
type shakyLocker struct {
	middleware.Locker // who holds which lock

	mu      sync.Mutex // guards all below
	keys    []string   // of the locks that were taken
	last    *shakyLock
	unlocks int
	// Called by Unlock of the locks; nil means that Unlock succeeds.
	onUnlock func(ctx context.Context) error
}

func newShakyLocker() *shakyLocker { return &shakyLocker{Locker: middleware.NewLocalLocker()} }

func (l *shakyLocker) Lock(ctx context.Context, key string) (middleware.Lock, error) {
	lock, err := l.Locker.Lock(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("shaky: %v", err) //nolint:errorlint // a driver that hides why it gave up
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.keys = append(l.keys, key)
	l.last = &shakyLock{Lock: lock, locker: l, lost: make(chan struct{})}
	return l.last, nil
}

// lose ends the lock that was taken last.
func (l *shakyLocker) lose() {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.last.lost)
}

func (l *shakyLocker) counts() (locks, unlocks int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.keys), l.unlocks
}

type shakyLock struct {
	middleware.Lock

	locker *shakyLocker
	lost   chan struct{}
}

func (l *shakyLock) Lost() <-chan struct{} { return l.lost }

func (l *shakyLock) Unlock(ctx context.Context) error {
	l.locker.mu.Lock()
	l.locker.unlocks++
	l.locker.mu.Unlock()
	err := l.Lock.Unlock(ctx)
	if l.locker.onUnlock != nil {
		err = l.locker.onUnlock(ctx)
	}
	return err
}

// lockerFunc is a Locker that is a function.
type lockerFunc func(ctx context.Context, key string) (middleware.Lock, error)

func (f lockerFunc) Lock(ctx context.Context, key string) (middleware.Lock, error) {
	return f(ctx, key)
}

func TestSingletonRunsOnceAndTheNextTakesOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var counter middleware.Counter
		locker := middleware.NewLocalLocker()
		pools := make([]*workerfx.Pool, 3) // as in three processes
		for i := range pools {
			pools[i] = newPool(t)
			start(t, pools[i], "w", obeys, workerfx.WithMiddleware(middleware.Singleton(locker), counter.Middleware()))
			synctest.Wait() // so that they ask for the lock in this order
		}
		for i, pool := range pools {
			synctest.Wait()
			assert.EqualValues(t, 1, counter.Running())
			assert.EqualValues(t, i+1, counter.Started())
			require.NoError(t, pool.Stop(t.Context()))
			assert.Equal(t, workerfx.StatusStopped, report(t, pool, "w").Status)
		}
		assert.Zero(t, counter.Running())
	})
}

func TestSingletonLocksByTheWorkersName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		locker := newShakyLocker()
		pool := newPool(t, workerfx.WithPoolMiddleware(middleware.Singleton(locker)))
		require.NoError(t, pool.Add(workerfx.NewWorker("a", obeys)))
		require.NoError(t, pool.Add(workerfx.NewWorker("b", obeys)))
		require.NoError(t, pool.Start(t.Context()))
		synctest.Wait()
		assert.ElementsMatch(t, []string{"a", "b"}, locker.keys, "they do not wait for each other")
		require.NoError(t, pool.Stop(t.Context()))
	})
}

func TestSingletonLetsOneReplicaWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var counter middleware.Counter
		locker := newShakyLocker()
		pool := newPool(t)
		job := middleware.Pause(time.Second)(counter.Middleware()(succeeds))
		start(t, pool, "w", workerfx.Loop(job), workerfx.WithReplicas(3), workerfx.WithMiddleware(middleware.Singleton(locker)))
		time.Sleep(10 * time.Second)
		synctest.Wait()
		assert.EqualValues(t, 11, counter.Started(), "as many as one replica makes")
		locks, _ := locker.counts()
		assert.Equal(t, 1, locks)

		require.NoError(t, pool.Scale("w", 0))
		time.Sleep(10 * time.Second)
		synctest.Wait()
		assert.EqualValues(t, 11, counter.Started())
		require.NoError(t, pool.Stop(t.Context()))
		locks, unlocks := locker.counts()
		assert.Equal(t, locks, unlocks)
	})
}

func TestSingletonContendsAgainWhenItsLockIsLost(t *testing.T) {
	for name, end := range map[string]func(ctx context.Context) error{
		"ctx.Err()":        func(ctx context.Context) error { return ctx.Err() },
		"the cause":        context.Cause,
		"a wrapped one":    func(ctx context.Context) error { return fmt.Errorf("query: %w", ctx.Err()) },
		"what a driver is": func(context.Context) error { return errors.New("conn closed") },
	} {
		bubble(name, t, func(t *testing.T) {
			locker := newShakyLocker()
			pool := newPool(t)
			runs := 0
			start(t, pool, "w", func(ctx context.Context) error {
				if runs++; runs == 2 {
					return nil
				}
				<-ctx.Done()
				assert.Equal(t, middleware.ErrLockLost, context.Cause(ctx))
				return end(ctx)
			}, workerfx.WithMiddleware(middleware.Singleton(locker)))
			synctest.Wait()
			locker.lose()
			time.Sleep(time.Second)

			e := report(t, pool, "w")
			assert.Equal(t, workerfx.StatusSuccess, e.Status)
			assert.EqualValues(t, 1, e.Runs, "the run goes on")
			assert.Equal(t, 2, runs)
			locks, unlocks := locker.counts()
			assert.Equal(t, 2, locks)
			assert.Equal(t, 2, unlocks, "a lost lock is given back too")
		})
	}
}

func TestSingletonHandsOnWhatWasDecidedWithALostLock(t *testing.T) {
	for name, want := range map[string]error{
		"nil":             nil,
		"ErrDoNotRestart": workerfx.ErrDoNotRestart,
		"a reason":        fmt.Errorf("%w: %w", workerfx.ErrDoNotRestart, errBoom),
		"ErrSkip":         workerfx.ErrSkip,
	} {
		bubble(name, t, func(t *testing.T) {
			locker := newShakyLocker()
			err := middleware.Singleton(locker)(func(context.Context) error {
				locker.lose()
				return want
			})(t.Context())
			assert.Equal(t, want, err)
		})
	}
}

func TestSingletonNoticesALossBeforeItsWatchDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for range 100 {
			locker := newShakyLocker()
			runs := 0
			assert.NoError(t, middleware.Singleton(locker)(func(context.Context) error {
				if runs++; runs == 2 {
					return nil
				}
				locker.lose()
				return errBoom // the job used the connection that is gone
			})(t.Context()))
			assert.Equal(t, 2, runs)
		}
	})
}

func TestSingletonDoesNotSpinWhenLocksAreLostAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		locker := newShakyLocker()
		ctx, cancel := context.WithTimeout(t.Context(), 950*time.Millisecond)
		defer cancel()
		err := middleware.Singleton(lockerFunc(func(ctx context.Context, key string) (middleware.Lock, error) {
			lock, err := locker.Lock(ctx, key)
			if err == nil {
				locker.lose()
			}
			return lock, err
		}))(obeys)(ctx)
		assert.Equal(t, context.DeadlineExceeded, err)
		locks, unlocks := locker.counts()
		assert.Equal(t, 10, locks)
		assert.Equal(t, 10, unlocks)
	})
}

func TestSingletonStoppedAfterALossIsStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		locker := newShakyLocker()
		pool := newPool(t)
		start(t, pool, "w", func(ctx context.Context) error {
			<-ctx.Done()
			time.Sleep(time.Second) // in which the pool stops
			return context.Cause(ctx)
		}, workerfx.WithMiddleware(middleware.Singleton(locker)))
		synctest.Wait()
		locker.lose()
		synctest.Wait()
		require.NoError(t, pool.Stop(t.Context()))
		assert.Equal(t, workerfx.StatusStopped, report(t, pool, "w").Status)
	})
}

func TestSingletonStopsWaitingWithTheWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		locker := newShakyLocker()
		held, err := locker.Lock(t.Context(), "w")
		require.NoError(t, err)
		var counter middleware.Counter
		pool := newPool(t)
		start(t, pool, "w", obeys, workerfx.WithMiddleware(middleware.Singleton(locker), counter.Middleware()))
		synctest.Wait()
		require.NoError(t, pool.Stop(t.Context()))
		assert.Equal(t, workerfx.StatusStopped, report(t, pool, "w").Status, "whatever the locker says")
		assert.Zero(t, counter.Started())
		require.NoError(t, held.Unlock(t.Context()))
	})
}

func TestSingletonDoesNotRunInAContextThatEndedAsTheLockWasTaken(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	locker := newShakyLocker()
	var counter middleware.Counter
	err := middleware.Singleton(lockerFunc(func(ctx context.Context, key string) (middleware.Lock, error) {
		defer cancel()
		return locker.Lock(ctx, key)
	}))(counter.Middleware()(succeeds))(ctx)
	assert.Equal(t, context.Canceled, err)
	assert.Zero(t, counter.Started())
	_, unlocks := locker.counts()
	assert.Equal(t, 1, unlocks)
}

func TestSingletonFailsWithItsLocker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, locker := range map[string]lockerFunc{
			"error": func(context.Context, string) (middleware.Lock, error) { return nil, errBoom },
			"panic": func(context.Context, string) (middleware.Lock, error) { panic(errBoom) },
		} {
			pool := newPool(t)
			start(t, pool, "w", succeeds, workerfx.WithMiddleware(middleware.Singleton(locker)))
			e := report(t, pool, "w")
			assert.Equal(t, workerfx.StatusError, e.Status)
			assert.ErrorIs(t, e.Err, errBoom)
			assert.EqualValues(t, 1, e.Failures)
			if name == "error" {
				assert.EqualError(t, e.Err, `lock "w": boom`)
			}
		}
	})
}

func TestSingletonGivesTheLockBackHoweverTheCallEnds(t *testing.T) {
	for name, run := range map[string]workerfx.RunFunc{"nil": succeeds, "error": fails, "panic": panics, "Goexit": goexits} {
		bubble(name, t, func(t *testing.T) {
			locker := newShakyLocker()
			call(t.Context(), middleware.Singleton(locker)(run))
			locks, unlocks := locker.counts()
			assert.Equal(t, 1, locks)
			assert.Equal(t, 1, unlocks)
		})
	}
}

func TestSingletonGivesTheLockBackInAContextThatLives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log log
		locker := newShakyLocker()
		locker.onUnlock = func(ctx context.Context) error {
			assert.NoError(t, ctx.Err())
			<-ctx.Done() // the database does not answer
			return errBoom
		}
		ctx, cancel := context.WithCancel(log.context(t.Context()))
		cancelled := time.AfterFunc(time.Second, cancel)
		defer cancelled.Stop()
		began := time.Now()
		assert.Equal(t, context.Canceled, middleware.Singleton(locker)(obeys)(ctx))
		assert.Equal(t, 6*time.Second, time.Since(began))

		records := log.records(t, "lock could not be given back")
		require.Len(t, records, 1)
		assert.Equal(t, "boom", records[0]["error"])
	})
}

func TestSingletonEndsTheCallsContextBeforeItGivesTheLockBack(t *testing.T) {
	locker := newShakyLocker()
	var inner context.Context
	locker.onUnlock = func(context.Context) error {
		assert.Error(t, inner.Err())
		return nil
	}
	assert.NoError(t, middleware.Singleton(locker)(func(ctx context.Context) error {
		inner = ctx
		return nil
	})(t.Context()))
	assert.Error(t, inner.Err())
}
