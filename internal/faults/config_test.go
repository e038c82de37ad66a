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

// badOverrides are settings of a worker that are out of range, by the field that the error must name.
var badOverrides = map[string]workerfx.WorkerConfig{
	"deferred start -1s": {DeferredStart: new(-time.Second)},
	"max attempts -1":    {MaxAttempts: new(-1)},
	"healthy after -1s":  {HealthyAfter: new(-time.Second)},
	"stop timeout -1s":   {StopTimeout: new(-time.Second)},
	"run timeout -1s":    {RunTimeout: new(-time.Second)},
	"events -1":          {Events: new(-1)},
	"interval 0s":        {Interval: new(time.Duration(0))},
	`cron "now"`:         {Cron: new("now")},
	"interval 1s":        {Interval: new(time.Second), Cron: new("@daily")},
	"jitter NaN":         {Interval: new(time.Second), Jitter: new(math.NaN())},
	"jitter 2":           {Interval: new(time.Second), Jitter: new(2.0)},
	"replicas -1":        {Replicas: new(-1)},
	"min replicas -1":    {MinReplicas: new(-1)},
	"max replicas -1":    {MaxReplicas: new(-1)},
	"min replicas 2":     {MinReplicas: new(2), MaxReplicas: new(1)},
	"multiplier NaN":     {Backoff: &workerfx.ExponentialBackoff{Multiplier: math.NaN()}},
	"threshold 0":        {FailureLimit: &workerfx.FailureLimit{Decay: 1, Pause: 1}},
}

func TestAConfiguredSettingOutOfRangeIsAnErrorThatNamesIt(t *testing.T) {
	for field, bad := range badOverrides {
		t.Run(field, func(t *testing.T) {
			_, err := workerfx.NewPool(workerfx.WithConfig(workerfx.Config{Name: "pool", Defaults: bad}))
			assert.ErrorContains(t, err, `pool "pool"`)
			assert.ErrorContains(t, err, field)

			pool := newPool(t, workerfx.WithConfig(workerfx.Config{Workers: map[string]workerfx.WorkerConfig{"mailer": bad}}))
			err = pool.Add(workerfx.NewWorker("mailer", untilStopped))
			assert.ErrorContains(t, err, `worker "mailer"`)
			assert.ErrorContains(t, err, field)
			assert.Empty(t, pool.Executions())
		})
	}
}

func TestAPoolsOwnSettingOutOfRangeIsAnErrorThatNamesIt(t *testing.T) {
	for want, bad := range map[string]workerfx.Config{
		"stop timeout -1s":          {StopTimeout: -time.Second},
		"metrics.buckets [0s]":      {Metrics: workerfx.MetricsConfig{Buckets: []time.Duration{0}}},
		"metrics.buckets [-1ns]":    {Metrics: workerfx.MetricsConfig{Buckets: []time.Duration{-1}}},
		"metrics.buckets [2ns 1ns]": {Metrics: workerfx.MetricsConfig{Buckets: []time.Duration{2, 1}}},
		"metrics.buckets [1ns 1ns]": {Metrics: workerfx.MetricsConfig{Buckets: []time.Duration{1, 1}}},
		`metrics.namespace "1st"`:   {Metrics: workerfx.MetricsConfig{Namespace: "1st"}},
		`metrics.namespace "a-b"`:   {Metrics: workerfx.MetricsConfig{Namespace: "a-b"}},
		`metrics.subsystem "a\nb"`:  {Metrics: workerfx.MetricsConfig{Subsystem: "a\nb"}},
		"defaults.disabled true":    {Defaults: workerfx.WorkerConfig{Disabled: true}},
		`only/except "["`:           {Only: []string{"["}},
		`only/except "a[b-"`:        {Except: []string{"a", "a[b-"}},
		`only/except "\\"`:          {Except: []string{`\`}},
	} {
		t.Run(want, func(t *testing.T) {
			bad.Name = "pool"
			_, err := workerfx.NewPool(workerfx.WithConfig(bad))
			assert.ErrorContains(t, err, `pool "pool": `+want)
		})
	}
}

func TestAConfigurationForAWorkerThatIsNotThereIsAnErrorOfStart(t *testing.T) {
	for what, bad := range map[string]workerfx.Config{
		"config":  {Workers: map[string]workerfx.WorkerConfig{"mialer": {}}},
		"only":    {Only: []string{"mailer", "mialer"}},
		"except":  {Except: []string{"mialer"}},
		"nothing": {Except: []string{""}},
	} {
		t.Run(what, func(t *testing.T) {
			pool := newPool(t, workerfx.WithConfig(bad))
			add(t, pool, workerfx.NewWorker("mailer", untilStopped))
			assert.ErrorIs(t, pool.Start(t.Context()), workerfx.ErrUnknownWorker)
			for _, e := range pool.Executions() {
				assert.Equal(t, workerfx.StatusPending, e.Status, "nothing has started")
			}
			stop(t, pool)
		})
	}
}

func TestABucketListAtTheEdgeScrapesWell(t *testing.T) {
	buckets := []time.Duration{1, 2, longest - 1, longest} // the last two are the same in seconds
	pool := newPool(t, workerfx.WithConfig(workerfx.Config{StopTimeout: longest, Metrics: workerfx.MetricsConfig{Buckets: buckets}}))
	registry := newRegistry(t, pool)
	start(t, pool, workerfx.NewWorker("w", succeeds))
	require.Eventually(t, func() bool { return pool.Executions()[0].Status == workerfx.StatusSuccess }, patience, time.Millisecond)
	assert.Contains(t, scrape(t, registry), `worker_execution_duration_seconds_count{status="success",worker="w"} 1`)
	stop(t, pool)
}

func TestBrokenJSONIsAnErrorAndNotAConfiguration(t *testing.T) {
	for what, text := range map[string]string{
		"no duration":        `{"stopTimeout": "soon"}`,
		"NaN":                `{"stopTimeout": "NaN"}`,
		"duration too long":  `{"stopTimeout": "9999999999h"}`,
		"number too big":     `{"stopTimeout": 1e30}`,
		"fraction":           `{"stopTimeout": 1.5}`,
		"object":             `{"stopTimeout": {}}`,
		"list":               `{"stopTimeout": ["1s"]}`,
		"nested list":        `{"metrics": {"buckets": [["1s"]]}}`,
		"no list":            `{"metrics": {"buckets": "1s"}}`,
		"worker's duration":  `{"workers": {"w": {"interval": "x"}}}`,
		"default's duration": `{"defaults": {"runTimeout": "x"}}`,
		"backoff's duration": `{"defaults": {"backoff": {"initial": "x"}}}`,
		"limit's duration":   `{"defaults": {"failureLimit": {"decay": "x"}}}`,
		"infinite jitter":    `{"defaults": {"jitter": 1e999}}`,
		"too many attempts":  `{"defaults": {"maxAttempts": 1e99}}`,
		"workers as a list":  `{"workers": []}`,
		"config as a list":   `[]`,
		"config as a string": `"config"`,
		"half a config":      `{"name": "x"`,
		"two configs":        `{} {}`,
		"nothing":            ``,
		"unknown field":      `{"stopTimeouts": "1s"}`,
	} {
		t.Run(what, func(t *testing.T) {
			var config workerfx.Config
			assert.Error(t, json.Unmarshal([]byte(text), &config))
		})
	}
}
