package workerfx

import (
	"context"
	"errors"
	"fmt"
	"reflect"
)

// Loop returns a body that calls job again and again until the worker stops. A stop also ends the context of the current
// job. An error or a panic of a job ends the run as a failed attempt. When the worker is paused or scaled down, the body
// ends after the current job. Each call is counted as a job. A nil job is an error when the worker is added.
func Loop(job RunFunc) RunFunc {
	if job == nil {
		return badBody(errors.New("Loop: job is nil"))
	}
	return func(ctx context.Context) error {
		l := newJobLoop(ctx)
		defer l.end()
		l.began(1) // one job is open at any time: also the one that ends the run is counted
		for !l.over() {
			if err := job(ctx); err != nil {
				return l.failed(err)
			}
			l.counts.succeeded.Add(1)
			l.beat()
		}
		l.began(0)
		return l.endError()
	}
}

// badBody returns a body that was built from bad input. Add finds the error. If the body was wrapped in another function,
// its first run returns the error.
//
//go:noinline
func badBody(err error) RunFunc {
	return func(context.Context) error { return fmt.Errorf("%w: %w", ErrDoNotRestart, err) }
}

var badBodyCode = reflect.ValueOf(badBody(nil)).Pointer()

// buildError returns the error of a body that was built from bad input, or nil.
func buildError(run RunFunc) error {
	if reflect.ValueOf(run).Pointer() != badBodyCode {
		return nil
	}
	joined, ok := run(context.Background()).(interface{ Unwrap() []error })
	if !ok {
		return nil
	}
	return joined.Unwrap()[1]
}
