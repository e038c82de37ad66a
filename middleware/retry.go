package middleware

import (
	"context"
	"time"

	"github.com/workerfx/workerfx"
)

// Retry calls next up to attempts times until it returns nil, and waits backoff.Duration(n) after the n-th
// failure. It returns the last call's error as it is, and logs those before it as warnings.
//
// It does not call again after an error that wraps [workerfx.ErrDoNotRestart], [workerfx.ErrSkip] or
// [workerfx.ErrStopping], after a panic, or once ctx has ended, which also ends a wait. It then returns the
// error of the last call: a worker that is stopped while it waits ends with the failure it was to make good.
//
// For the pool all this is one attempt. The worker is refused if attempts is below 1 or backoff is nil, or
// if backoff has a method Validate() error that returns one. A negative duration is an error in the log,
// and the zero [workerfx.ExponentialBackoff] stands in for it.
func Retry(attempts int, backoff workerfx.Backoff) workerfx.Middleware {
	return orRefuse(checkRetry(attempts, backoff), func(next workerfx.RunFunc) workerfx.RunFunc {
		return func(ctx context.Context) error {
			for n := 1; ; n++ {
				err := next(ctx)
				if err == nil || n >= attempts || isForPool(err) || ctx.Err() != nil {
					return err
				}
				wait := backoffAfter(ctx, backoff, n)
				workerfx.CtxLogger(ctx).Warn().Err(err).Int("try", n).Int("tries", attempts).
					Dur("retryIn", wait).Msg("call failed, it is tried again")
				workerfx.Wait(ctx, wait)
				if ctx.Err() != nil {
					return err
				}
			}
		}
	})
}

func checkRetry(attempts int, backoff workerfx.Backoff) error {
	if attempts < 1 {
		return badValue("Retry", "attempts", attempts, "must be at least 1")
	}
	if err := checkNotNil("Retry", "backoff", backoff); err != nil {
		return err
	}
	if b, ok := backoff.(interface{ Validate() error }); ok {
		if err := b.Validate(); err != nil {
			return badValue("Retry", "backoff", backoff, err.Error())
		}
	}
	return nil
}

func backoffAfter(ctx context.Context, backoff workerfx.Backoff, failures int) time.Duration {
	wait := backoff.Duration(failures)
	if wait >= 0 {
		return wait
	}
	workerfx.CtxLogger(ctx).Error().Stringer("backoff", wait).Msg("backoff is negative, the default one stands in for it")
	return workerfx.ExponentialBackoff{}.Duration(failures)
}
