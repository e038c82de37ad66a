package workerfx_test

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx"
)

// gather returns all series by name and labels: values of counters and gauges, counts of histograms.
func gather(t testing.TB, gatherer prometheus.Gatherer) map[string]float64 {
	t.Helper()
	families, err := gatherer.Gather()
	require.NoError(t, err)
	series := map[string]float64{}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			var labels []string
			for _, label := range m.GetLabel() {
				labels = append(labels, fmt.Sprintf("%s=%q", label.GetName(), label.GetValue()))
			}
			key := fmt.Sprintf("%s{%s}", family.GetName(), strings.Join(labels, ","))
			series[key] = m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return series
}

func registered(t testing.TB, pool *workerfx.Pool) prometheus.Gatherer {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	require.NoError(t, registry.Register(pool.Collector()))
	return registry
}

func TestMetricsTellWhatHappened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runs := 0
		pool := startPool(t,
			workerfx.NewWorker("flaky", func(context.Context) error {
				time.Sleep(2 * time.Second)
				switch runs++; runs {
				case 1:
					return errBoom
				case 2:
					panic("boom")
				}
				return nil
			}, workerfx.WithMaxAttempts(0), static),
			workerfx.NewWorker("busy", untilStopped),
			workerfx.NewWorker("later", untilStopped, workerfx.WithDeferredStart(time.Hour)))
		start := time.Now()
		time.Sleep(time.Minute)
		synctest.Wait()
		got := gather(t, registered(t, pool))
		for series, want := range map[string]float64{
			`worker_executions_total{status="started",worker="flaky"}`:           3,
			`worker_executions_total{status="restarted",worker="flaky"}`:         2,
			`worker_executions_total{status="success",worker="flaky"}`:           1,
			`worker_executions_total{status="error",worker="flaky"}`:             2,
			`worker_execution_duration_seconds{status="success",worker="flaky"}`: 1,
			`worker_execution_duration_seconds{status="error",worker="flaky"}`:   2,
			`worker_panics_total{worker="flaky"}`:                                1,
			`worker_running{worker="flaky"}`:                                     0,
			`worker_running{worker="busy"}`:                                      1,
			`worker_replicas{worker="busy"}`:                                     1,
			`worker_last_success_timestamp_seconds{worker="flaky"}`:              float64(start.Add(8 * time.Second).Unix()),
			`worker_next_run_timestamp_seconds{worker="later"}`:                  float64(start.Add(time.Hour).Unix()),
			`worker_executions_total{status="started",worker="later"}`:           0,
		} {
			require.Contains(t, got, series)
			assert.InDelta(t, want, got[series], 0, series)
		}
		assert.NotContains(t, got, `worker_last_success_timestamp_seconds{worker="busy"}`)
	})
}

func TestHistogramHasTheConfiguredBuckets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := must(workerfx.NewPool(silent, workerfx.WithConfig(workerfx.Config{
			Metrics: workerfx.MetricsConfig{Namespace: "my", Subsystem: "app", Buckets: []time.Duration{time.Second, time.Minute}}})))
		for i, d := range []time.Duration{time.Second, 2 * time.Second, time.Hour} {
			require.NoError(t, pool.Add(workerfx.NewWorker(fmt.Sprint(i), func(context.Context) error { time.Sleep(d); return nil })))
		}
		require.NoError(t, pool.Start(t.Context()))
		time.Sleep(2 * time.Hour)
		families, err := registered(t, pool).Gather()
		require.NoError(t, err)
		for _, family := range families {
			if family.GetName() != "my_app_worker_execution_duration_seconds" {
				continue
			}
			for i, m := range family.GetMetric() {
				h := m.GetHistogram()
				require.Len(t, h.GetBucket(), 2)
				want := [][]uint64{{1, 1}, {0, 1}, {0, 0}}[i]
				assert.Equal(t, want, []uint64{h.GetBucket()[0].GetCumulativeCount(), h.GetBucket()[1].GetCumulativeCount()})
				assert.EqualValues(t, 1, h.GetSampleCount())
			}
			require.NoError(t, pool.Stop(t.Context()))
			return
		}
		t.Fatal("no histogram")
	})
}

func TestMetricsHaveOneSeriesAWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := startPool(t, workerfx.NewWorker("w", func(context.Context) error { return fmt.Errorf("error at %v", time.Now()) },
			workerfx.WithMaxAttempts(1000), static))
		time.Sleep(time.Second)
		before := len(gather(t, registered(t, pool)))
		time.Sleep(time.Hour)
		assert.LessOrEqual(t, len(gather(t, registered(t, pool))), before)
		require.NoError(t, pool.Remove(t.Context(), "w"))
		assert.Empty(t, gather(t, registered(t, pool)), "a worker that is gone leaves no series")
	})
}

func TestPoolsShareARegistryUnderTheirNames(t *testing.T) {
	newNamed := func(r prometheus.Registerer, name string) (*workerfx.Pool, error) {
		pool, err := workerfx.NewPool(silent, workerfx.WithRegisterer(r), workerfx.WithConfig(workerfx.Config{Name: name}))
		if err == nil {
			err = pool.Add(workerfx.NewWorker("w", untilStopped))
		}
		return pool, err
	}
	registry := prometheus.NewPedanticRegistry()
	unnamed, err := newNamed(registry, "")
	require.NoError(t, err)
	_, err = newNamed(registry, "a")
	require.NoError(t, err)
	_, err = newNamed(registry, "b")
	require.NoError(t, err)
	got := gather(t, registry)
	assert.Contains(t, got, `worker_running{worker="w"}`)
	assert.Contains(t, got, `worker_running{pool="a",worker="w"}`)
	assert.Contains(t, got, `worker_running{pool="b",worker="w"}`)

	_, err = newNamed(registry, "a")
	require.ErrorContains(t, err, `pool "a"`)
	require.ErrorContains(t, err, "Config.Name")
	_, err = newNamed(registry, "")
	require.Error(t, err)

	require.NoError(t, unnamed.Stop(t.Context()))
	_, err = newNamed(registry, "")
	require.NoError(t, err, "a stopped pool gives way")
	gather(t, registry)
}

func TestExpositionIsGolden(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := must(workerfx.NewPool(silent, workerfx.WithConfig(workerfx.Config{
			Name: "golden", Metrics: workerfx.MetricsConfig{Buckets: []time.Duration{time.Second, time.Minute}}})))
		failing := func(context.Context) error { time.Sleep(2 * time.Second); return errBoom }
		for _, w := range []workerfx.Worker{
			workerfx.NewWorker("busy", untilStopped, workerfx.WithReplicas(2)),
			workerfx.NewWorker("failing", failing, workerfx.WithMaxAttempts(2), static),
			workerfx.NewWorker("hourly", func(context.Context) error { return nil }, workerfx.WithInterval(time.Hour), workerfx.WithStartImmediately()),
			workerfx.NewWorker("stream", workerfx.FromChannel(filled(3), func(context.Context, int) error { return nil })),
		} {
			require.NoError(t, pool.Add(w))
		}
		require.NoError(t, pool.Start(t.Context()))
		time.Sleep(time.Minute)
		synctest.Wait()
		response := httptest.NewRecorder()
		promhttp.HandlerFor(registered(t, pool), promhttp.HandlerOpts{}).ServeHTTP(response, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
		golden(t, "testdata/metrics.golden", response.Body.Bytes())
		require.NoError(t, pool.Stop(t.Context()))
	})
}

func TestMetricsTellWhoIsDownForGoodAndWhoIsNotReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := startPool(t,
			workerfx.NewWorker("failed", fails, workerfx.WithReplicas(2), workerfx.WithReadiness()),
			workerfx.NewWorker("slow", untilStopped, workerfx.WithReadiness()),
			workerfx.NewWorker("well", readyAtOnce, workerfx.WithReadiness()),
			workerfx.NewWorker("plain", untilStopped))
		synctest.Wait()
		series := gather(t, registered(t, pool))
		for name, want := range map[string]float64{
			`worker_failed{worker="failed"}`: 2, `worker_failed{worker="slow"}`: 0,
			`worker_not_ready{worker="failed"}`: 0, `worker_not_ready{worker="slow"}`: 1, `worker_not_ready{worker="well"}`: 0,
		} {
			assert.Contains(t, series, name)
			assert.Equal(t, want, series[name], name)
		}
		assert.NotContains(t, series, `worker_not_ready{worker="plain"}`)
	})
}

func readyAtOnce(ctx context.Context) error {
	workerfx.Ready(ctx)
	return untilStopped(ctx)
}

func TestMetricsOfChildrenAreAddedToThoseOfTheirParent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := newPoolWith(t, workerfx.WithConfig(workerfx.Config{Metrics: workerfx.MetricsConfig{Children: workerfx.ChildrenParent}}))
		leave := make(chan struct{})
		grandchild := workerfx.NewWorker("g", fails, workerfx.WithMaxAttempts(3), static)
		child := func(ctx context.Context) error {
			_ = workerfx.AddChild(ctx, grandchild)
			return untilStopped(ctx)
		}
		require.NoError(t, pool.Add(workerfx.NewWorker("parent", func(ctx context.Context) error {
			for _, name := range []string{"a", "b"} {
				_ = workerfx.AddChild(ctx, workerfx.NewWorker(name, child))
			}
			<-leave
			_ = workerfx.RemoveChild(ctx, "a")
			return untilStopped(ctx)
		})))
		require.NoError(t, pool.Start(t.Context()))
		time.Sleep(time.Minute)
		synctest.Wait()
		registry := registered(t, pool)
		check := func(running float64) {
			t.Helper()
			series := gather(t, registry)
			for name := range series {
				assert.NotContains(t, name, "parent/")
			}
			assert.Equal(t, 9.0, series[`worker_executions_total{status="started",worker="parent"}`])
			assert.Equal(t, 6.0, series[`worker_executions_total{status="error",worker="parent"}`])
			assert.Equal(t, running, series[`worker_running{worker="parent"}`])
		}
		check(3)
		close(leave)
		synctest.Wait()
		check(2)
		require.NoError(t, pool.Stop(t.Context()))
	})
}

var update = flag.Bool("update", false, "write the golden files again")

// golden compares got with a file.
func golden(t testing.TB, file string, got []byte) {
	t.Helper()
	if *update {
		require.NoError(t, os.WriteFile(file, got, 0o600))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, string(want), string(got))
}

func TestMissedTicksOfChildrenThatHaveLeftStayWithTheirParent(t *testing.T) {
	bubble("", t, func(t *testing.T) {
		registry := prometheus.NewRegistry()
		pool := newPoolWith(t, workerfx.WithRegisterer(registry),
			workerfx.WithConfig(workerfx.Config{Metrics: workerfx.MetricsConfig{Children: workerfx.ChildrenParent}}))
		require.NoError(t, pool.Add(workerfx.NewWorker("p", func(ctx context.Context) error {
			slow := func(context.Context) error { time.Sleep(3500 * time.Millisecond); return nil }
			_ = workerfx.AddChild(ctx, workerfx.NewWorker("c", slow, workerfx.WithInterval(time.Second)))
			time.Sleep(10 * time.Second)
			_ = workerfx.RemoveChild(ctx, "c")
			return untilStopped(ctx)
		})))
		require.NoError(t, pool.Start(t.Context()))
		time.Sleep(9 * time.Second)
		require.Contains(t, gather(t, registry), `worker_missed_ticks_total{worker="p"}`)
		time.Sleep(9 * time.Second)
		require.Contains(t, gather(t, registry), `worker_missed_ticks_total{worker="p"}`)
		require.NoError(t, pool.Stop(context.Background()))
	})
}
