package queue

import (
	"context"
	"encoding/json"
	"fmt"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// origin is what a job's metadata keep of where it was enqueued.
type origin struct {
	// Workerfx is a W3C trace context: traceparent and tracestate.
	Workerfx propagation.MapCarrier `json:"workerfx"`
}

var traceContext propagation.TraceContext

// metadataOf returns a job's metadata: the span of ctx, if there is one.
func metadataOf(ctx context.Context) ([]byte, error) {
	if !trace.SpanContextFromContext(ctx).IsValid() {
		return nil, nil
	}
	o := origin{Workerfx: propagation.MapCarrier{}}
	traceContext.Inject(ctx, o.Workerfx)
	metadata, err := json.Marshal(o)
	if err != nil {
		return nil, fmt.Errorf("encode the trace context: %w", err)
	}
	return metadata, nil
}

// originOf returns the span that enqueued a job, or an invalid one.
func originOf(metadata []byte) trace.SpanContext {
	var o origin
	if json.Unmarshal(metadata, &o) != nil || len(o.Workerfx) == 0 {
		return trace.SpanContext{}
	}
	return trace.SpanContextFromContext(traceContext.Extract(context.Background(), o.Workerfx))
}
