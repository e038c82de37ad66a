package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/exporters/stdout/stdoutmetric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.uber.org/fx"
)

func TestMetricsOfWorkersAreSentByOpenTelemetry(t *testing.T) {
	var out bytes.Buffer
	exporter, err := stdoutmetric.New(stdoutmetric.WithWriter(&out))
	require.NoError(t, err)
	app := fx.New(fx.NopLogger, app(), fx.Decorate(func() sdkmetric.Exporter { return exporter }))
	require.NoError(t, app.Start(t.Context()))
	require.NoError(t, app.Stop(t.Context()))
	require.Contains(t, out.String(), `"worker_executions_total"`)
	require.Contains(t, out.String(), `"ticker"`)
}
