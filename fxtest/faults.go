package fxtest

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/internal/safecall"
)

// Failing returns middleware with which the first n runs of a worker fail with err, without calling it. Later runs are
// those of the worker. It counts the runs of each worker for itself, and the runs of a worker's replicas together. A
// negative n and a nil err are errors when the worker is added.
//
//	workerfx.ProvideWorker(NewMailer, workerfx.WithMiddleware(fxtest.Failing(2, errors.New("server is down"))))
func Failing(n int, err error) workerfx.Middleware {
	if err == nil {
		return invalid(errors.New("fxtest.Failing: err is nil, want the error of the runs"))
	}
	return firstRuns("Failing", n, func() error { return err })
}

// Panicking returns middleware with which the first n runs of a worker panic with a value, without calling it. See
// [Failing] for the other runs, and for what is counted.
func Panicking(n int, value any) workerfx.Middleware {
	return firstRuns("Panicking", n, func() error { panic(value) })
}

// Stubborn returns middleware with which each run of a worker ignores the end of its context for d: the run ends d later
// than the worker itself. Runs that end before their context are not changed. Inside of a synctest bubble this takes no
// time. A negative d is an error when the worker is added.
func Stubborn(d time.Duration) workerfx.Middleware {
	if d < 0 {
		return invalid(fmt.Errorf("fxtest.Stubborn: d %v: must not be negative", d))
	}
	return func(next workerfx.RunFunc) workerfx.RunFunc {
		return func(ctx context.Context) error {
			err := next(ctx)
			if ctx.Err() != nil {
				time.Sleep(d)
			}
			return err
		}
	}
}

// firstRuns returns middleware that calls fault instead of the first n runs of each worker.
func firstRuns(name string, n int, fault func() error) workerfx.Middleware {
	if n < 0 {
		return invalid(fmt.Errorf("fxtest.%s: n %d: must not be negative", name, n))
	}
	return func(next workerfx.RunFunc) workerfx.RunFunc {
		var runs atomic.Int64
		return func(ctx context.Context) error {
			if runs.Add(1) <= int64(n) {
				return fault()
			}
			return next(ctx)
		}
	}
}

// invalid returns middleware that panics with err when it is put around a worker. The pool turns the panic into an error
// that names the worker.
func invalid(err error) workerfx.Middleware {
	return func(workerfx.RunFunc) workerfx.RunFunc { panic(safecall.BadArgument{Err: err}) }
}
