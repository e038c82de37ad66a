// Otelmetrics sends the metrics of the workers the way of OpenTelemetry, together with the app's own. Here the exporter
// writes them to stdout, as JSON. An app has one for OTLP instead.
//
//	OTEL_METRIC_EXPORT_INTERVAL=5000 go run ./examples/otelmetrics   # every five seconds, and at the end
package main

import (
	"context"
	"io"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	otelprom "go.opentelemetry.io/contrib/bridges/prometheus"
	"go.opentelemetry.io/otel/exporters/stdout/stdoutmetric"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.uber.org/fx"

	"github.com/workerfx/workerfx"
)

func main() { fx.New(fx.NopLogger, fx.Provide(prometheus.NewRegistry), options(os.Stdout)).Run() }

// options is the app but for the registry, which the pool finds by itself.
func options(out io.Writer) fx.Option {
	return fx.Options(
		fx.Provide(
			func() (sdkmetric.Exporter, error) { return stdoutmetric.New(stdoutmetric.WithWriter(out)) },
			NewMeterProvider,
			newGreetings,
		),
		workerfx.Module,
		workerfx.ProvideWorker(newGreeter, workerfx.WithInterval(time.Second), workerfx.WithStartImmediately()),
	)
}

// NewMeterProvider sends the metrics of the registry together with all OpenTelemetry metrics.
func NewMeterProvider(registry *prometheus.Registry, exporter sdkmetric.Exporter) *sdkmetric.MeterProvider {
	bridge := otelprom.NewMetricProducer(otelprom.WithGatherer(registry))
	reader := sdkmetric.NewPeriodicReader(exporter, sdkmetric.WithProducer(bridge))
	return sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
}

// newGreetings makes a metric of the app. The worker needs it, so the hook of the provider is in front of the hook of the
// pool: the last metrics are sent when the worker has stopped.
func newGreetings(lifecycle fx.Lifecycle, provider *sdkmetric.MeterProvider) (metric.Int64Counter, error) {
	lifecycle.Append(fx.StopHook(provider.Shutdown))
	return provider.Meter("greeter").Int64Counter("greetings")
}

// newGreeter makes a worker with a metric of its own.
func newGreeter(greetings metric.Int64Counter) workerfx.Worker {
	return workerfx.NewWorker("greeter", func(ctx context.Context) error {
		greetings.Add(ctx, 1)
		return nil
	})
}
