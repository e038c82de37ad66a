package fxtest_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/fxtest"
)

// failing provides a worker "mailer" that fails, and tries again an hour later.
func failing(attempts int) fx.Option {
	return workerfx.ProvideWorker(newMailer, workerfx.WithName("mailer"), workerfx.WithMaxAttempts(attempts),
		workerfx.WithBackoff(workerfx.StaticBackoff{Sleep: time.Hour}))
}

func TestRetriesAreSeenAsTheyHappen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := fxtest.New(t, failing(3)).RequireStart()
		begun := time.Now()
		require.EqualValues(t, 1, app.AwaitRuns("mailer", 2).Restarts)
		require.Less(t, time.Since(begun)-time.Hour, 2*time.Millisecond)

		e := app.AwaitStatus("mailer", workerfx.StatusError)
		require.Less(t, time.Since(begun)-2*time.Hour, 2*time.Millisecond)
		require.EqualValues(t, 3, e.Runs)
		require.ErrorIs(t, e.Err, errBoom)
		require.EqualValues(t, 2, app.Metric("worker_executions_total", "worker", "mailer", "status", "restarted"))
		require.Zero(t, app.Metric("worker_executions_total", "worker", "mailer", "status", "success"))
		require.Len(t, app.Spans("mailer"), 3)
	})
}

func TestAwaitInVainTellsTheLastReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tb := &fakeTB{}
		failure := tb.run(func() {
			fxtest.New(tb, failing(0)).RequireStart().Within(90*time.Minute).AwaitStatus("mailer", workerfx.StatusSuccess)
		})
		require.Equal(t, `worker "mailer": awaited status success for 1h30m0s
  last report: waiting, 2 runs, 2 failures, attempt 2, next run at Jan  1 02:00:00.000
  last failure: boom
  events:
    Jan  1 00:00:00.000 started
    Jan  1 00:00:00.000 failed: boom
    Jan  1 00:00:00.000 next attempt in 1h0m0s
    Jan  1 01:00:00.000 started
    Jan  1 01:00:00.000 failed: boom
    Jan  1 01:00:00.000 next attempt in 1h0m0s
`, failure)
	})
}

func TestAwaitUnknownWorkerNamesTheKnown(t *testing.T) {
	tb := &fakeTB{}
	failure := tb.run(func() { fxtest.New(tb, failing(1)).Within(-1).AwaitRuns("mailr", 1) })
	require.Contains(t, failure, `awaited 1 runs for 0s: worker "mailr": `+workerfx.ErrUnknownWorker.Error())
	require.Contains(t, failure, "\n  workers: \"mailer\"\n")

	tb = &fakeTB{}
	failure = tb.run(func() { fxtest.New(tb).Within(-1).AwaitStatus("mailer", workerfx.StatusRunning) })
	require.Contains(t, failure, "\n  workers: none\n")
}

func TestAwaitWorkerThatIsAddedLater(t *testing.T) {
	inAndOutOfBubble(t, func(t *testing.T) {
		app := fxtest.New(t).RequireStart()
		added := make(chan error, 1)
		go func() {
			time.Sleep(5 * time.Millisecond)
			added <- app.Pool.Add(workerfx.NewWorker("late", untilStopped))
		}()
		app.AwaitStatus("late", workerfx.StatusRunning)
		require.NoError(t, <-added)
	})
}

func TestDefaultLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tb := &fakeTB{}
		begun := time.Now()
		failure := tb.run(func() { fxtest.New(tb, failing(1)).RequireStart().AwaitRuns("mailer", 2) })
		require.Contains(t, failure, "awaited 2 runs for 48h0m0s")
		require.Equal(t, 48*time.Hour, time.Since(begun))
	})
	t.Run("real clock", func(t *testing.T) {
		tb := &fakeTB{}
		failure := tb.run(func() { fxtest.New(tb, failing(1)).Within(5*time.Millisecond).AwaitRuns("mailer", 1) })
		require.Contains(t, failure, "last report: pending, 0 runs, 0 failures, attempt 0 of 1")
	})
}

func TestLongRunIsSeenSoonAfterItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := fxtest.New(t, workerfx.ProvideWorker(func() workerfx.Worker {
			return workerfx.NewWorker("slow", func(ctx context.Context) error {
				workerfx.Wait(ctx, 10*time.Hour)
				return nil
			}, workerfx.WithDeferredStart(time.Hour))
		})).RequireStart()
		require.Zero(t, app.AwaitStatus("slow", workerfx.StatusDeferred).Runs)
		e := app.AwaitStatus("slow", workerfx.StatusSuccess)
		require.Equal(t, 10*time.Hour, e.FinishedAt.Sub(e.StartedAt))
		require.Less(t, time.Since(e.FinishedAt), 6*time.Minute, "a hundredth of the wait")
	})
}
