package middleware

import (
	"context"
	"fmt"

	"golang.org/x/time/rate"

	"github.com/workerfx/workerfx"
)

// RateLimit waits before each call until limiter lets it begin. Several workers, or all replicas of a worker, may share a
// limiter. The limit of a limiter may be changed at any time. The wait ends with ctx. During the wait the run is on
// standby ([workerfx.Standby]). It is a part of the run, also for [workerfx.WithRunTimeout]: if the timeout is sure to pass
// first, the call fails at once. A limiter that lets nothing pass, as its burst is 0, is an error of the call. A nil limiter is
// an error when the worker is added.
func RateLimit(limiter *rate.Limiter) workerfx.Middleware {
	return orRefuse(checkNotNil("RateLimit", "limiter", limiter), func(next workerfx.RunFunc) workerfx.RunFunc {
		return func(ctx context.Context) error {
			if err := await(ctx, limiter); err != nil {
				return err
			}
			return next(ctx)
		}
	})
}

// await waits until the limiter lets a call begin.
func await(ctx context.Context, limiter *rate.Limiter) error {
	if limiter.Burst() < 1 && limiter.Limit() != rate.Inf {
		return badValue("RateLimit", "burst", limiter.Burst(), "must be at least 1, or nothing can pass")
	}
	resume := workerfx.Standby(ctx)
	defer resume()
	err := limiter.Wait(ctx)
	if ended := ctx.Err(); err != nil && ended != nil {
		return ended
	}
	if err != nil {
		return fmt.Errorf("rate limit: %w", err)
	}
	return nil
}
