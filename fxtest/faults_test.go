package fxtest_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/fxtest"
)

// succeeds is the body of a worker that has nothing to do.
func succeeds(context.Context) error { return nil }

func TestFailingFailsTheFirstRunsOfEachWorker(t *testing.T) {
	inAndOutOfBubble(t, func(t *testing.T) {
		failing := fxtest.Failing(2, errBoom)
		for range 2 {
			run := failing(succeeds)
			for _, want := range []error{errBoom, errBoom, nil, nil} {
				require.Equal(t, want, run(t.Context()))
			}
		}
		require.NoError(t, fxtest.Failing(0, errBoom)(succeeds)(t.Context()))
	})
}

func TestPanickingPanicsInTheFirstRuns(t *testing.T) {
	run := fxtest.Panicking(1, "oops")(succeeds)
	require.PanicsWithValue(t, "oops", func() { _ = run(t.Context()) })
	require.NoError(t, run(t.Context()))
}

func TestFaultsAreAttemptsOfAPool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := fxtest.New(t, workerfx.ProvideWorker(func() workerfx.Worker {
			return workerfx.NewWorker("mailer", succeeds, workerfx.WithMaxAttempts(0),
				workerfx.WithMiddleware(fxtest.Failing(2, errBoom), fxtest.Panicking(1, "oops")))
		})).RequireStart()
		e := app.AwaitStatus("mailer", workerfx.StatusSuccess)
		require.Equal(t, []int64{4, 3}, []int64{e.Runs, e.Failures})
		require.EqualValues(t, 1, app.Metric("worker_panics_total", "worker", "mailer"))
	})
}

func TestStubbornIgnoresTheEndOfItsContextForATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool, err := workerfx.NewPool()
		require.NoError(t, err)
		require.NoError(t, pool.Add(workerfx.NewWorker("server", fxtest.Stubborn(time.Minute)(untilStopped))))
		require.NoError(t, pool.Add(workerfx.NewWorker("job", fxtest.Stubborn(time.Hour)(succeeds))))
		require.NoError(t, pool.Start(t.Context()))
		synctest.Wait()
		begun := time.Now()
		require.NoError(t, pool.Stop(t.Context()))
		require.Equal(t, time.Minute, time.Since(begun))
	})
}
