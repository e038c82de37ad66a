package middleware_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/middleware"
)

// tracedPool is a silent pool whose spans are recorded.
func tracedPool(t *testing.T) (*workerfx.Pool, *tracetest.SpanRecorder) {
	t.Helper()
	spans := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
	t.Cleanup(func() { _ = provider.Shutdown(context.Background()) })
	return newPool(t, workerfx.WithTracerProvider(provider)), spans
}

// traced runs a worker "mailer" with these options of Trace once, and returns its span and its report.
func traced(t *testing.T, run workerfx.RunFunc, opts ...middleware.TraceOption) (sdktrace.ReadOnlySpan, workerfx.Execution) {
	t.Helper()
	pool, spans := tracedPool(t)
	start(t, pool, "mailer", run, workerfx.WithMiddleware(middleware.Trace(opts...)))
	synctest.Wait()
	require.NoError(t, pool.Stop(t.Context()))
	require.Len(t, spans.Ended(), 1)
	return spans.Ended()[0], report(t, pool, "mailer")
}

func TestTraceSaysHowACallEnded(t *testing.T) {
	tests := map[string]struct {
		run    workerfx.RunFunc
		status sdktrace.Status
		event  string // the exception's message
	}{
		"nil":             {succeeds, sdktrace.Status{}, ""},
		"an error":        {fails, sdktrace.Status{Code: codes.Error, Description: "boom"}, "boom"},
		"a panic":         {panics, sdktrace.Status{Code: codes.Error, Description: "panic or runtime.Goexit"}, "boom"},
		"Goexit":          {goexits, sdktrace.Status{Code: codes.Error, Description: "panic or runtime.Goexit"}, ""},
		"obeying":         {obeys, sdktrace.Status{}, ""},
		"ErrDoNotRestart": {returning(workerfx.ErrDoNotRestart), sdktrace.Status{}, ""},
		"ErrSkip":         {returning(workerfx.ErrSkip), sdktrace.Status{}, ""},
	}
	for name, test := range tests {
		bubble(name, t, func(t *testing.T) {
			span, e := traced(t, test.run)
			assert.Equal(t, "mailer", span.Name())
			assert.Equal(t, test.status, span.Status())
			assert.Contains(t, span.Attributes(), attribute.String("Worker", "mailer"))
			assert.Contains(t, span.Attributes(), attribute.String("WorkerExecutionID", e.ID))
			if test.event == "" {
				assert.Empty(t, span.Events())
				return
			}
			require.Len(t, span.Events(), 1)
			assert.Contains(t, span.Events()[0].Attributes, attribute.String("exception.message", test.event))
		})
	}
}

func TestTraceKeepsThePanicAndItsStack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, e := traced(t, panics)
		caught, ok := errors.AsType[*workerfx.PanicError](e.Err)
		require.True(t, ok)
		assert.Equal(t, errBoom, caught.Value)
		assert.Contains(t, string(caught.Stack), "middleware_test.panics", "where it began")
	})
}

func TestTraceNamesSpans(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		span, _ := traced(t, succeeds, middleware.WithSpanName("send mail"))
		assert.Equal(t, "send mail", span.Name())
	})
	assert.NoError(t, middleware.Trace()(succeeds)(t.Context()), "outside of a run")
}

func TestTraceGivesTheSpanToTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen trace.SpanContext
		span, _ := traced(t, func(ctx context.Context) error {
			seen = trace.SpanContextFromContext(ctx)
			return nil
		})
		assert.True(t, seen.IsValid())
		assert.True(t, span.SpanContext().Equal(seen))
	})
}

func TestTraceLinksARemoteSpanAndIsTheChildOfALocalOne(t *testing.T) {
	from := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled})
	with := func(from func(context.Context) context.Context) workerfx.Middleware {
		return func(next workerfx.RunFunc) workerfx.RunFunc {
			return func(ctx context.Context) error { return next(from(ctx)) }
		}
	}
	tests := map[string]struct {
		from   func(context.Context) context.Context
		parent bool
		links  int
	}{
		"remote": {func(ctx context.Context) context.Context { return trace.ContextWithRemoteSpanContext(ctx, from) }, false, 1},
		"local":  {func(ctx context.Context) context.Context { return trace.ContextWithSpanContext(ctx, from) }, true, 0},
		"none":   {func(ctx context.Context) context.Context { return ctx }, false, 0},
	}
	for name, test := range tests {
		bubble(name, t, func(t *testing.T) {
			pool, spans := tracedPool(t)
			start(t, pool, "mailer", succeeds, workerfx.WithMiddleware(with(test.from), middleware.Trace()))
			synctest.Wait()
			require.Len(t, spans.Ended(), 1)
			span := spans.Ended()[0]
			assert.Equal(t, test.parent, span.Parent().IsValid())
			assert.Equal(t, test.parent, span.SpanContext().TraceID() == from.TraceID(), "the same trace")
			require.Len(t, span.Links(), test.links)
			for _, link := range span.Links() {
				assert.Equal(t, from.SpanID(), link.SpanContext.SpanID())
			}
		})
	}
}
