package fxtest

import (
	"slices"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// Spans returns the spans that have ended so far, in the order of their ends. With names of workers it returns only
// spans with one of the names in the attribute "Worker".
func (a *App) Spans(workers ...string) []sdktrace.ReadOnlySpan {
	spans := a.spans.Ended()
	if len(workers) == 0 {
		return spans
	}
	return slices.DeleteFunc(spans, func(s sdktrace.ReadOnlySpan) bool {
		for _, attribute := range s.Attributes() {
			if attribute.Key == "Worker" {
				return !slices.Contains(workers, attribute.Value.AsString())
			}
		}
		return true
	})
}
