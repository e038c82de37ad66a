package fxtest

import (
	"slices"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// Spans returns the spans that have ended so far, in the order of their ends. With names of workers it returns only
// spans with one of the names in the attribute "Worker". The test fails, and goes on, for a name that is no worker's: see
// [App.Logs].
func (a *App) Spans(workers ...string) []sdktrace.ReadOnlySpan {
	a.tb.Helper()
	a.requireWorkers("Spans", workers)
	spans := a.spans.Ended()
	if len(workers) == 0 {
		return spans
	}
	return slices.DeleteFunc(spans, func(s sdktrace.ReadOnlySpan) bool { return !slices.Contains(workers, workerOf(s)) })
}

// workerOf is the worker whose span it is, or "".
func workerOf(s sdktrace.ReadOnlySpan) string {
	for _, attribute := range s.Attributes() {
		if attribute.Key == "Worker" {
			return attribute.Value.AsString()
		}
	}
	return ""
}
