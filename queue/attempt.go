package queue

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/workerfx/workerfx"
)

// attempt is one attempt of a job.
type attempt struct {
	*queueRun

	handler *handler
	row     *rivertype.JobRow
	info    JobInfo
}

// work calls the handler, in a transaction if the handler takes one. It does not use River's goroutine, as a
// handler may end its goroutine (runtime.Goexit).
func (a *attempt) work(ctx context.Context) (err error) {
	handle := func(ctx context.Context, tx any) error {
		run := func(ctx context.Context) error { return a.handler.handle(ctx, tx, a.info) }
		for _, wrap := range slices.Backward(a.handler.middleware) {
			run = wrap(run)
		}
		return run(ctx)
	}
	if a.handler.txType == nil {
		return a.goroutines.call(func() error { return handle(ctx, nil) })
	}
	err = a.goroutines.call(func() error {
		return a.app.db.Work(ctx, a.handler.txType, a.row, func(tx any) error {
			return handle(context.WithValue(ctx, currentKey{}, &current{info: &a.info, tx: tx}), tx)
		})
	})
	if errors.Is(err, sql.ErrTxDone) && ctx.Err() != nil { // database/sql ended the transaction with its context
		err = fmt.Errorf("%w: %w", ctx.Err(), err)
	}
	return err
}

// classify returns how an attempt ended whose handler returned err.
func (a *attempt) classify(ctx context.Context, err error) outcome {
	if err == nil {
		return succeeded
	}
	if errors.Is(context.Cause(ctx), ErrCancelled) {
		return discarded // River cancels the job, whatever the error is
	}
	if isA[*rescheduleError](err) || isA[*rivertype.JobSnoozeError](err) {
		return rescheduled
	}
	if isA[*discardError](err) || isA[*rivertype.JobCancelError](err) {
		return discarded
	}
	if a.session.IsOver() {
		return interrupted // the end is not written, whatever the error is
	}
	if errors.Is(ctx.Err(), context.Canceled) && (errors.Is(err, context.Canceled) || errors.Is(err, context.Cause(ctx))) {
		return interrupted
	}
	if a.info.Attempt >= a.info.MaxAttempts {
		return exhausted
	}
	return failed
}

// isA tells whether an error of this type is in err. River's own errors are for those who come from River.
func isA[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// riverError returns the error that tells River how the attempt ended.
func (a *attempt) riverError(ctx context.Context, err error, how outcome) error {
	switch how {
	case succeeded:
		return nil
	case rescheduled:
		if reschedule, ok := errors.AsType[*rescheduleError](err); ok {
			return river.JobSnooze(reschedule.wait())
		}
		return err
	case discarded:
		if errors.Is(context.Cause(ctx), ErrCancelled) {
			err = ErrCancelled
		}
		return river.JobCancel(textOf(err))
	case interrupted:
		return context.Canceled // River lets it run again, and does not count the attempt
	default:
	}
	if panicked, ok := errors.AsType[*workerfx.PanicError](err); ok {
		a.stacks.Keep(a.info.ID, storable(string(panicked.Stack)))
	}
	return textOf(err)
}

// textOf returns an error with the text of err and nothing else. River would look into it: while it stops, it lets a job
// run again whose error has context.Canceled in it, also if the job was given up.
func textOf(err error) error { return errors.New(storable(err.Error())) }
