package middleware

import (
	"context"
	"fmt"
	"time"

	"github.com/workerfx/workerfx"
)

// Timeout ends the context of each call d after the call began, with [context.DeadlineExceeded] and a cause
// ([context.Cause]) that names the timeout. A call that then returns the bare DeadlineExceeded returns the
// cause instead, which wraps it: so a report says what was too slow. The worker is refused if d is not
// positive.
//
// Timeout waits for the call: one that ignores its context takes as long as it takes.
func Timeout(d time.Duration) workerfx.Middleware {
	return orRefuse(checkPositive("Timeout", "duration", d), func(next workerfx.RunFunc) workerfx.RunFunc {
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

// timeoutError is the cause of a call's context once its time was up. It is a pointer so that each call
// has one of its own, which an inner Timeout of the same length cannot be taken for.
type timeoutError struct{ after time.Duration }

func (e *timeoutError) Error() string { return fmt.Sprintf("timeout of %v passed", e.after) }
func (*timeoutError) Unwrap() error   { return context.DeadlineExceeded }
