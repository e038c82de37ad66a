package workerfx

import (
	"context"
	"errors"
	"fmt"
	"reflect"
)

// Loop returns a body that calls job again and again until the worker is to stop; that ends the context
// of the job it is at, too. An error or a panic of a job ends the run, as a failed attempt; the next attempt goes on with the next job. Each job is
// counted. Scaled down or paused, the body ends after the job it is at. A nil job is an error of
// whatever the body is added to.
func Loop(job RunFunc) RunFunc {
	if job == nil {
		return badBody(errors.New("Loop: job is nil"))
	}
	return func(ctx context.Context) error {
		l := newJobLoop(ctx)
		defer l.end()
		l.began(1) // one at a time: what ends the run is the end of one, too
		for !l.over() {
			if err := job(ctx); err != nil {
				return l.failed(err)
			}
			l.counts.succeeded.Add(1)
			l.beat()
		}
		l.began(0)
		return l.why()
	}
}

// badBody is a body that was built from bad input, which it could not return when it was built. Add
// finds the error; a body that somebody wrapped returns it from its first run.
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
