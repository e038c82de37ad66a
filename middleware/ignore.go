package middleware

import (
	"context"
	"errors"
	"slices"

	"github.com/workerfx/workerfx"
)

// IgnoreErrors logs errors as warnings and returns nil: errors that are one of errs, by [errors.Is], or all errors
// if errs is empty. A nil in errs is an error when the worker is added.
//
// It never ignores [workerfx.ErrDoNotRestart], [workerfx.ErrSkip], [workerfx.ErrStopping], and the error or the
// cause of ctx after it has ended. So a worker that obeyed a stop is reported as stopped. A panic passes through.
//
// A loop calls a job that fails at once again at once: put [Pause] around it.
func IgnoreErrors(errs ...error) workerfx.Middleware {
	errs = slices.Clone(errs)
	return ifValid(checkErrors(errs), func(next workerfx.RunFunc) workerfx.RunFunc {
		return func(ctx context.Context) error {
			err := next(ctx)
			if err == nil || isForPool(err) || isOf(ctx, err) || !isOneOf(err, errs) {
				return err
			}
			workerfx.CtxLogger(ctx).Warn().Err(err).Msg("error ignored")
			return nil
		}
	})
}

func checkErrors(errs []error) error {
	for i, err := range errs {
		if err == nil {
			return badValue("IgnoreErrors", "error", i+1, mustNotBeNil)
		}
	}
	return nil
}

func isOneOf(err error, errs []error) bool {
	return len(errs) == 0 || slices.ContainsFunc(errs, func(ignored error) bool { return errors.Is(err, ignored) })
}
