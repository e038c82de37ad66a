package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"
	"go.uber.org/goleak"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/examples/internal/program"
	"github.com/workerfx/workerfx/fxtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, goleak.Cleanup(program.Remove)) }

// withEachReader runs a test with viper and with koanf: what they promise is the same.
func withEachReader(t *testing.T, test func(t *testing.T, read func(path string, environment []string) (settings, error))) {
	for name, read := range readers {
		t.Run(name, func(t *testing.T) { test(t, read) })
	}
}

func TestTheFileSetsWhatTheCodeDoesNot(t *testing.T) {
	withEachReader(t, func(t *testing.T, read func(string, []string) (settings, error)) {
		s, err := read("config.yaml", nil)
		require.NoError(t, err)
		require.Equal(t, "EUR", s.Currency)
		app := fxtest.New(t, options(s))
		require.Equal(t, map[string]string{
			"maxAttempts":      "5, config defaults",
			"backoff":          "from 1s to 1m0s, times 2, jitter 0.5, config by name",
			"schedule":         "every 30s, config by name",
			"startImmediately": "true, config by name",
		}, inForce(t, app.Pool, "prices"))
		require.Equal(t, map[string]string{
			"maxAttempts": "5, config defaults",
			"runTimeout":  "1m30s, config by name",
			"schedule":    "cron 0 6 * * MON, config by name",
		}, inForce(t, app.Pool, "reports/weekly"))
	})
}

func TestTheEnvironmentWinsOverTheFileAndSetsWhatItDoesNotHave(t *testing.T) {
	withEachReader(t, func(t *testing.T, read func(string, []string) (settings, error)) {
		s, err := read("config.yaml", []string{
			"SHOP__CURRENCY=USD",
			"SHOP__WORKER__DEFAULTS__MAXATTEMPTS=7",
			"SHOP__WORKER__WORKERS__PRICES__INTERVAL=1h30m",
			"SHOP__WORKER__WORKERS__PRICES__STOPTIMEOUT=5s",
			"SHOP__worker__workers__prices__backoff__max=2m",
			"SHOP__WORKER__EXCEPT=reports/daily,reports/weekly",
			"OTHER__CURRENCY=GBP",
			"HOME=/",
		})
		require.NoError(t, err)
		require.Equal(t, "USD", s.Currency)
		app := fxtest.New(t, options(s))
		require.Equal(t, map[string]string{
			"maxAttempts":      "7, config defaults",
			"backoff":          "from 1s to 2m0s, times 2, jitter 0.5, config by name",
			"stopTimeout":      "5s, config by name",
			"schedule":         "every 1h30m0s, config by name",
			"startImmediately": "true, config by name",
		}, inForce(t, app.Pool, "prices"))
		require.Len(t, app.Pool.Executions(), 1, "except leaves out the others")
	})
}

// inForce returns the settings of a worker that are not the default, each with its source.
func inForce(t *testing.T, pool *workerfx.Pool, worker string) map[string]string {
	t.Helper()
	all, err := pool.Settings(worker)
	require.NoError(t, err)
	found := make(map[string]string)
	for _, s := range all {
		if s.Source != workerfx.SourceDefault {
			found[s.Name] = s.Value + ", " + s.Source.String()
		}
	}
	return found
}

func TestMistakesAreErrorsWhereverTheyAre(t *testing.T) {
	for _, c := range []struct{ file, variable, want string }{
		{"worker: {workers: {price: {interval: 1s}}}", "", `unknown worker; did you mean "prices"?`},
		{"", "SHOP__WORKER__WORKERS__PRICE__INTERVAL=1s", `unknown worker; did you mean "prices"?`},
		{"worker: {except: [report/daily]}", "", `unknown worker; did you mean "reports/daily" or`},
		{"worker: {workers: {prices: {intervall: 1s}}}", "", "'worker.workers[prices]' has invalid keys: intervall"},
		{"", "SHOP__WORKER__WORKERS__PRICES__INTERVALL=1s", "'worker.workers[prices]' has invalid keys: intervall"},
		{"curency: EUR", "", "invalid keys: curency"},
		{"worker: {workers: {prices: {interval: 30}}}", "SHOP__WORKER__WORKERS__PRICES__INTERVAL=30", "'worker.workers[prices].interval' time: missing unit in duration"},
		{"", "SHOP__WORKER__DEFAULTS__MAXATTEMPTS=many", "'worker.defaults.maxAttempts' cannot parse value as 'int'"},
		{"", "SHOP__WORKER__WORKERS__PRICES__INTERVAL=-1s", `worker "prices": interval -1s: must be positive`},
	} {
		withEachReader(t, func(t *testing.T, read func(string, []string) (settings, error)) {
			path := filepath.Join(t.TempDir(), "config.yaml")
			require.NoError(t, os.WriteFile(path, []byte(c.file), 0o600))
			s, err := read(path, []string{c.variable})
			if err == nil {
				err = fx.New(options(s), fx.NopLogger).Err()
			}
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestAFileThatDoesNotExistIsAnError(t *testing.T) {
	withEachReader(t, func(t *testing.T, read func(string, []string) (settings, error)) {
		_, err := read(filepath.Join(t.TempDir(), "config.yaml"), nil)
		require.ErrorIs(t, err, fs.ErrNotExist)
	})
}
