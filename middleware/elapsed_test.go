package middleware_test

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/middleware"
)

func TestElapsedMeasuresCallsHoweverTheyEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var elapsed middleware.Elapsed
		mw := elapsed.Middleware()
		assert.Zero(t, elapsed.Average(), "before the first call has ended")

		for i, end := range []func(){func() {}, func() { panic(errBoom) }, runtime.Goexit} {
			took := time.Duration(i+1) * time.Second
			call(t.Context(), mw(func(context.Context) error {
				assert.EqualValues(t, i, elapsed.Count(), "a call counts once it has ended")
				time.Sleep(took)
				end()
				return errBoom
			}))
			assert.Equal(t, took, elapsed.Last())
		}
		assert.EqualValues(t, 3, elapsed.Count())
		assert.Equal(t, 6*time.Second, elapsed.Total())
		assert.Equal(t, 2*time.Second, elapsed.Average())
	})
}

func TestElapsedMeasuresRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var elapsed middleware.Elapsed
		pool := newPool(t)
		start(t, pool, "w", func(context.Context) error {
			time.Sleep(time.Minute)
			return errBoom
		}, workerfx.WithMiddleware(elapsed.Middleware()), workerfx.WithMaxAttempts(2))
		time.Sleep(time.Hour)
		assert.EqualValues(t, 2, elapsed.Count())
		assert.Equal(t, 2*time.Minute, elapsed.Total())
	})
}

func TestElapsedAverageIsNeverTorn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var elapsed middleware.Elapsed
		run := elapsed.Middleware()(func(context.Context) error {
			time.Sleep(time.Second)
			return nil
		})
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				for range 20 {
					_ = run(t.Context())
					assert.Equal(t, time.Second, elapsed.Average())
				}
			})
		}
		all.Wait()
		assert.EqualValues(t, 160, elapsed.Count())
		assert.Equal(t, 160*time.Second, elapsed.Total())
	})
}
