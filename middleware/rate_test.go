package middleware_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/middleware"
)

func TestRateLimitOfJobsAndRuns(t *testing.T) {
	for name, worker := range map[string]func(job workerfx.RunFunc, limit workerfx.Middleware) workerfx.Worker{
		"jobs": func(job workerfx.RunFunc, limit workerfx.Middleware) workerfx.Worker {
			return workerfx.NewWorker("w", workerfx.Loop(limit(job)), workerfx.WithReplicas(3))
		},
		"runs": func(job workerfx.RunFunc, limit workerfx.Middleware) workerfx.Worker {
			return workerfx.NewWorker("w", job, workerfx.WithInterval(time.Millisecond), workerfx.WithMiddleware(limit), workerfx.WithReplicas(3))
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begun := make(chan time.Time, 1000)
				start := time.Now()
				pool, err := workerfx.NewPool()
				require.NoError(t, err)
				require.NoError(t, pool.Add(worker(func(context.Context) error {
					begun <- time.Now()
					return nil
				}, middleware.RateLimit(rate.NewLimiter(10, 5)))))
				require.NoError(t, pool.Start(t.Context()))
				time.Sleep(10*time.Second + time.Millisecond/2)
				require.NoError(t, pool.Stop(t.Context()))
				close(begun)
				n := 0
				for at := range begun {
					n++
					require.LessOrEqual(t, float64(n), 5+10*at.Sub(start).Seconds()+1e-6)
				}
				require.InDelta(t, 105, n, 1)
			})
		})
	}
}

func TestTheWaitOfARateLimitEndsWithItsContextAndIsNoMissedHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limiter := rate.NewLimiter(rate.Every(time.Hour), 1)
		pool, err := workerfx.NewPool()
		require.NoError(t, err)
		require.NoError(t, pool.Add(workerfx.NewWorker("w", workerfx.Loop(middleware.RateLimit(limiter)(func(context.Context) error { return nil })),
			workerfx.WithHeartbeat(time.Second))))
		require.NoError(t, pool.Start(t.Context()))
		time.Sleep(30 * time.Minute)
		require.NoError(t, pool.Health())
		start := time.Now()
		require.NoError(t, pool.Stop(t.Context()))
		require.Zero(t, time.Since(start))
		e, err := pool.Execution("w")
		require.NoError(t, err)
		require.Equal(t, workerfx.StatusStopped, e.Status)
		require.EqualValues(t, 1, e.Jobs)
	})
}

func TestRateLimitsThatLetNothingPassAreErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool, err := workerfx.NewPool()
		require.NoError(t, err)
		next := func(context.Context) error { return nil }
		err = pool.Add(workerfx.NewWorker("w", next), workerfx.WithMiddleware(middleware.RateLimit(nil)))
		require.ErrorContains(t, err, "middleware.RateLimit: limiter (*rate.Limiter)(nil): must not be nil")
		require.EqualError(t, middleware.RateLimit(rate.NewLimiter(1, 0))(next)(t.Context()),
			"middleware.RateLimit: burst 0: must be at least 1, or nothing can pass")
		short, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		limited := middleware.RateLimit(rate.NewLimiter(rate.Every(time.Hour), 1))(next)
		require.NoError(t, limited(short))
		require.ErrorContains(t, limited(short), "rate limit: ")
	})
}

func TestAChangedRateLimitIsForCallsThatWaitToo(t *testing.T) {
	for name, limiter := range map[string]*rate.Limiter{"slow": rate.NewLimiter(rate.Every(24*time.Hour), 1), "none": rate.NewLimiter(0, 1)} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				call := middleware.RateLimit(limiter)(func(context.Context) error { return nil })
				require.NoError(t, call(t.Context()))
				begun := time.Now()
				time.AfterFunc(10*time.Second, func() { limiter.SetLimit(rate.Inf) })
				require.NoError(t, call(t.Context()))
				require.WithinRange(t, time.Now(), begun.Add(10*time.Second), begun.Add(11*time.Second))
			})
		})
	}
}
