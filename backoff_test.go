package workerfx_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx"
)

func TestBackoffs(t *testing.T) {
	tests := map[string]struct {
		backoff workerfx.Backoff
		want    []time.Duration // of attempts 0, 1, 2 and so on
	}{
		"static":             {workerfx.StaticBackoff{Sleep: time.Second}, []time.Duration{0, 1e9, 1e9, 1e9}},
		"static zero":        {workerfx.StaticBackoff{}, []time.Duration{0, 0, 0}},
		"exponential zero":   {workerfx.ExponentialBackoff{}, []time.Duration{0, 1e9, 2e9, 4e9, 8e9, 16e9, 32e9, 60e9, 60e9}},
		"multiplier":         {workerfx.ExponentialBackoff{Initial: 1, Max: 100, Multiplier: 3}, []time.Duration{0, 1, 3, 9, 27, 81, 100}},
		"multiplier of one":  {workerfx.ExponentialBackoff{Initial: 5, Multiplier: 1}, []time.Duration{0, 5, 5, 5}},
		"initial above max":  {workerfx.ExponentialBackoff{Initial: time.Hour}, []time.Duration{0, time.Hour, time.Hour}},
		"as long as it gets": {workerfx.ExponentialBackoff{Initial: math.MaxInt64, Max: math.MaxInt64}, []time.Duration{0, math.MaxInt64, math.MaxInt64}},
	}
	for name, test := range tests {
		for attempt, want := range test.want {
			assert.Equal(t, want, test.backoff.Duration(attempt), "%s, attempt %d", name, attempt)
		}
		assert.Zero(t, test.backoff.Duration(-1), name)
		last := test.want[len(test.want)-1]
		assert.Equal(t, last, test.backoff.Duration(math.MaxInt), "%s, huge attempt", name)
	}
}

func TestJitterTakesAFractionOff(t *testing.T) {
	for jitter, least := range map[float64]time.Duration{0: 8 * time.Second, 0.5: 4 * time.Second, 1: 0} {
		backoff := workerfx.ExponentialBackoff{Jitter: jitter}
		seen := map[time.Duration]bool{}
		for range 1000 {
			d := backoff.Duration(4)
			assert.GreaterOrEqual(t, d, least)
			assert.LessOrEqual(t, d, 8*time.Second)
			seen[d] = true
		}
		assert.Equal(t, jitter > 0, len(seen) > 1)
	}
}

func FuzzExponentialBackoff(f *testing.F) {
	f.Add(int64(0), int64(0), 0.0, 0.0, 1)
	f.Add(int64(time.Second), int64(time.Minute), 2.0, 0.5, 1000)
	f.Add(int64(math.MaxInt64), int64(math.MaxInt64), math.Inf(1), 1.0, math.MaxInt)
	f.Add(int64(-1), int64(-1), math.NaN(), math.NaN(), -1)
	f.Fuzz(func(t *testing.T, initial, most int64, multiplier, jitter float64, attempt int) {
		backoff := workerfx.ExponentialBackoff{Initial: time.Duration(initial), Max: time.Duration(most), Multiplier: multiplier, Jitter: jitter}
		valid := newPool(t).Add(workerfx.NewWorker("w", untilStopped, workerfx.WithBackoff(backoff))) == nil
		d := backoff.Duration(attempt)
		if d < 0 {
			t.Errorf("%+v: attempt %d waits %v", backoff, attempt, d)
		}
		if limit := max(backoff.Max, backoff.Initial, time.Minute); valid && d > limit {
			t.Errorf("%+v: attempt %d waits %v, above %v", backoff, attempt, d, limit)
		}
	})
}

func TestAllFlawsOfAValueAreToldAtOnce(t *testing.T) {
	require.EqualError(t, workerfx.ExponentialBackoff{Initial: -1, Max: -2, Multiplier: 0.5, Jitter: 2}.Validate(),
		"initial -1ns must not be negative; max -2ns must not be negative; multiplier 0.5 must be a number of at least 1; jitter 2 must be between 0 and 1")
	err := newPool(t).Add(workerfx.NewWorker("w", untilStopped, workerfx.WithFailureLimit(workerfx.FailureLimit{Decay: -1})))
	require.ErrorContains(t, err, "threshold 0 must be at least 1; decay -1ns must be positive; pause 0s must be positive")
}
