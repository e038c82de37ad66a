package middleware_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/middleware"
)

func TestPauseWaitsAfterEachCall(t *testing.T) {
	for name, err := range map[string]error{"nil": nil, "an error": errBoom} {
		bubble(name, t, func(t *testing.T) {
			began := time.Now()
			var called time.Duration
			got := middleware.Pause(time.Minute)(func(context.Context) error {
				called = time.Since(began)
				return err
			})(t.Context())
			assert.Equal(t, err, got)
			assert.Zero(t, called)
			assert.Equal(t, time.Minute, time.Since(began))
		})
	}
}

func TestPauseIsTheTimeBetweenTheJobsOfALoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var counter middleware.Counter
		pool := newPool(t)
		start(t, pool, "w", workerfx.Loop(middleware.Pause(time.Minute)(counter.Middleware()(succeeds))))
		time.Sleep(150 * time.Second)
		synctest.Wait()
		assert.EqualValues(t, 3, counter.Succeeded())
		require.NoError(t, pool.Stop(t.Context()))
		assert.Equal(t, workerfx.StatusStopped, report(t, pool, "w").Status)
	})
}

func TestPauseEndsWithTheWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := newPool(t)
		start(t, pool, "w", succeeds, workerfx.WithMiddleware(middleware.Pause(time.Hour)))
		synctest.Wait()
		began := time.Now()
		require.NoError(t, pool.Stop(t.Context()))
		assert.Zero(t, time.Since(began))
		assert.Equal(t, workerfx.StatusSuccess, report(t, pool, "w").Status)
	})
}
