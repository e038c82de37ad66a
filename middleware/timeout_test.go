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

func TestTimeoutEndsTheContextOfEachCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run := middleware.Timeout(time.Second)(func(ctx context.Context) error {
			began := time.Now()
			<-ctx.Done()
			assert.Equal(t, time.Second, time.Since(began))
			assert.Equal(t, context.DeadlineExceeded, ctx.Err())
			assert.ErrorIs(t, context.Cause(ctx), context.DeadlineExceeded)
			assert.EqualError(t, context.Cause(ctx), "timeout of 1s passed")
			return fmt.Errorf("query: %w", ctx.Err())
		})
		for range 2 {
			assert.EqualError(t, run(t.Context()), "query: context deadline exceeded")
		}
	})
}

func TestTimeoutNamesItselfWhereTheCallDoesNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := newPool(t)
		start(t, pool, "w", obeys, workerfx.WithMiddleware(middleware.Timeout(time.Second)))
		time.Sleep(time.Minute)
		e := report(t, pool, "w")
		assert.Equal(t, workerfx.StatusError, e.Status, "nobody asked it to stop")
		require.ErrorIs(t, e.Err, context.DeadlineExceeded)
		assert.EqualError(t, e.Err, "timeout of 1s passed")
	})
}

func TestTimeoutDoesNotAnswerForOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run := middleware.Timeout(time.Minute)(obeys)

		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		assert.Equal(t, context.DeadlineExceeded, run(short), "the context had less time left")

		assert.EqualError(t, middleware.Timeout(time.Second)(run)(t.Context()), "timeout of 1s passed", "the shorter of two")
		assert.EqualError(t, middleware.Timeout(time.Hour)(run)(t.Context()), "timeout of 1m0s passed", "the shorter of two")
	})
}

func TestTimeoutLeavesAStoppedWorkerStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := newPool(t)
		start(t, pool, "w", obeys, workerfx.WithMiddleware(middleware.Timeout(time.Minute)))
		synctest.Wait()
		require.NoError(t, pool.Stop(t.Context()))
		assert.Equal(t, workerfx.StatusStopped, report(t, pool, "w").Status)
	})
}
