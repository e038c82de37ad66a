package workerfx

import (
	"context"
	"errors"

	"github.com/rs/zerolog"
)

// JobContext and CountJob are for bodies that bring a job engine of their own, such as a queue in a database. [Loop],
// [FromChannel] and [Batch] need neither.

// JobContext returns ctx for one job of the run that it belongs to: [CtxExecutionID] and [CtxAttempt], the
// logger ([CtxLogger]) and spans that are started with it are the job's. Attempts count from 1. It ends with
// ctx. Outside of a run it is ctx.
func JobContext(ctx context.Context, id string, attempt int) context.Context {
	run := runOf(ctx)
	if run == nil {
		return ctx
	}
	job := &jobContext{Context: ctx, id: id, attempt: attempt}
	job.logger = run.replica.pool.logger.With().Str(fieldWorker, run.replica.name).Str(fieldExecutionID, id).Int(fieldAttempt, attempt).Logger()
	return job
}

// CountJob counts a job of the run that ctx belongs to, in the report and in worker_jobs_total: as failed if err
// is not nil. It counts as neither if err wraps [ErrSkip], or is that of ctx, which has ended. It is a
// [Heartbeat], too. It may be called from many goroutines; outside of a run it has no effect.
func CountJob(ctx context.Context, err error) {
	run := runOf(ctx)
	if run == nil {
		return
	}
	Heartbeat(ctx)
	run.replica.pool.mu.Lock()
	counts := run.replica.jobCounts()
	run.replica.pool.mu.Unlock()
	switch over := ctx.Err(); {
	case err == nil, err == ErrDoNotRestart: //nolint:errorlint // alone it says that all is well
		counts.succeeded.Add(1)
	case errors.Is(err, ErrSkip), over != nil && (errors.Is(err, over) || errors.Is(err, context.Cause(ctx))):
	default:
		counts.failed.Add(1)
	}
}

// jobContext is the context of a job that is not the pool's.
type jobContext struct {
	context.Context

	id      string
	attempt int
	logger  zerolog.Logger
}

type jobKey struct{}

func (j *jobContext) Value(key any) any {
	switch key {
	case jobKey{}:
		return j
	case loggerKey:
		return &j.logger
	}
	return j.Context.Value(key)
}

// jobOf returns the job that ctx belongs to, or nil.
func jobOf(ctx context.Context) *jobContext {
	job, _ := ctx.Value(jobKey{}).(*jobContext)
	return job
}
