package middleware

import (
	"context"
	"time"

	"github.com/workerfx/workerfx"
)

// Pause waits d after each call that returns, and then hands on what it returned: the pause between the
// jobs of a loop. The wait ends at once when ctx does. With d = 0 there is none; the worker is refused if d
// is negative.
func Pause(d time.Duration) workerfx.Middleware {
	return orRefuse(checkNotNegative("Pause", "duration", d), func(next workerfx.RunFunc) workerfx.RunFunc {
		return func(ctx context.Context) error {
			err := next(ctx)
			workerfx.Wait(ctx, d)
			return err
		}
	})
}
