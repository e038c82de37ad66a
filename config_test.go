package workerfx_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/fx"
	"go.yaml.in/yaml/v2"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/testdata/sample"
)

// billing is what testdata/config.yaml and testdata/config.json say.
var billing = workerfx.Config{
	Name:        "billing",
	Only:        []string{"git", "mailer"},
	Except:      []string{"*/pulls"},
	StopTimeout: 20 * time.Second,
	Metrics: workerfx.MetricsConfig{
		Namespace: "shop", Subsystem: "billing", Buckets: []time.Duration{10 * time.Millisecond, time.Second, time.Minute},
	},
	Defaults: workerfx.WorkerConfig{
		MaxAttempts:  new(3),
		Backoff:      &workerfx.ExponentialBackoff{Initial: 2 * time.Second, Max: 90 * time.Second, Multiplier: 3, Jitter: 0.1},
		HealthyAfter: new(5 * time.Minute),
	},
	Workers: map[string]workerfx.WorkerConfig{
		"mailer": {
			DeferredStart: new(500 * time.Millisecond),
			MaxAttempts:   new(0),
			FailureLimit:  &workerfx.FailureLimit{Threshold: 5, Decay: 30 * time.Second, Pause: time.Minute},
			StopTimeout:   new(10 * time.Second),
			RunTimeout:    new(time.Hour),
			Essential:     new(true),
			Events:        new(8),
			Interval:      new(30 * time.Second),
			Replicas:      new(2),
			MaxReplicas:   new(4),
			Jitter:        new(0.2),
		},
		"git/commits": {Cron: new("*/5 * * * *"), StartImmediately: new(true), MinReplicas: new(1)},
		"git/pulls":   {Disabled: true},
	},
}

func TestConfigIsReadFromFiles(t *testing.T) {
	var fromYAML, fromJSON workerfx.Config
	data, err := os.ReadFile("testdata/config.yaml")
	require.NoError(t, err)
	require.NoError(t, yaml.UnmarshalStrict(data, &fromYAML))
	assert.Equal(t, billing, fromYAML)

	data, err = os.ReadFile("testdata/config.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &fromJSON))
	assert.Equal(t, billing, fromJSON)

	data, err = json.Marshal(billing)
	require.NoError(t, err)
	var again workerfx.Config
	require.NoError(t, json.Unmarshal(data, &again))
	assert.Equal(t, billing, again)
}

func TestAnUnknownFieldInJSONIsAnErrorThatSaysWhere(t *testing.T) {
	for text, want := range map[string]string{
		`{"workers": {"mailer": {"maxAttemps": 5}}}`: `workers.mailer.maxAttemps: unknown field; did you mean "maxAttempts"?`,
		`{"worker": {}}`:                                 `worker: unknown field; did you mean "workers"?`,
		`{"metrics": {"bucket": ["1s"]}}`:                `metrics.bucket: unknown field; did you mean "buckets"?`,
		`{"defaults": {"backoff": {"initials": "1s"}}}`:  `defaults.backoff.initials: unknown field; did you mean "initial"?`,
		`{"defaults": {"failureLimit": {"pauses": 1}}}`:  `defaults.failureLimit.pauses: unknown field; did you mean "pause"?`,
		`{"workers": {"a": {}, "b": {"zzzzzzzzzz": 1}}}`: `workers.b.zzzzzzzzzz: unknown field`,
	} {
		var config workerfx.Config
		require.EqualError(t, json.Unmarshal([]byte(text), &config), want)
		decoder := json.NewDecoder(strings.NewReader(text))
		decoder.DisallowUnknownFields()
		require.EqualError(t, decoder.Decode(&config), want)
	}
}

func TestJSONFieldsMatchAsEncodingJSONMatchesThem(t *testing.T) {
	for text, want := range map[string]workerfx.Config{
		`{"StopTimeout": "5s"}`:                                     {StopTimeout: 5 * time.Second},
		`{"stopTimeout": "5s", "STOPTIMEOUT": "6s"}`:                {StopTimeout: 6 * time.Second},
		`{"STOPTIMEOUT": 6, "stopTimeout": null}`:                   {StopTimeout: 6},
		`{"Metrics": {"BUCKETS": ["1s", 2]}, "ONLY": ["a"]}`:        {Only: []string{"a"}, Metrics: workerfx.MetricsConfig{Buckets: []time.Duration{time.Second, 2}}},
		`{"WORKERS": {"Mailer": {"MAXATTEMPTS": 0, "Cron": null}}}`: {Workers: map[string]workerfx.WorkerConfig{"Mailer": {MaxAttempts: new(0)}}},
		` null `: {},
	} {
		var config workerfx.Config
		require.NoError(t, json.Unmarshal([]byte(text), &config), text)
		assert.Equal(t, want, config, text)
	}
}

func TestJSONIsReadOverWhatIsSet(t *testing.T) {
	config := workerfx.Config{Name: "p", StopTimeout: time.Second, Defaults: workerfx.WorkerConfig{Backoff: &workerfx.ExponentialBackoff{Max: time.Hour}}}
	require.NoError(t, json.Unmarshal([]byte(`{"stopTimeout": "2s", "defaults": {"backoff": {"initial": "3s"}}}`), &config))
	assert.Equal(t, workerfx.Config{Name: "p", StopTimeout: 2 * time.Second, Defaults: workerfx.WorkerConfig{
		Backoff: &workerfx.ExponentialBackoff{Initial: 3 * time.Second, Max: time.Hour},
	}}, config)
}

func TestJSONIsWrittenWithoutFieldsThatAreNotSet(t *testing.T) {
	for want, config := range map[string]any{
		`{}`: workerfx.Config{},
		`{"name":"p","workers":{"w":{"maxAttempts":0,"backoff":{}}}}`:      workerfx.Config{Name: "p", Workers: map[string]workerfx.WorkerConfig{"w": {MaxAttempts: new(0), Backoff: new(workerfx.ExponentialBackoff)}}},
		`{"metrics":{"namespace":"n"},"defaults":{"essential":false}}`:     workerfx.Config{Metrics: workerfx.MetricsConfig{Namespace: "n"}, Defaults: workerfx.WorkerConfig{Essential: new(false)}},
		`{"failureLimit":{"threshold":3,"decay":60000000000}}`:             workerfx.WorkerConfig{FailureLimit: &workerfx.FailureLimit{Threshold: 3, Decay: time.Minute}},
		`{"stopTimeout":5000000000,"defaults":{"runTimeout":60000000000}}`: &workerfx.Config{StopTimeout: 5 * time.Second, Defaults: workerfx.WorkerConfig{RunTimeout: new(time.Minute)}},
	} {
		data, err := json.Marshal(config)
		require.NoError(t, err)
		assert.Equal(t, want, string(data))
	}
}

func TestAnUnknownFieldIsAnErrorOfStrictYAML(t *testing.T) {
	var config workerfx.Config
	require.ErrorContains(t, yaml.UnmarshalStrict([]byte("workers:\n  mailer:\n    maxAttemps: 5"), &config), "line 3: field maxAttemps not found")
	data, err := yaml.Marshal(billing)
	require.NoError(t, err)
	var again workerfx.Config
	require.NoError(t, yaml.UnmarshalStrict(data, &again))
	assert.Equal(t, billing, again)
}

func TestConfigFieldsHaveAllTags(t *testing.T) {
	for _, v := range []any{workerfx.Config{}, workerfx.WorkerConfig{}, workerfx.MetricsConfig{}, workerfx.ExponentialBackoff{}, workerfx.FailureLimit{}} {
		for field := range reflect.TypeOf(v).Fields() {
			name := field.Tag.Get("json")
			assert.NotEmpty(t, name, field.Name)
			assert.Equal(t, name, field.Tag.Get("yaml"), field.Name)
			assert.Equal(t, name, field.Tag.Get("mapstructure"), field.Name)
		}
	}
}

func TestConfigJSONErrorsNameTheField(t *testing.T) {
	for text, want := range map[string]string{
		`{"stopTimeout": "5 parsecs"}`:                   "stopTimeout",
		`{"workers": {"w": {"runTimeout": "soon"}}}`:     "runTimeout",
		`{"metrics": {"buckets": ["1s", "x"]}}`:          "buckets",
		`{"defaults": {"backoff": {"initial": "x"}}}`:    "initial",
		`{"defaults": {"failureLimit": {"decay": "x"}}}`: "decay",
		`{"defaults": {"maxAttempts": "three"}}`:         "maxAttempts",
		`[]`:                                             "",
	} {
		var config workerfx.Config
		err := json.Unmarshal([]byte(text), &config)
		assert.ErrorContains(t, err, want, text)
		assert.NotContains(t, err.Error(), "plain", "a private type")
	}
}

func configured(t *testing.T, config workerfx.Config) (*workerfx.Pool, error) {
	t.Helper()
	var pool *workerfx.Pool
	a := fx.New(fx.NopLogger, workerfx.Module, fx.Supply(config),
		workerfx.ProvideWorker(sample.NewMailer, workerfx.WithName("mailer"), workerfx.WithMaxAttempts(1)),
		workerfx.ProvideWorker(sample.NewFetcher),
		fx.Populate(&pool))
	return pool, a.Err()
}

func names(pool *workerfx.Pool) (names []string) {
	for _, e := range pool.Executions() {
		names = append(names, e.Worker)
	}
	return names
}

func TestConfigByNameWinsOverCodeWhichWinsOverDefaults(t *testing.T) {
	pool, err := configured(t, workerfx.Config{
		Defaults: workerfx.WorkerConfig{MaxAttempts: new(7), DeferredStart: new(time.Minute)},
		Workers:  map[string]workerfx.WorkerConfig{"mailer": {MaxAttempts: new(9)}},
	})
	require.NoError(t, err)
	got := map[string]int{}
	for _, e := range pool.Executions() {
		got[e.Worker] = e.MaxAttempts
		assert.Equal(t, time.Minute, e.DeferredStart)
	}
	assert.Equal(t, map[string]int{"mailer": 9, "git/commits": 2, "git/pulls": 7}, got)
}

func TestConfigOfAGroupHoldsForItsWorkers(t *testing.T) {
	pool, err := configured(t, workerfx.Config{
		Workers: map[string]workerfx.WorkerConfig{"git": {MaxAttempts: new(5), DeferredStart: new(time.Hour)}, "git/pulls": {MaxAttempts: new(6)}},
	})
	require.NoError(t, err)
	for name, want := range map[string]int{"git/commits": 5, "git/pulls": 6} {
		e, err := pool.Execution(name)
		require.NoError(t, err)
		assert.Equal(t, want, e.MaxAttempts)
		assert.Equal(t, time.Hour, e.DeferredStart)
	}
}

func TestOnlyAndExceptChooseWorkers(t *testing.T) {
	tests := []struct{ only, except, want []string }{
		{nil, nil, []string{"git/commits", "git/pulls", "mailer"}},
		{[]string{"mailer"}, nil, []string{"mailer"}},
		{[]string{"git"}, nil, []string{"git/commits", "git/pulls"}},
		{[]string{"git/*"}, []string{"*/pulls"}, []string{"git/commits"}},
		{nil, []string{"git"}, []string{"mailer"}},
		{[]string{"m*"}, nil, []string{"mailer"}},
		{nil, []string{"*"}, nil},
	}
	for _, test := range tests {
		pool, err := configured(t, workerfx.Config{Only: test.only, Except: test.except})
		require.NoError(t, err)
		assert.Equal(t, test.want, names(pool))
	}
}

func TestDisabledWorkerIsLeftOut(t *testing.T) {
	pool, err := configured(t, workerfx.Config{Workers: map[string]workerfx.WorkerConfig{"mailer": {Disabled: true}}})
	require.NoError(t, err)
	assert.Equal(t, []string{"git/commits", "git/pulls"}, names(pool))
	_, err = pool.Execution("mailer")
	assert.ErrorIs(t, err, workerfx.ErrUnknownWorker)
}

func TestConfigErrorsNameFieldAndValue(t *testing.T) {
	tests := map[string]workerfx.Config{
		`config names worker "mialer": unknown worker; did you mean "mailer"?`:        {Workers: map[string]workerfx.WorkerConfig{"mialer": {}}},
		`only names worker "gti": unknown worker`:                                     {Only: []string{"gti", "mailer"}},
		`except names worker "x"`:                                                     {Except: []string{"x"}},
		`only/except "[": syntax error in pattern`:                                    {Only: []string{"["}},
		`only "reprot-*": fits no worker`:                                             {Only: []string{"reprot-*", "mailer"}},
		`except "gti/*": fits no worker`:                                              {Except: []string{"gti/*"}},
		`stopTimeout 10ns: is below a microsecond: is the unit missing, as in "10s"?`: {StopTimeout: 10},
		`defaults.backoff.initial 5ns`:                                                {Defaults: workerfx.WorkerConfig{Backoff: &workerfx.ExponentialBackoff{Initial: 5}}},
		`workers.mailer.interval 3ns`:                                                 {Workers: map[string]workerfx.WorkerConfig{"mailer": {Interval: new(time.Duration(3))}}},
		`worker "mailer": max attempts -1`:                                            {Workers: map[string]workerfx.WorkerConfig{"mailer": {MaxAttempts: new(-1)}}},
		`worker "defaults": run timeout -1s`:                                          {Defaults: workerfx.WorkerConfig{RunTimeout: new(-time.Second)}},
		`defaults.disabled`:                                                           {Defaults: workerfx.WorkerConfig{Disabled: true}},
		`pool "a?": name "a?": must not contain '?' (letters, digits and . _ - / # : @ space may be used)`: {Name: "a?"},
		`metrics.buckets`:                          {Metrics: workerfx.MetricsConfig{Buckets: []time.Duration{2, 1}}},
		`metrics.namespace "my-app"`:               {Metrics: workerfx.MetricsConfig{Namespace: "my-app"}},
		`interval 1s: stands beside cron "@daily"`: {Workers: map[string]workerfx.WorkerConfig{"git": {Interval: new(time.Second), Cron: new("@daily")}}},
		`cron "61 * * * *"`:                        {Workers: map[string]workerfx.WorkerConfig{"mailer": {Cron: new("61 * * * *")}}},
		`replicas 3: is above max replicas 2`:      {Workers: map[string]workerfx.WorkerConfig{"mailer": {Replicas: new(3), MaxReplicas: new(2)}}},
		`jitter 2`:                                 {Workers: map[string]workerfx.WorkerConfig{"git": {Backoff: &workerfx.ExponentialBackoff{Jitter: 2}}}},
	}
	for want, config := range tests {
		_, err := configured(t, config)
		assert.ErrorContains(t, err, want)
	}
}

func TestConfigReachesTheWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := must(workerfx.NewPool(silent, workerfx.WithConfig(workerfx.Config{
			Defaults: workerfx.WorkerConfig{MaxAttempts: new(2), Backoff: &workerfx.ExponentialBackoff{Initial: time.Minute}},
			Workers:  map[string]workerfx.WorkerConfig{"w": {Backoff: &workerfx.ExponentialBackoff{Initial: time.Second}}},
		})))
		require.NoError(t, pool.Add(workerfx.NewWorker("w", func(context.Context) error { return errBoom })))
		require.NoError(t, pool.Start(t.Context()))
		time.Sleep(2 * time.Second)
		assert.Equal(t, workerfx.StatusError, execution(t, pool, "w").Status)
		require.NoError(t, pool.Stop(t.Context()))
	})
}

func TestNameMissingAtStartIsAnError(t *testing.T) {
	pool := must(workerfx.NewPool(silent, workerfx.WithConfig(workerfx.Config{Only: []string{"w"}})))
	require.ErrorIs(t, pool.Start(t.Context()), workerfx.ErrUnknownWorker)
	require.NoError(t, pool.Add(workerfx.NewWorker("w", untilStopped)))
	require.NoError(t, pool.Start(t.Context()))
	require.NoError(t, pool.Stop(t.Context()))
}

func TestTheConfigurationExcludesChildrenToo(t *testing.T) {
	for name, config := range map[string]workerfx.Config{
		"except":   {Except: []string{"p/c"}},
		"pattern":  {Except: []string{"p/*"}},
		"disabled": {Workers: map[string]workerfx.WorkerConfig{"p/c": {Disabled: true}}},
	} {
		bubble(name, t, func(t *testing.T) {
			pool := newPoolWith(t, workerfx.WithConfig(config))
			children := make(chan []string, 2)
			require.NoError(t, pool.Add(workerfx.NewWorker("p", func(ctx context.Context) error {
				err := workerfx.AddChild(ctx, workerfx.NewWorker("c", func(context.Context) error { panic("it runs") }))
				children <- workerfx.Children(ctx)
				return errors.Join(err, untilStopped(ctx))
			}, workerfx.WithReplicas(2))))
			require.NoError(t, pool.Start(t.Context()))
			require.Empty(t, <-children)
			require.Empty(t, <-children)
			require.Empty(t, pool.Excluded(), "children may have any number of names")
			require.NoError(t, pool.Stop(context.Background()))
		})
	}
	bubble("only the parent", t, func(t *testing.T) {
		pool := newPoolWith(t, workerfx.WithConfig(workerfx.Config{Only: []string{"p"}}))
		require.NoError(t, pool.Add(workerfx.NewWorker("p", func(ctx context.Context) error {
			return errors.Join(workerfx.AddChild(ctx, workerfx.NewWorker("c", untilStopped)), untilStopped(ctx))
		}, workerfx.WithReplicas(2))))
		require.NoError(t, pool.Start(t.Context()))
		synctest.Wait()
		require.Equal(t, workerfx.StatusRunning, execution(t, pool, "p/c").Status)
		require.Equal(t, workerfx.StatusRunning, execution(t, pool, "p#1/c").Status)
		require.NoError(t, pool.Stop(context.Background()))
	})
}

type brokenBackoff struct{ workerfx.StaticBackoff }

func (brokenBackoff) Validate() error { panic("boom") }

func TestABackoffWhoseValidatePanicsIsAnError(t *testing.T) {
	err := newPool(t).Add(workerfx.NewWorker("w", untilStopped, workerfx.WithBackoff(brokenBackoff{})))
	require.ErrorContains(t, err, `worker "w"`)
	require.ErrorContains(t, err, "its method Validate: panic: boom")
}

func TestDefaultsOfSchedulesAreForWorkersThatHaveOne(t *testing.T) {
	var config workerfx.Config
	require.NoError(t, json.Unmarshal([]byte(`{"defaults": {"jitter": 0.1, "missed": "runOnce", "startImmediately": true}}`), &config))
	pool := newPoolWith(t, workerfx.WithConfig(config))
	require.NoError(t, pool.Add(workerfx.NewWorker("plain", untilStopped)))
	require.NoError(t, pool.Add(workerfx.NewWorker("scheduled", untilStopped, workerfx.WithInterval(time.Hour))))
	require.ErrorContains(t, pool.Add(workerfx.NewWorker("wrong", untilStopped, workerfx.WithJitter(0.2))), "jitter 0.2: needs a schedule")
}

func TestMissingUnitsAreToldInOneOrder(t *testing.T) {
	texts := make(map[string]bool)
	for range 30 {
		five := workerfx.WorkerConfig{Heartbeat: new(time.Duration(5))}
		pool := must(workerfx.NewPool(silent, workerfx.WithConfig(workerfx.Config{Workers: map[string]workerfx.WorkerConfig{"a": five, "b": five, "c": five}})))
		for _, name := range []string{"a", "b", "c"} {
			require.NoError(t, pool.Add(workerfx.NewWorker(name, succeeds)))
		}
		texts[pool.Start(t.Context()).Error()] = true
	}
	require.Len(t, texts, 1)
}
