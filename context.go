package workerfx

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/trace"
)

// CtxLogger returns the logger of the run that ctx belongs to, with the fields "worker" and "workerExecutionID". It
// is the logger of [zerolog.Ctx], and never nil. Outside of a run it is the logger that ctx carries, else zerolog's
// disabled logger.
func CtxLogger(ctx context.Context) *zerolog.Logger { return zerolog.Ctx(ctx) }

// CtxTracer returns the tracer of the run that ctx belongs to. Its spans have the attributes "Worker" and
// "WorkerExecutionID". Outside of a run it is a tracer of the global provider.
func CtxTracer(ctx context.Context) trace.Tracer {
	if run := runOf(ctx); run != nil {
		return run.replica.pool.tracer
	}
	return otel.Tracer(tracerName)
}

// CtxPool returns the pool of the run that ctx belongs to, or nil outside of a run.
func CtxPool(ctx context.Context) *Pool {
	if run := runOf(ctx); run != nil {
		return run.replica.pool
	}
	return nil
}

// CtxWorkerName returns the name of the worker that ctx belongs to, or "" outside of a run.
func CtxWorkerName(ctx context.Context) string {
	if run := runOf(ctx); run != nil {
		return run.replica.name
	}
	return ""
}

// CtxExecutionID returns the execution ID of the run that ctx belongs to, or "" outside of a run.
func CtxExecutionID(ctx context.Context) string {
	if job := jobOf(ctx); job != nil {
		return job.id
	}
	if run := runOf(ctx); run != nil {
		return run.id
	}
	return ""
}

// CtxAttempt returns the attempt of the run that ctx belongs to. The first run is 1. Outside of a run it returns 0.
func CtxAttempt(ctx context.Context) int {
	if job := jobOf(ctx); job != nil {
		return job.attempt
	}
	if run := runOf(ctx); run != nil {
		return run.attempt
	}
	return 0
}

// JobContext returns a context for one job of the run that ctx belongs to. It is for bodies with jobs of their own, such as
// those of a queue in a database; [Loop], [FromChannel] and [Batch] do not need it. [CtxExecutionID] and [CtxAttempt] return
// id and attempt then, and the logger ([CtxLogger]) and spans have them, too. Attempts count from 1. The context
// ends with ctx. Outside of a run JobContext returns ctx.
func JobContext(ctx context.Context, id string, attempt int) context.Context {
	if runOf(ctx) == nil {
		return ctx
	}
	return &jobContext{Context: ctx, id: id, attempt: attempt}
}

// CountJob counts a job of the run that ctx belongs to, in the report and in worker_jobs_total. The job failed if
// err is not nil. It is not counted if err wraps [ErrSkip], or if ctx has ended and err is its error. CountJob is
// also a [Heartbeat]. It may be called from many goroutines. Outside of a run it has no effect.
func CountJob(ctx context.Context, err error) {
	run := runOf(ctx)
	if run == nil {
		return
	}
	Heartbeat(ctx)
	run.replica.pool.mu.Lock()
	counts := jobCountsOf(run.replica)
	run.replica.pool.mu.Unlock()
	switch {
	case err == nil, err == ErrDoNotRestart: //nolint:errorlint // the bare sentinel means success
		counts.succeeded.Add(1)
	case errors.Is(err, ErrSkip), isEndOf(ctx, err): // it does not count
	default:
		counts.failed.Add(1)
	}
}

// isEndOf tells whether ctx has ended, and err is or wraps its error or its cause.
func isEndOf(ctx context.Context, err error) bool {
	ended := ctx.Err()
	return ended != nil && (errors.Is(err, ended) || errors.Is(err, context.Cause(ctx)))
}

// jobContext is the result of [JobContext].
type jobContext struct {
	context.Context

	id      string
	attempt int
	logger  atomic.Pointer[zerolog.Logger] // made when it is first needed
}

type jobKey struct{}

func (j *jobContext) Value(key any) any {
	switch key {
	case jobKey{}:
		return j
	case loggerKey:
		return j.ownLogger()
	}
	return j.Context.Value(key)
}

// ownLogger returns the job's logger, and makes it if need be.
func (j *jobContext) ownLogger() *zerolog.Logger {
	if logger := j.logger.Load(); logger != nil {
		return logger
	}
	logger := runOf(j.Context).replica.loggerOf(j.id).Int(fieldAttempt, j.attempt).Logger()
	j.logger.CompareAndSwap(nil, &logger)
	return j.logger.Load()
}

// jobOf returns the job that ctx belongs to, or nil.
func jobOf(ctx context.Context) *jobContext {
	job, _ := ctx.Value(jobKey{}).(*jobContext)
	return job
}
