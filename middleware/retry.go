package middleware

import (
	"context"
	"time"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/internal/idle"
	"github.com/workerfx/workerfx/internal/safecall"
)

// Retry calls next until it returns nil, at most attempts times. It waits backoff.Duration(n) after the n-th
// failure. It returns the error of the last call, and logs earlier errors as warnings.
//
// It does not call again after an error that wraps [workerfx.ErrDoNotRestart], [workerfx.ErrSkip] or
// [workerfx.ErrStopping], after a panic, and after the end of ctx, which also ends a wait. It then returns the
// error of the last call. No heartbeat is expected during a wait. A wait goes on while the worker stops, as long as ctx
// lives, so that what can still succeed does.
//
// For the pool all this is one attempt. It is an error when the worker is added if attempts is below 1, if backoff
// is nil, or if its method Validate() error returns one. A negative duration is logged, and the zero
// [workerfx.ExponentialBackoff] is used instead.
func Retry(attempts int, backoff workerfx.Backoff) workerfx.Middleware {
	return ifValid(checkRetry(attempts, backoff), func(next workerfx.RunFunc) workerfx.RunFunc {
		return func(ctx context.Context) error {
			for n := 1; ; n++ {
				err := next(ctx)
				if err == nil || n >= attempts || isForPool(err) || ctx.Err() != nil {
					return err
				}
				wait := backoffAfter(ctx, backoff, n)
				workerfx.CtxLogger(ctx).Warn().Err(err).Int("try", n).Int("tries", attempts).
					Stringer("retryIn", wait).Msg("call failed, it is tried again")
				_, resume := idle.Begin(ctx)
				workerfx.Wait(ctx, wait)
				resume()
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
	if err := safecall.Validate(backoff); err != nil {
		return badValue("Retry", "backoff", backoff, err.Error())
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
