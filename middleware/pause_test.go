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

func TestAWaitOfMiddlewareIsNoMissedHeartbeat(t *testing.T) {
	hourly := workerfx.StaticBackoff{Sleep: time.Hour}
	for name, job := range map[string]workerfx.RunFunc{
		"Pause": middleware.Pause(time.Hour)(succeeds),
		"Retry": middleware.Retry(9, hourly)(fails),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				pool := newPool(t)
				start(t, pool, "w", workerfx.Loop(job), workerfx.WithHeartbeat(time.Minute))
				time.Sleep(30 * time.Minute)
				require.False(t, report(t, pool, "w").Stuck)
			})
		})
	}
}

func TestAPauseEndsWhenTheWorkerStopsOrIsPaused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := newPool(t)
		items := make(chan int, 1)
		items <- 1
		pause := middleware.Pause(time.Hour)
		require.NoError(t, pool.Add(workerfx.NewWorker("loop", workerfx.Loop(pause(succeeds)))))
		start(t, pool, "channel", workerfx.FromChannel(items, func(ctx context.Context, _ int) error { return pause(succeeds)(ctx) }))
		synctest.Wait()
		require.NoError(t, pool.Pause("loop"))
		synctest.Wait()
		require.Equal(t, workerfx.StatusPaused, report(t, pool, "loop").Status)
		begun := time.Now()
		require.NoError(t, pool.Stop(t.Context()))
		require.Zero(t, time.Since(begun))
	})
}
