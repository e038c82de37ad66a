package workerfx

import (
	"context"

	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/trace"
)

// CtxLogger returns the logger of the run that ctx belongs to, with the fields "worker" and
// "workerExecutionID". It is the same as [zerolog.Ctx], and never nil: outside of a run it is
// whatever logger ctx carries, else zerolog's disabled one.
func CtxLogger(ctx context.Context) *zerolog.Logger { return zerolog.Ctx(ctx) }

// CtxTracer returns the tracer of the run that ctx belongs to. Its spans carry the attributes "Worker"
// and "WorkerExecutionID". Outside of a run it is the global provider's tracer.
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

// CtxAttempt returns which attempt the run that ctx belongs to is, 1 for the first; 0 outside of a run.
func CtxAttempt(ctx context.Context) int {
	if job := jobOf(ctx); job != nil {
		return job.attempt
	}
	if run := runOf(ctx); run != nil {
		return run.attempt
	}
	return 0
}
