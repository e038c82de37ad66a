package fxtest_test

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"github.com/workerfx/workerfx/fxtest"
)

// newAppWithMetrics makes an app with one metric of each kind.
func newAppWithMetrics(t *testing.T, tb fxtest.TB) *fxtest.App {
	t.Helper()
	var registerer prometheus.Registerer
	app := fxtest.New(tb, fx.Populate(&registerer))
	mails := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "mails_total", Help: "Mails sent."}, []string{"to", "via"})
	mails.WithLabelValues("ann", "smtp").Add(2)
	mails.WithLabelValues("bob", "smtp").Add(3)
	queue := prometheus.NewGauge(prometheus.GaugeOpts{Name: "queue", Help: "Mails waiting."})
	queue.Set(-1.5)
	size := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "size", Help: "Size of a mail."})
	size.Observe(10)
	size.Observe(20)
	delay := prometheus.NewSummary(prometheus.SummaryOpts{Name: "delay", Help: "Delay of a mail."})
	delay.Observe(1)
	for _, c := range []prometheus.Collector{mails, queue, size, delay} {
		require.NoError(t, registerer.Register(c))
	}
	return app
}

func TestMetricReadsEveryKind(t *testing.T) {
	inAndOutOfBubble(t, func(t *testing.T) {
		app := newAppWithMetrics(t, t)
		require.EqualValues(t, 2, app.Metric("mails_total", "to", "ann"))
		require.EqualValues(t, 3, app.Metric("mails_total", "via", "smtp", "to", "bob"))
		require.Equal(t, -1.5, app.Metric("queue"))
		require.EqualValues(t, 2, app.Metric("size"))
		require.EqualValues(t, 1, app.Metric("delay"))
	})
}

func TestMetricExists(t *testing.T) {
	app := newAppWithMetrics(t, t)
	require.True(t, app.MetricExists("mails_total"))
	require.True(t, app.MetricExists("mails_total", "to", "ann"))
	require.False(t, app.MetricExists("mails_total", "to", "eve"))
	require.False(t, app.MetricExists("mails_total", "from", "ann"))
	require.False(t, app.MetricExists("letters_total"))
}

func TestMetricThatIsNotThereFailsTheTest(t *testing.T) {
	for name, tt := range map[string]struct {
		ask  func(app *fxtest.App)
		want string
	}{
		"unknown labels": {
			func(app *fxtest.App) { app.Metric("mails_total", "via", "smtp", "to", "eve") },
			`no series mails_total{to="eve",via="smtp"}; there are:
  mails_total{to="ann",via="smtp"} 2
  mails_total{to="bob",via="smtp"} 3
`,
		},
		"unknown name": {
			func(app *fxtest.App) { app.Metric("letters_total") },
			`no series letters_total; there are:
  delay 1
  mails_total{to="ann",via="smtp"} 2
  mails_total{to="bob",via="smtp"} 3
  queue -1.5
  size 2
`,
		},
		"not one series": {
			func(app *fxtest.App) { app.Metric("mails_total", "via", "smtp") },
			`more than one series mails_total{via="smtp"}; there are:
  mails_total{to="ann",via="smtp"} 2
  mails_total{to="bob",via="smtp"} 3
`,
		},
		"odd labels": {
			func(app *fxtest.App) { app.MetricExists("mails_total", "via") },
			"metric mails_total: labels are given as name and value in turns, and the last one has no value\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			tb := &fakeTB{}
			require.Equal(t, tt.want, tb.run(func() { tt.ask(newAppWithMetrics(t, tb)) }))
		})
	}
	tb := &fakeTB{}
	require.Equal(t, "no series queue; there are: none\n", tb.run(func() { fxtest.New(tb).Metric("queue") }))
}
