// Otelmetrics sends the metrics of workers, which are Prometheus metrics, by OpenTelemetry. Here they go to stdout.
package main

import (
	"context"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	otelprom "go.opentelemetry.io/contrib/bridges/prometheus"
	"go.opentelemetry.io/otel/exporters/stdout/stdoutmetric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.uber.org/fx"

	"github.com/workerfx/workerfx"
)

// NewExporter sends metrics to stdout. An app sends them to its collector, with the exporter otlpmetricgrpc.
func NewExporter() (sdkmetric.Exporter, error) {
	return stdoutmetric.New(stdoutmetric.WithWriter(os.Stdout))
}

// NewMeterProvider sends the metrics of the registry together with all OpenTelemetry metrics.
func NewMeterProvider(registry *prometheus.Registry, exporter sdkmetric.Exporter) *sdkmetric.MeterProvider {
	bridge := otelprom.NewMetricProducer(otelprom.WithGatherer(registry))
	reader := sdkmetric.NewPeriodicReader(exporter, sdkmetric.WithProducer(bridge))
	return sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
}

// NewTicker makes a worker that does nothing, often.
func NewTicker() workerfx.Worker {
	return workerfx.NewWorker("ticker", func(context.Context) error { return nil }, workerfx.WithInterval(100*time.Millisecond))
}

// app is the whole app. The last metrics are sent when it stops.
func app() fx.Option {
	return fx.Options(
		fx.Provide(prometheus.NewRegistry, NewExporter, NewMeterProvider),
		workerfx.Module,
		workerfx.ProvideWorker(NewTicker),
		fx.Invoke(func(lifecycle fx.Lifecycle, provider *sdkmetric.MeterProvider) {
			lifecycle.Append(fx.StopHook(provider.Shutdown))
		}),
	)
}

func main() { fx.New(fx.NopLogger, app()).Run() }
