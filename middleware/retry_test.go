package middleware_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/middleware"
)

// seconds waits as many seconds as there were failures.
type seconds struct{}

func (seconds) Duration(failures int) time.Duration { return time.Duration(failures) * time.Second }

func TestRetryCallsAgainUntilItMayNot(t *testing.T) {
	gaveUp, skipped := fmt.Errorf("%w: %w", workerfx.ErrDoNotRestart, errBoom), fmt.Errorf("%w: %w", workerfx.ErrSkip, errBoom)
	last := fmt.Errorf("again: %w", errBoom)
	tests := map[string]struct {
		attempts int
		errs     []error // what the calls return; all of them are made
		took     time.Duration
	}{
		"success at once":           {3, []error{nil}, 0},
		"success after failures":    {3, []error{errBoom, errBoom, nil}, 3 * time.Second},
		"the last error":            {3, []error{errBoom, errBoom, last}, 3 * time.Second},
		"one attempt":               {1, []error{errBoom}, 0},
		"not after ErrDoNotRestart": {3, []error{errBoom, gaveUp}, time.Second},
		"not after ErrSkip":         {3, []error{skipped}, 0},
		"not after ErrStopping":     {3, []error{workerfx.ErrStopping}, 0},
		"after another's deadline":  {3, []error{context.DeadlineExceeded, nil}, time.Second},
	}
	for name, test := range tests {
		bubble(name, t, func(t *testing.T) {
			var counter middleware.Counter
			began := time.Now()
			run := middleware.Retry(test.attempts, seconds{})(counter.Middleware()(returning(test.errs...)))
			assert.Equal(t, test.errs[len(test.errs)-1], run(t.Context()))
			assert.EqualValues(t, len(test.errs), counter.Started())
			assert.Equal(t, test.took, time.Since(began))
		})
	}
}

func TestRetryIsOneAttemptOfItsWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var counter middleware.Counter
		pool := newPool(t)
		start(t, pool, "w", fails, workerfx.WithMaxAttempts(2),
			workerfx.WithMiddleware(middleware.Retry(3, seconds{}), counter.Middleware()))
		time.Sleep(time.Hour)
		e := report(t, pool, "w")
		assert.EqualValues(t, 6, counter.Failed())
		assert.EqualValues(t, 2, e.Failures)
		assert.ErrorIs(t, e.Err, errBoom)
	})
}

func TestRetryStopsWaitingWhenItsContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var counter middleware.Counter
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond) // in the second wait
		defer cancel()
		began := time.Now()
		err := middleware.Retry(9, seconds{})(counter.Middleware()(fails))(ctx)
		assert.Equal(t, errBoom, err)
		assert.Equal(t, 1500*time.Millisecond, time.Since(began))
		assert.EqualValues(t, 2, counter.Started())
	})
}

func TestRetryDoesNotCallAgainInAContextThatHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var counter middleware.Counter
		pool := newPool(t)
		start(t, pool, "w", obeys, workerfx.WithMiddleware(middleware.Retry(9, seconds{}), counter.Middleware()))
		synctest.Wait()
		require.NoError(t, pool.Stop(t.Context()))
		assert.Equal(t, workerfx.StatusStopped, report(t, pool, "w").Status)
		assert.EqualValues(t, 1, counter.Started())
	})
}

func TestRetryLetsPanicsPass(t *testing.T) {
	var counter middleware.Counter
	end := call(t.Context(), middleware.Retry(3, seconds{})(counter.Middleware()(panics)))
	assert.Equal(t, ending{panicked: errBoom}, end)
	assert.EqualValues(t, 1, counter.Started())
}

func TestRetryLogsTheErrorsItDoesNotReturn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log log
		_ = middleware.Retry(3, seconds{})(fails)(log.context(t.Context()))
		records := log.records(t, "call failed, it is tried again")
		require.Len(t, records, 2)
		assert.Equal(t, "warn", records[1]["level"])
		assert.Equal(t, "boom", records[1]["error"])
		assert.EqualValues(t, 2, records[1]["try"])
		assert.Equal(t, "2s", records[1]["retryIn"], "as in the lines of the pool")
	})
}

func TestRetryReplacesANegativeBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log log
		began := time.Now()
		_ = middleware.Retry(3, negative{})(fails)(log.context(t.Context()))
		assert.Equal(t, 3*time.Second, time.Since(began), "that of ExponentialBackoff{}")
		assert.Len(t, log.records(t, "backoff is negative, the default one stands in for it"), 2)
	})
}

type negative struct{}

func (negative) Duration(int) time.Duration { return -1 }
