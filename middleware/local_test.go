package middleware_test

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx/middleware"
)

func TestLocalLockIsHeldByOneAtATime(t *testing.T) {
	locker := middleware.NewLocalLocker()
	var a, b int // each guarded by the lock of its name: the race detector watches
	var all sync.WaitGroup
	for key, count := range map[string]*int{"a": &a, "b": &b} {
		for range 4 {
			all.Go(func() {
				for range 200 {
					lock, err := locker.Lock(t.Context(), key)
					if !assert.NoError(t, err) {
						return
					}
					*count++
					assert.NoError(t, lock.Unlock(t.Context()))
				}
			})
		}
	}
	all.Wait()
	assert.Equal(t, 800, a)
	assert.Equal(t, 800, b)
}

func TestLocalLockWaitsUntilItsContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		locker := middleware.NewLocalLocker()
		lock, err := locker.Lock(t.Context(), "a")
		require.NoError(t, err)

		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began := time.Now()
		_, err = locker.Lock(ctx, "a")
		assert.Equal(t, context.DeadlineExceeded, err)
		assert.Equal(t, time.Minute, time.Since(began))

		require.NoError(t, lock.Unlock(t.Context()))
		_, err = locker.Lock(ctx, "a")
		assert.Equal(t, context.DeadlineExceeded, err, "a free lock is not taken with a dead context")
		_, err = locker.Lock(t.Context(), "a")
		assert.NoError(t, err, "who gave up waiting holds nothing")
	})
}

func TestLocalLockIsGivenBackOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		locker := middleware.NewLocalLocker()
		first, err := locker.Lock(t.Context(), "a")
		require.NoError(t, err)
		require.NoError(t, first.Unlock(t.Context()))
		second, err := locker.Lock(t.Context(), "a")
		require.NoError(t, err)

		assert.EqualError(t, first.Unlock(t.Context()), `lock "a" is already unlocked`)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = locker.Lock(ctx, "a")
		assert.Equal(t, context.DeadlineExceeded, err, "the second is still held")
		assert.NoError(t, second.Unlock(t.Context()))
		assert.Nil(t, second.Lost(), "it cannot be lost")
	})
}

func TestLocalLockWaitsWithoutAGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		locker := middleware.NewLocalLocker()
		lock, err := locker.Lock(t.Context(), "a")
		require.NoError(t, err)
		before := runtime.NumGoroutine()
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() {
				lock, err := locker.Lock(t.Context(), "a")
				assert.NoError(t, err)
				assert.NoError(t, lock.Unlock(t.Context()))
			})
		}
		synctest.Wait()
		runtime.GC() // while it collects, those that ended may be counted
		assert.LessOrEqual(t, runtime.NumGoroutine(), before+100, "only those who wait")
		require.NoError(t, lock.Unlock(t.Context()))
		all.Wait()
	})
}
