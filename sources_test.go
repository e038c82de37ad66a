package workerfx_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx"
)

// slowly is a backoff that cannot be compared.
type slowly []time.Duration

func (slowly) Duration(int) time.Duration { return time.Hour }

type groupOfOne struct{ w workerfx.Worker }

func (g groupOfOne) Workers() []workerfx.Worker { return []workerfx.Worker{g.w} }
func (groupOfOne) Name() string                 { return "g" }

func TestSettingsTellWhereEachValueComesFrom(t *testing.T) {
	pool := must(workerfx.NewPool(silent, workerfx.WithConfig(workerfx.Config{
		Defaults: workerfx.WorkerConfig{MaxAttempts: new(5), Events: new(7)},
		Workers: map[string]workerfx.WorkerConfig{
			"g":   {StopTimeout: new(time.Second)},
			"g/w": {RunTimeout: new(2 * time.Minute)},
		},
	})))
	require.NoError(t, pool.Add(workerfx.NewWorker("bare", untilStopped)))
	require.NoError(t, pool.AddGroup(groupOfOne{workerfx.NewWorker("w", untilStopped,
		workerfx.WithBackoff(slowly{1}), workerfx.WithCron("*/5 * * * *"), workerfx.WithEvents(9))},
		workerfx.WithHealthyAfter(time.Hour), workerfx.WithEvents(8)))

	type value struct {
		text   string
		source workerfx.Source
	}
	settings := func(name string) map[string]value {
		list, err := pool.Settings(name)
		require.NoError(t, err)
		found := make(map[string]value)
		for _, s := range list {
			found[s.Name] = value{s.Value, s.Source}
		}
		require.Len(t, found, len(list))
		return found
	}
	bare := settings("bare")
	require.Equal(t, value{"5", workerfx.SourceDefaults}, bare["maxAttempts"])
	require.Equal(t, value{"0s", workerfx.SourceDefault}, bare["backoff"])
	require.Equal(t, value{"", workerfx.SourceDefault}, bare["schedule"])

	w := settings("g/w")
	for name, want := range map[string]value{
		"maxAttempts":  {"5", workerfx.SourceDefaults},
		"healthyAfter": {"1h0m0s", workerfx.SourceGroup},
		"events":       {"9", workerfx.SourceCode},
		"backoff":      {"workerfx_test.slowly", workerfx.SourceCode},
		"schedule":     {"cron */5 * * * *", workerfx.SourceCode},
		"stopTimeout":  {"1s", workerfx.SourceOverride},
		"runTimeout":   {"2m0s", workerfx.SourceOverride},
		"essential":    {"no", workerfx.SourceDefault},
	} {
		require.Equal(t, want, w[name], name)
	}
	require.Equal(t, "config by name", workerfx.SourceOverride.String())
	_, err := pool.Settings("x")
	require.ErrorIs(t, err, workerfx.ErrUnknownWorker)
}
