package workerfx

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"weak"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/workerfx/workerfx/internal/nilcheck"
)

const tracerName = "worker"

// The attributes of spans that start within a run.
const (
	attributeWorker      = attribute.Key("Worker")
	attributeExecutionID = attribute.Key("WorkerExecutionID")
)

// AnnotateTracerProvider adds the attributes "Worker" and "WorkerExecutionID" to all spans that base starts within
// a run. It adds an [Annotator] to an SDK provider, once, and returns that provider. It wraps any other provider. A
// nil base is the global provider. It may be called again, and from many goroutines.
func AnnotateTracerProvider(base trace.TracerProvider) trace.TracerProvider {
	if nilcheck.IsNil(base) {
		base = otel.GetTracerProvider()
	}
	switch p := base.(type) {
	case *annotatedProvider:
		return p
	case *sdktrace.TracerProvider:
		annotateSDK(p)
		return p
	}
	return &annotatedProvider{TracerProvider: base}
}

// annotated has a weak pointer to each SDK provider that has an Annotator.
var annotated sync.Map

func annotateSDK(p *sdktrace.TracerProvider) {
	key := weak.Make(p)
	if _, done := annotated.LoadOrStore(key, struct{}{}); done {
		return
	}
	p.RegisterSpanProcessor(&Annotator{})
	runtime.AddCleanup(p, func(key weak.Pointer[sdktrace.TracerProvider]) { annotated.Delete(key) }, key)
}

// Annotator is a span processor that adds the worker's name and the execution ID to spans that start within a run.
// It has no state. [AnnotateTracerProvider] registers it.
type Annotator struct{}

// OnStart sets the attributes if parent belongs to a run.
func (*Annotator) OnStart(parent context.Context, span sdktrace.ReadWriteSpan) {
	if attributes := attributesOf(parent); attributes != nil {
		span.SetAttributes(attributes...)
	}
}

// OnEnd does nothing.
func (*Annotator) OnEnd(sdktrace.ReadOnlySpan) {}

// Shutdown does nothing.
func (*Annotator) Shutdown(context.Context) error { return nil }

// ForceFlush does nothing.
func (*Annotator) ForceFlush(context.Context) error { return nil }

// attributesOf returns the attributes of a span that starts with ctx, or nil outside of a run. They must not be changed.
func attributesOf(ctx context.Context) []attribute.KeyValue {
	run := runOf(ctx)
	if run == nil {
		return nil
	}
	if job := jobOf(ctx); job != nil {
		attributes := spanAttributes(run.replica.name, job.id)
		return attributes[:]
	}
	return run.ownTelemetry().attributes[:]
}

func spanAttributes(worker, executionID string) [2]attribute.KeyValue {
	return [2]attribute.KeyValue{attributeWorker.String(worker), attributeExecutionID.String(executionID)}
}

// annotatedProvider does for any provider what Annotator does for an SDK provider.
type annotatedProvider struct{ trace.TracerProvider }

func (p *annotatedProvider) Tracer(name string, opts ...trace.TracerOption) trace.Tracer {
	return &annotatedTracer{Tracer: p.TracerProvider.Tracer(name, opts...)}
}

type annotatedTracer struct{ trace.Tracer }

func (t *annotatedTracer) Start(ctx context.Context, name string, opts ...trace.SpanStartOption) (context.Context, trace.Span) {
	if ctx != nil {
		if attributes := attributesOf(ctx); attributes != nil {
			opts = append(slices.Clip(opts), trace.WithAttributes(attributes...))
		}
	}
	return t.Tracer.Start(ctx, name, opts...)
}
