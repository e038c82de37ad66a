package faults_test

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx"
)

func FuzzBackoff(f *testing.F) {
	numbers := []float64{0, 1, 1.5, 2, 0.5, -1, math.MaxFloat64, math.SmallestNonzeroFloat64, math.NaN(), math.Inf(1), math.Inf(-1)}
	for i, n := range numbers {
		f.Add(int64(0), int64(0), n, 0.0, i)
		f.Add(int64(1), int64(math.MaxInt64), 2.0, n, i*100)
		f.Add(int64(time.Second), int64(time.Minute), n, n, math.MaxInt)
		f.Add(int64(math.MaxInt64), int64(math.MinInt64), n, 0.5, -i)
	}
	f.Fuzz(func(t *testing.T, initial, most int64, multiplier, jitter float64, attempt int) {
		b := backoff{Initial: time.Duration(initial), Max: time.Duration(most), Multiplier: multiplier, Jitter: jitter}
		wait := b.Duration(attempt)
		require.GreaterOrEqual(t, wait, time.Duration(0), "%+v after %d failures", b, attempt)
		if attempt <= 0 {
			require.Zero(t, wait)
		}
		err := newPool(t).Add(workerfx.NewWorker("w", fails, endless, workerfx.WithBackoff(b)))
		require.Equal(t, b.Validate() == nil, err == nil, "%+v: %v", b, err)
		if err != nil {
			requireReadable(t, err.Error())
			return
		}
		requireSaneBackoff(t, b, attempt)
	})
}

// requireSaneBackoff requires that waits stay within their limits and grow.
func requireSaneBackoff(t *testing.T, b backoff, attempt int) {
	t.Helper()
	longest := max(b.Max, b.Initial, time.Minute)
	if b.Max != 0 {
		longest = b.Max
	}
	require.LessOrEqual(t, b.Duration(attempt), longest, "%+v", b)
	if attempt <= 0 || attempt == math.MaxInt {
		return
	}
	least := b
	least.Jitter = 0
	require.Positive(t, least.Duration(attempt), "%+v: a hot loop", b)
	require.LessOrEqual(t, least.Duration(attempt), least.Duration(attempt+1), "%+v", b)
	require.LessOrEqual(t, b.Duration(attempt), least.Duration(attempt), "%+v: chance takes off", b)
}

func FuzzCron(f *testing.F) {
	for _, spec := range []string{
		"* * * * *", "*/5 * * * *", "0 0 29 2 *", "0 0 30 2 *", "0 0 31 */2 *", "* * * * * *", "*/15 0-30 4,5 ? JAN-MAR MON", "@daily",
		"@reboot", "@every 1h", "@every 1ns", "@every -1h", "@every 9999999999h", "@every ", "CRON_TZ=UTC 0 0 * * *", "CRON_TZ= * * * * *",
		"CRON_TZ=Europe/Zurich 30 2 * * *", "TZ=UTC * * * * *", "CRON_TZ=../../etc/passwd * * * * *", "60 * * * *", "* * * *", "* * * * * * *",
		"*/0 * * * *", "5-1 * * * *", "1-99999999999 * * * *", "0 0 0 0 0", "L W # %", "\x00", "\xff\xfe", "* * * * \n*", "", "@", "0 0 L * *", "0 0 * * 5#3",
	} {
		f.Add(spec)
	}
	f.Fuzz(func(t *testing.T, spec string) {
		pool := newPool(t)
		err := pool.Add(workerfx.NewWorker("w", succeeds, workerfx.WithCron(spec)))
		if err != nil {
			require.ErrorContains(t, err, `worker "w": cron`)
			require.LessOrEqual(t, len(err.Error()), boundedText+3*len(spec))
			return
		}
		begin := time.Now()
		require.NoError(t, pool.Start(t.Context()))
		defer stop(t, pool)
		require.Eventually(t, func() bool { return pool.Executions()[0].Status != workerfx.StatusPending }, patience, time.Microsecond)
		if e := pool.Executions()[0]; e.Status == workerfx.StatusWaiting && e.Runs == 0 {
			require.False(t, e.NextRunAt.Before(begin), "%v is in the past", e.NextRunAt)
		}
	})
}

func FuzzConfigJSON(f *testing.F) {
	for _, text := range []string{
		`{}`, `null`, `{"name": "p", "only": ["w"], "except": ["v*"], "stopTimeout": "5s"}`,
		`{"defaults": {"maxAttempts": 0, "backoff": {"initial": "1s", "max": "1m", "multiplier": 1.5, "jitter": 0.5}}}`,
		`{"workers": {"w": {"interval": "1m30s", "jitter": 0.1, "replicas": 2, "minReplicas": 1, "maxReplicas": 3}}}`,
		`{"workers": {"w": {"cron": "@daily", "startImmediately": true, "failureLimit": {"threshold": 3, "decay": "1m", "pause": 1000}}}}`,
		`{"workers": {"w": {"interval": 1, "cron": "@daily"}}}`, `{"workers": {"w": null, "": {}, "\u0000": {}}}`,
		`{"metrics": {"namespace": "n", "subsystem": "s", "buckets": ["1ms", 1000000000, "1h"]}}`,
		`{"metrics": {"buckets": [null, "1s"]}}`, `{"metrics": {"buckets": []}}`, `{"metrics": null, "defaults": null, "workers": null}`,
		`{"stopTimeout": null, "StopTimeout": 5, "STOPTIMEOUT": 6}`, `{"name": "\ud800"}`, "{\"name\": \"\xff\"}", `{"defaults": {"disabled": true}}`,
		`{"stopTimeout": "-1s"}`, `{"stopTimeout": 9223372036854775807}`, `{"unknown": [[[[]]]]}`, `{"name": "<&>\u2028"}`, `[`, `{"only": ["["]}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var config workerfx.Config
		if json.Unmarshal(text, &config) != nil {
			return
		}
		again, err := json.Marshal(config)
		require.NoError(t, err)
		var second workerfx.Config
		require.NoError(t, json.Unmarshal(again, &second), "%s", again)
		require.Equal(t, config, second)
		useConfig(t, config)
	})
}

// useConfig makes a pool with a configuration, which may be refused, but not with a panic.
func useConfig(t *testing.T, config workerfx.Config) {
	t.Helper()
	for _, w := range append([]workerfx.WorkerConfig{config.Defaults}, config.Workers["w"]) {
		if w.Replicas != nil && *w.Replicas > 1000 { // that many are allowed, and take long to make
			return
		}
	}
	pool, err := workerfx.NewPool(silent, workerfx.WithConfig(config))
	if err != nil {
		assert.Nil(t, pool)
		return
	}
	registry := newRegistry(t, pool)
	if pool.Add(workerfx.NewWorker("w", untilStopped)) == nil && pool.Start(t.Context()) == nil {
		scrape(t, registry)
	}
	stop(t, pool)
}
