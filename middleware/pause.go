package middleware

import (
	"context"
	"time"

	"github.com/workerfx/workerfx"
)

// Pause waits for d after each call that returns, and then returns its error. It is the pause between the jobs of a
// loop. The wait ends when ctx ends. With d = 0 it does not wait. A negative d is an error when the worker is
// added.
func Pause(d time.Duration) workerfx.Middleware {
	return orRefuse(checkNotNegative("Pause", "duration", d), func(next workerfx.RunFunc) workerfx.RunFunc {
		return func(ctx context.Context) error {
			err := next(ctx)
			workerfx.Wait(ctx, d)
			return err
		}
	})
}
