package middleware

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/time/rate"

	"github.com/workerfx/workerfx"
)

// RateLimit waits before each call until limiter lets it begin. Several workers, or all replicas of a worker, may share a
// limiter. The limit of a limiter may be changed at any time: a call that waits notices it within a second, and with a limit of
// 0 it waits until then. The wait ends with ctx. During the wait the run is on standby ([workerfx.Standby]). It is a part of
// the run, also for [workerfx.WithRunTimeout]: if the timeout is sure to pass first, the call fails at once. A limiter that
// lets nothing pass, as its burst is 0, is an error of the call. A nil limiter is an error when the worker is added.
func RateLimit(limiter *rate.Limiter) workerfx.Middleware {
	return ifValid(checkNotNil("RateLimit", "limiter", limiter), func(next workerfx.RunFunc) workerfx.RunFunc {
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
	for ctx.Err() == nil {
		limit := limiter.Limit()
		place := limiter.Reserve()
		if !place.OK() { // the burst was changed
			return badValue("RateLimit", "burst", limiter.Burst(), "must be at least 1, or nothing can pass")
		}
		wait := place.Delay()
		if end, bounded := ctx.Deadline(); bounded && limit > 0 && wait > time.Until(end) {
			place.Cancel()
			return fmt.Errorf("rate limit: a wait of %v would exceed the deadline of the context", wait)
		}
		if waitUnchanged(ctx, limiter, limit, wait) {
			return nil
		}
		place.Cancel()
	}
	return ctx.Err()
}

// waitUnchanged waits for d. It returns false at once when ctx ends, and within a second after the limit was changed.
func waitUnchanged(ctx context.Context, limiter *rate.Limiter, limit rate.Limit, d time.Duration) bool {
	const look = time.Second
	until := time.Now().Add(d)
	for left := d; left > 0; left = time.Until(until) {
		workerfx.Wait(ctx, min(left, look))
		if ctx.Err() != nil || left > look && limiter.Limit() != limit {
			return false
		}
	}
	return ctx.Err() == nil
}
