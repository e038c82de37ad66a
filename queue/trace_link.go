package queue

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// traceLink is the part of a job's metadata that names the span that enqueued it.
type traceLink struct {
	// Workerfx is a W3C trace context: traceparent and tracestate.
	Workerfx propagation.MapCarrier `json:"workerfx"`
}

var traceContext propagation.TraceContext

// metadataOf returns the metadata of a job that is enqueued with ctx: its span, if there is one.
func metadataOf(ctx context.Context) ([]byte, error) {
	if !trace.SpanContextFromContext(ctx).IsValid() {
		return nil, nil
	}
	link := traceLink{Workerfx: propagation.MapCarrier{}}
	traceContext.Inject(ctx, link.Workerfx)
	metadata, err := json.Marshal(link)
	if err != nil {
		return nil, fmt.Errorf("encode the trace context: %w", err)
	}
	return metadata, nil
}

// traceLinkOf returns the span that enqueued a job, or an invalid one.
func traceLinkOf(metadata []byte) trace.SpanContext {
	if !bytes.Contains(metadata, []byte(`"workerfx"`)) { // most jobs: no need to decode it
		return trace.SpanContext{}
	}
	var link traceLink
	if json.Unmarshal(metadata, &link) != nil || len(link.Workerfx) == 0 {
		return trace.SpanContext{}
	}
	return trace.SpanContextFromContext(traceContext.Extract(context.Background(), link.Workerfx))
}
