package queue

import (
	"context"
	"errors"

	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/workerfx/workerfx"
)

// errJob counts a failed job. It does not wrap the handler's error, which could wrap an error that is no failure.
var errJob = errors.New("job failed")

// report logs and counts the attempt, and calls the hooks.
func (a *attempt) report(ctx context.Context, log *zerolog.Logger, err error, how outcome) {
	level, message := logLine(how)
	event := log.WithLevel(level).AnErr(zerolog.ErrorFieldName, err)
	if panicked, ok := errors.AsType[*workerfx.PanicError](err); ok {
		event = event.Bytes("stack", panicked.Stack)
	}
	event.Msg(message)
	switch how {
	case interrupted:
	case succeeded, rescheduled:
		workerfx.CountJob(a.ctx, nil)
	default:
		workerfx.CountJob(a.ctx, errJob)
	}
	if how == exhausted || how == discarded {
		given := a.info
		given.State = StateDiscarded
		if how == discarded {
			given.State = StateCancelled
		}
		a.app.hooks.discarded(ctx, log, &given, err)
	}
}

// logLine is the level and the message of the line about an attempt.
func logLine(how outcome) (level zerolog.Level, message string) {
	switch how {
	case interrupted:
		return zerolog.DebugLevel, "job interrupted, it will run again"
	case failed:
		return zerolog.WarnLevel, "job failed, it will run again"
	case exhausted, discarded:
		return zerolog.ErrorLevel, "job discarded"
	case rescheduled:
		return zerolog.DebugLevel, "job rescheduled"
	default:
		return zerolog.DebugLevel, "job succeeded"
	}
}

// startSpan starts the job's span, with a link to the span that enqueued it.
func (a *attempt) startSpan(ctx context.Context) (context.Context, trace.Span) {
	opts := []trace.SpanStartOption{
		trace.WithSpanKind(trace.SpanKindConsumer),
		trace.WithAttributes(
			attribute.Int64("job.id", a.info.ID), attribute.String("job.kind", a.info.Kind),
			attribute.String("job.queue", a.info.Queue), attribute.Int("job.attempt", a.info.Attempt)),
	}
	if enqueuedBy := traceLinkOf(a.row.Metadata); enqueuedBy.IsValid() {
		opts = append(opts, trace.WithLinks(trace.Link{SpanContext: enqueuedBy}))
	}
	return workerfx.CtxTracer(ctx).Start(ctx, "job "+a.info.Kind, opts...)
}

// endSpan ends the job's span.
func (*attempt) endSpan(span trace.Span, err error, how outcome) {
	span.SetAttributes(attribute.String("job.outcome", how.String()))
	if how.isFailure() {
		span.RecordError(err)
		span.SetStatus(codes.Error, err.Error())
	}
	span.End()
}
