package middleware

import (
	"context"
	"errors"
	"slices"

	"github.com/workerfx/workerfx"
)

// IgnoreErrors turns errors into nil, each after logging it as a warning: those that are one of errs, by
// [errors.Is], or all errors if none is given. The worker is refused if one of errs is nil.
//
// It never ignores [workerfx.ErrDoNotRestart], [workerfx.ErrSkip] and [workerfx.ErrStopping], nor the error
// or the cause of ctx once that has ended, so that a worker that obeyed a stop is reported so. A panic is no
// error and passes.
//
// A job that fails at once, ignored within a loop, is called again at once: put [Pause] around it.
func IgnoreErrors(errs ...error) workerfx.Middleware {
	errs = slices.Clone(errs)
	return orRefuse(checkErrors(errs), func(next workerfx.RunFunc) workerfx.RunFunc {
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
