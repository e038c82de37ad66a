package middleware

import (
	"context"
	"time"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/internal/idle"
)

// Pause waits for d after each call that returns, and then returns its error. It is the pause between the jobs of a
// loop. The wait ends when ctx ends, and when the worker stops, is paused or is scaled down. No heartbeat is expected
// during the wait. With d = 0 it does not wait. A negative d is an error when the worker is added.
func Pause(d time.Duration) workerfx.Middleware {
	return ifValid(checkNotNegative("Pause", "duration", d), func(next workerfx.RunFunc) workerfx.RunFunc {
		return func(ctx context.Context) error {
			err := next(ctx)
			idle.Wait(ctx, d)
			return err
		}
	})
}
