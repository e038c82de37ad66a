package middleware

import (
	"fmt"
	"time"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/internal/nilcheck"
	"github.com/workerfx/workerfx/internal/safecall"
)

// ifValid returns mw. If err is not nil, it returns middleware that panics with err when it is put around a worker, as
// middleware cannot return an error. Add turns the panic into an error that names the worker.
func ifValid(err error, mw workerfx.Middleware) workerfx.Middleware {
	if err == nil {
		return mw
	}
	return func(workerfx.RunFunc) workerfx.RunFunc { panic(safecall.BadArgument{Err: err}) }
}

// badValue returns an error about an argument. It names the middleware, the field, the value and the reason.
func badValue(middleware, field string, value any, why string) error {
	return fmt.Errorf("middleware.%s: %s %v: %s", middleware, field, value, why)
}

const (
	mustNotBeNil      = "must not be nil"
	mustNotBeNegative = "must not be negative"
	mustBePositive    = "must be positive"
)

func checkNotNegative(middleware, field string, d time.Duration) error {
	if d < 0 {
		return badValue(middleware, field, d, mustNotBeNegative)
	}
	return nil
}

func checkPositive(middleware, field string, d time.Duration) error {
	if d <= 0 {
		return badValue(middleware, field, d, mustBePositive)
	}
	return nil
}

// checkNotNil returns an error for nil, and for an interface around a nil pointer, map or the like.
func checkNotNil(middleware, field string, v any) error {
	switch {
	case v == nil:
		return badValue(middleware, field, nil, mustNotBeNil)
	case nilcheck.IsNil(v):
		return badValue(middleware, field, fmt.Sprintf("(%T)(nil)", v), mustNotBeNil)
	}
	return nil
}
