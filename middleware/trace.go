package middleware

import (
	"context"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/workerfx/workerfx"
)

// TraceOption changes what [Trace] does.
type TraceOption func(*tracing)

// WithSpanName names the spans. The default is the worker's name, or "worker" outside of a run. An empty name is an
// error when the worker is added.
func WithSpanName(name string) TraceOption {
	return func(t *tracing) { t.name = &name }
}

// Trace makes a span of each call, with the tracer of the run ([workerfx.CtxTracer]). The span is a child of the
// span in ctx. If that is a remote span, it is the root of a new trace with a link to the remote span, as
// background work outlives the request.
//
// The span of a failed call (see the package documentation) has the status error. The error is an event of the
// span. The OpenTelemetry SDK records a panic.
func Trace(opts ...TraceOption) workerfx.Middleware {
	t, err := newTracing(opts)
	return ifValid(err, func(next workerfx.RunFunc) workerfx.RunFunc {
		return func(ctx context.Context) error { return t.trace(ctx, next) }
	})
}

type tracing struct {
	name *string // nil: the worker's
}

func newTracing(opts []TraceOption) (*tracing, error) {
	t := new(tracing)
	for i, opt := range opts {
		if opt == nil {
			return nil, badValue("Trace", "option", i+1, mustNotBeNil)
		}
		opt(t)
	}
	if t.name != nil && *t.name == "" {
		return nil, badValue("Trace", "span name", `""`, "must not be empty")
	}
	return t, nil
}

func (t *tracing) trace(ctx context.Context, next workerfx.RunFunc) error {
	ctx, span := t.start(ctx)
	// End must be deferred itself: only then can it see a panic, record its value and let it go on.
	defer span.End()
	returned := false
	defer func() {
		if !returned {
			span.SetStatus(codes.Error, "panic or runtime.Goexit")
		}
	}()
	err := next(ctx)
	if judge(ctx, err) == failed {
		span.RecordError(err)
		span.SetStatus(codes.Error, err.Error())
	}
	returned = true
	return err
}

func (t *tracing) start(ctx context.Context) (context.Context, trace.Span) {
	tracer, name := workerfx.CtxTracer(ctx), t.nameIn(ctx)
	if from := trace.SpanContextFromContext(ctx); from.IsValid() && from.IsRemote() {
		return tracer.Start(ctx, name, trace.WithNewRoot(), trace.WithLinks(trace.Link{SpanContext: from}))
	}
	return tracer.Start(ctx, name)
}

func (t *tracing) nameIn(ctx context.Context) string {
	if t.name != nil {
		return *t.name
	}
	if name := workerfx.CtxWorkerName(ctx); name != "" {
		return name
	}
	return "worker"
}
