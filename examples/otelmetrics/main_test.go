package main

import (
	"bytes"
	"encoding/json"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/workerfx/workerfx/fxtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// export is the part of what the exporter writes that the test looks at.
type export struct {
	ScopeMetrics []struct {
		Metrics []struct {
			Name string
			Data struct {
				DataPoints []struct {
					Attributes []struct {
						Key   string
						Value struct{ Value any }
					}
					Value float64
				}
			}
		}
	}
}

// value returns the value of a metric, of the series with this status if it is not empty.
func (e export) value(name, status string) float64 {
	for _, scope := range e.ScopeMetrics {
		for _, m := range scope.Metrics {
			for _, point := range m.Data.DataPoints {
				matches := status == ""
				for _, attribute := range point.Attributes {
					matches = matches || attribute.Key == "status" && attribute.Value.Value == status
				}
				if m.Name == name && matches {
					return point.Value
				}
			}
		}
	}
	return -1
}

func TestTheMetricsOfTheWorkersAreSentTogetherWithThoseOfTheApp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		app := fxtest.New(t, options(&out)).RequireStart()
		app.AwaitRuns("greeter", 3)
		synctest.Wait()
		app.RequireStop()

		var last export
		require.NoError(t, json.Unmarshal(out.Bytes(), &last), out.String())
		require.Equal(t, 3.0, last.value("greetings", ""))
		require.Equal(t, 3.0, last.value("worker_executions_total", "success"))
		require.Equal(t, 0.0, last.value("worker_running", ""), "the worker has stopped when the last metrics are sent")
	})
}
