package middleware

import (
	"fmt"
	"reflect"
	"time"

	"github.com/workerfx/workerfx"
)

// orRefuse returns mw or, if there is an err, a middleware that panics with it once it is put around a
// worker. A Middleware has no other way to refuse, and Add turns the panic into an error that names the worker.
func orRefuse(err error, mw workerfx.Middleware) workerfx.Middleware {
	if err == nil {
		return mw
	}
	return func(workerfx.RunFunc) workerfx.RunFunc { panic(err) }
}

// badValue is the one form of every complaint: of which middleware, which field, which value, why.
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

// checkNotNil refuses nil, and an interface around a nil pointer, map or the like.
func checkNotNil(middleware, field string, v any) error {
	r := reflect.ValueOf(v)
	switch r.Kind() {
	case reflect.Invalid:
		return badValue(middleware, field, nil, mustNotBeNil)
	case reflect.Pointer, reflect.Func, reflect.Map, reflect.Slice, reflect.Chan:
		if r.IsNil() {
			return badValue(middleware, field, fmt.Sprintf("(%T)(nil)", v), mustNotBeNil)
		}
	}
	return nil
}
