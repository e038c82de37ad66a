package middleware

import (
	"context"
	"fmt"
	"time"

	"github.com/workerfx/workerfx"
)

// Timeout ends the context of each call after d, with [context.DeadlineExceeded] and a cause ([context.Cause]) that
// names the timeout. If the call then returns the bare DeadlineExceeded, Timeout returns the cause, which wraps it.
// So a report says what was too slow. d must be positive, else it is an error when the worker is added.
//
// Timeout waits for the call, also if the call ignores its context.
func Timeout(d time.Duration) workerfx.Middleware {
	return ifValid(checkPositive("Timeout", "duration", d), func(next workerfx.RunFunc) workerfx.RunFunc {
		return func(ctx context.Context) error {
			passed := &timeoutError{after: d}
			limited, cancel := context.WithTimeoutCause(ctx, d, passed)
			defer cancel()
			err := next(limited)
			if err == context.DeadlineExceeded && context.Cause(limited) == passed { //nolint:errorlint // both bare: not wrapped, nor that of another timeout
				return passed
			}
			return err
		}
	})
}

// timeoutError is the cause of the end of a call's context. It is a pointer, so that it differs from that of an
// inner Timeout of the same length.
type timeoutError struct{ after time.Duration }

func (e *timeoutError) Error() string { return fmt.Sprintf("timeout of %v passed", e.after) }
func (*timeoutError) Unwrap() error   { return context.DeadlineExceeded }
