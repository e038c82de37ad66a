package middleware_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/middleware"
)

// counts are those of a Counter: started, running, succeeded, failed.
type counts [4]int64

func countsOf(c *middleware.Counter) counts {
	return counts{c.Started(), c.Running(), c.Succeeded(), c.Failed()}
}

func TestCounterJudgesCalls(t *testing.T) {
	var (
		good = counts{1, 0, 1, 0}
		bad  = counts{1, 0, 0, 1}
		none = counts{1, 0, 0, 0}
	)
	cancelled, cancel := context.WithCancelCause(context.Background())
	cancel(workerfx.ErrStopping)
	late, cancelLate := context.WithTimeout(context.Background(), 0)
	defer cancelLate()

	tests := map[string]struct {
		ctx  context.Context
		run  workerfx.RunFunc
		want counts
	}{
		"nil":                         {t.Context(), succeeds, good},
		"ErrDoNotRestart":             {t.Context(), returning(workerfx.ErrDoNotRestart), good},
		"ErrDoNotRestart and a cause": {t.Context(), returning(fmt.Errorf("%w: %w", workerfx.ErrDoNotRestart, errBoom)), bad},
		"ErrSkip":                     {t.Context(), returning(fmt.Errorf("not today: %w", workerfx.ErrSkip)), none},
		"an error":                    {t.Context(), fails, bad},
		"a panic":                     {t.Context(), panics, bad},
		"Goexit":                      {t.Context(), goexits, bad},
		"a broken error":              {t.Context(), returning(brokenError{}), bad},
		"obeying":                     {cancelled, obeys, none},
		"obeying with the cause":      {cancelled, returning(workerfx.ErrStopping), none},
		"obeying, wrapped":            {cancelled, returning(fmt.Errorf("query: %w", context.Canceled)), none},
		"obeying a pause":             {t.Context(), returning(workerfx.ErrStopping), none},
		"an error while stopping":     {cancelled, fails, bad},
		"a made-up cancellation":      {t.Context(), returning(context.Canceled), bad},
		"being late":                  {late, obeys, bad},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var counter middleware.Counter
			call(test.ctx, counter.Middleware()(test.run))
			assert.Equal(t, test.want, countsOf(&counter))
		})
	}
}

// brokenError panics when it is compared.
type brokenError struct{}

func (brokenError) Error() string { return "broken" }
func (brokenError) Is(error) bool { panic("broken") }

func TestCounterSeesWhatRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var counter middleware.Counter
		pool := newPool(t)
		start(t, pool, "w", obeys, workerfx.WithMiddleware(counter.Middleware()))
		synctest.Wait()
		assert.Equal(t, counts{1, 1, 0, 0}, countsOf(&counter))
		require.NoError(t, pool.Stop(t.Context()))
		assert.Equal(t, counts{1, 0, 0, 0}, countsOf(&counter), "to obey is no failure")
	})
}

func TestCounterCountsTheAttemptsOfAWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var counter middleware.Counter
		pool := newPool(t, workerfx.WithPoolMiddleware(counter.Middleware()))
		start(t, pool, "w", returning(errBoom, errBoom, nil), workerfx.WithMaxAttempts(3),
			workerfx.WithBackoff(workerfx.StaticBackoff{Sleep: time.Second}))
		time.Sleep(time.Minute)
		assert.Equal(t, workerfx.StatusSuccess, report(t, pool, "w").Status)
		assert.Equal(t, counts{3, 0, 1, 2}, countsOf(&counter))
	})
}

func TestCounterCountsManyAtOnce(t *testing.T) {
	var counter middleware.Counter
	good, bad := counter.Middleware()(succeeds), counter.Middleware()(fails)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 100 {
				_, _ = good(t.Context()), bad(t.Context())
				assert.LessOrEqual(t, counter.Running(), int64(8))
			}
		})
	}
	all.Wait()
	assert.Equal(t, counts{1600, 0, 800, 800}, countsOf(&counter))
}
