package workerfx_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx"
)

func TestHealthIsForPoolsThatRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := newPool(t, workerfx.NewWorker("w", fails))
		require.ErrorIs(t, pool.Health(), workerfx.ErrNotStarted)
		require.NoError(t, pool.Start(t.Context()))
		synctest.Wait()
		require.NotErrorIs(t, pool.Health(), workerfx.ErrPoolStopped)
		require.NoError(t, pool.Stop(context.Background()))
		require.ErrorIs(t, pool.Health(), workerfx.ErrPoolStopped)
		require.ErrorIs(t, pool.Health(), errBoom, "what was wrong is still told")

		never := newPool(t)
		require.NoError(t, never.Stop(context.Background()))
		require.Error(t, never.Health())
	})
}

func TestHealthTellsWorkerTroubleAndSince(t *testing.T) {
	sleepThen := func(d time.Duration, run workerfx.RunFunc) workerfx.RunFunc {
		return func(ctx context.Context) error { time.Sleep(d); return run(ctx) }
	}
	tests := map[string]struct {
		worker workerfx.Worker
		want   workerfx.Trouble // 0 = none
		since  time.Duration
		err    error
		text   string
	}{
		"runs":              {worker: workerfx.NewWorker("w", untilStopped)},
		"has succeeded":     {worker: workerfx.NewWorker("w", func(context.Context) error { return nil }, workerfx.WithReadiness())},
		"is deferred":       {worker: workerfx.NewWorker("w", untilStopped, workerfx.WithDeferredStart(time.Hour))},
		"waits for a tick":  {worker: workerfx.NewWorker("w", fails, workerfx.WithInterval(time.Hour), workerfx.WithReadiness())},
		"has no replicas":   {worker: workerfx.NewWorker("w", fails, workerfx.WithReplicas(0), workerfx.WithReadiness())},
		"failed and works":  {worker: workerfx.NewWorker("w", readyOnAttempt(2), workerfx.WithMaxAttempts(2), static)},
		"failed":            {workerfx.NewWorker("w", sleepThen(10*time.Second, fails)), workerfx.TroubleFailed, 10 * time.Second, errBoom, `is failed since 2000-01-01T00:00:10Z: boom`},
		"failed, twice":     {workerfx.NewWorker("w", sleepThen(10*time.Second, fails), workerfx.WithMaxAttempts(2), static), workerfx.TroubleFailed, 10 * time.Second, errBoom, "boom"},
		"panicked":          {workerfx.NewWorker("w", func(context.Context) error { panic("at the disco") }), workerfx.TroubleFailed, 0, nil, "panic: at the disco"},
		"is failing":        {workerfx.NewWorker("w", sleepThen(10*time.Second, fails), workerfx.WithMaxAttempts(0), workerfx.WithBackoff(workerfx.StaticBackoff{Sleep: 20 * time.Second})), workerfx.TroubleFailing, 10 * time.Second, errBoom, "is failing since"},
		"last tick failed":  {workerfx.NewWorker("w", fails, workerfx.WithInterval(20*time.Second)), workerfx.TroubleFailing, 20 * time.Second, errBoom, "boom"},
		"stuck":             {workerfx.NewWorker("w", untilStopped, workerfx.WithHeartbeat(time.Second)), workerfx.TroubleStuck, 0, workerfx.ErrStuck, "no heartbeat for 1s"},
		"outlasts its time": {workerfx.NewWorker("w", sleepThen(time.Hour, fails), workerfx.WithRunTimeout(time.Second)), workerfx.TroubleStuck, 0, workerfx.ErrStuck, "still running after its run timeout of 1s"},
		"not ready":         {workerfx.NewWorker("w", untilStopped, workerfx.WithReadiness()), workerfx.TroubleNotReady, 0, nil, "is not ready since 2000-01-01T00:00:00Z"},
		"not begun":         {workerfx.NewWorker("w", untilStopped, workerfx.WithReadiness(), workerfx.WithDeferredStart(time.Hour)), workerfx.TroubleNotReady, 0, nil, "not ready"},
	}
	for name, test := range tests {
		bubble(name, t, func(t *testing.T) {
			start := time.Now()
			pool := startPool(t, test.worker)
			time.Sleep(50*time.Second + 1)
			synctest.Wait()
			err := pool.Health()
			if test.want == 0 {
				require.NoError(t, err)
				return
			}
			var health *workerfx.HealthError
			require.ErrorAs(t, err, &health)
			require.Len(t, health.Problems, 1)
			p := health.Problems[0]
			assert.Equal(t, "w", p.Worker)
			assert.Equal(t, test.want, p.Trouble)
			assert.True(t, health.Has(test.want))
			assert.Equal(t, test.since, p.Since.Sub(start))
			assert.Contains(t, p.String(), test.text)
			assert.ErrorContains(t, err, `worker "w"`)
			if test.err != nil {
				require.ErrorIs(t, p.Err, test.err)
				require.ErrorIs(t, err, test.err)
			}
		})
	}
}

func TestHealthOfAWorkerMayHaveTwoTroubles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := startPool(t,
			workerfx.NewWorker("a", fails, workerfx.WithReadiness(), workerfx.WithMaxAttempts(0), workerfx.WithBackoff(workerfx.StaticBackoff{Sleep: time.Hour})),
			workerfx.NewWorker("b", untilStopped, workerfx.WithReadiness(), workerfx.WithHeartbeat(time.Second)))
		time.Sleep(time.Minute)
		synctest.Wait()
		assert.Equal(t, []string{"a failing", "a not ready", "b stuck", "b not ready"}, troubles(pool.Health()))
	})
}

func TestHealthOfARunThatIsNotReadyHasTheLastFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := true
		pool := startPool(t, workerfx.NewWorker("w", func(ctx context.Context) error {
			if first {
				first = false
				return errBoom
			}
			return untilStopped(ctx)
		}, workerfx.WithReadiness(), workerfx.WithMaxAttempts(2), static))
		time.Sleep(time.Minute)
		synctest.Wait()
		err := pool.Health()
		require.Equal(t, []string{"w not ready"}, troubles(err))
		require.ErrorIs(t, err, errBoom)
		require.ErrorContains(t, err, "its last run failed: boom")
	})
}

func TestHealthIsSortedAndNamesReplicas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := startPool(t, workerfx.NewWorker("b", fails, workerfx.WithReplicas(12)), workerfx.NewWorker("a", fails))
		synctest.Wait()
		var health *workerfx.HealthError
		require.ErrorAs(t, pool.Health(), &health)
		require.Len(t, health.Problems, 13)
		for i, p := range health.Problems {
			want := "b"
			if i == 0 {
				want = "a"
			}
			assert.Equal(t, want, p.Worker)
			assert.Equal(t, max(0, i-1), p.Replica)
		}
		lines := strings.Split(health.Error(), "\n")
		require.Len(t, lines, 11)
		assert.Contains(t, lines[2], `worker "b#1" is failed`)
		assert.Equal(t, "and 3 more", lines[10])
	})
}

func TestHealthIsOneLineAProblemWhateverTheErrorSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := startPool(t, workerfx.NewWorker("w", func(context.Context) error { return errors.New("a\nb\x00") }),
			workerfx.NewWorker("x", func(context.Context) error { return brokenError{} }))
		synctest.Wait()
		assert.Len(t, strings.Split(pool.Health().Error(), "\n"), 2)
	})
}

// brokenError is an error that cannot say what it is.
type brokenError struct{}

func (brokenError) Error() string { panic("no text") }

func TestFailingIsSinceTheFirstOfTheFailuresInARow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		runs := 0
		pool := startPool(t, workerfx.NewWorker("w", func(context.Context) error {
			if runs++; runs == 3 {
				return nil
			}
			return errBoom
		}, workerfx.WithInterval(time.Minute)))
		since := func() time.Duration {
			synctest.Wait()
			var health *workerfx.HealthError
			if !errors.As(pool.Health(), &health) {
				return 0
			}
			return health.Problems[0].Since.Sub(start) / time.Minute
		}
		var got []time.Duration
		time.Sleep(time.Second)
		for range 6 {
			got = append(got, since())
			time.Sleep(time.Minute)
		}
		assert.Equal(t, []time.Duration{0, 1, 1, 0, 4, 4}, got)
	})
}

func TestHealthTellsWhatADependentWaitsForSinceWhen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := startPool(t, workerfx.NewWorker("b", untilStopped, workerfx.WithReadiness()))
		time.Sleep(time.Hour)
		start := time.Now()
		require.NoError(t, pool.Add(workerfx.NewWorker("a", untilStopped, after("b"))))
		time.Sleep(time.Minute)
		synctest.Wait()
		var health *workerfx.HealthError
		require.ErrorAs(t, pool.Health(), &health)
		require.Equal(t, []string{"a not ready", "b not ready"}, troubles(health))
		assert.Contains(t, health.Problems[0].String(), "waits for b")
		assert.Equal(t, start.UnixNano(), health.Problems[0].Since.UnixNano(), "since it was added")
	})
}

func TestHealthOfChildrenIsThatOfThePoolToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := startPool(t, workerfx.NewWorker("w", func(ctx context.Context) error {
			if err := workerfx.AddChild(ctx, workerfx.NewWorker("c", untilStopped), workerfx.WithHeartbeat(time.Second)); err != nil {
				return err
			}
			return untilStopped(ctx)
		}))
		time.Sleep(time.Minute)
		synctest.Wait()
		assert.Equal(t, []string{"w/c stuck"}, troubles(pool.Health()))
	})
}

func TestTroublesHaveNames(t *testing.T) {
	for trouble, want := range map[workerfx.Trouble]string{
		workerfx.TroubleFailed: "failed", workerfx.TroubleFailing: "failing", workerfx.TroubleStuck: "stuck",
		workerfx.TroubleNotReady: "not ready", 0: "unknown", 99: "unknown",
	} {
		assert.Equal(t, want, fmt.Sprint(trouble))
	}
}
