package middleware

import (
	"context"
	"errors"

	"github.com/workerfx/workerfx"
)

// verdict says how a call ended. The zero value is for a call that did not return.
type verdict uint8

const (
	failed verdict = iota
	succeeded
	neither
)

// judge implements the table in the package documentation. It calls the methods of err, which may panic: callers
// use deferred functions.
func judge(ctx context.Context, err error) verdict {
	switch {
	case err == nil, err == workerfx.ErrDoNotRestart: //nolint:errorlint // only the bare sentinel says that nothing went wrong
		return succeeded
	case errors.Is(err, workerfx.ErrSkip), errors.Is(err, workerfx.ErrStopping):
		return neither
	case errors.Is(ctx.Err(), context.Canceled) && isOf(ctx, err) && !errors.Is(context.Cause(ctx), workerfx.ErrStuck):
		return neither
	}
	return failed
}

// isOf tells whether err is, or wraps, the error or the cause of ctx, which has ended.
func isOf(ctx context.Context, err error) bool {
	ended := ctx.Err()
	return ended != nil && (errors.Is(err, ended) || errors.Is(err, context.Cause(ctx)))
}

// isForPool tells whether err is a message to the pool, which no middleware may ignore. ErrStopping is one also
// while ctx lives: a loop of jobs ends with it when its worker is paused or scaled down.
func isForPool(err error) bool {
	return errors.Is(err, workerfx.ErrDoNotRestart) || errors.Is(err, workerfx.ErrSkip) || errors.Is(err, workerfx.ErrStopping)
}
