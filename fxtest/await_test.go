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
		require.Equal(t, time.Hour, time.Since(begun))

		e := app.AwaitStatus("mailer", workerfx.StatusError)
		require.Equal(t, 2*time.Hour, time.Since(begun))
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
			fxtest.New(tb, failing(0), workerfx.ProvideWorker(func() workerfx.Worker { return workerfx.NewWorker("server", untilStopped) })).
				RequireStart().Within(90*time.Minute).AwaitStatus("mailer", workerfx.StatusSuccess)
		})
		require.Contains(t, failure, `worker "mailer": awaited status success for 1h30m0s
  last report: waiting, 2 runs, 2 failures, attempt 2, next run at Jan  1 02:00:00.000
  last failure: boom
  events:
    Jan  1 00:00:00.000 started
    Jan  1 00:00:00.000 failed: boom
    Jan  1 00:00:00.000 next attempt in 1h0m0s
    Jan  1 01:00:00.000 started
    Jan  1 01:00:00.000 failed: boom
    Jan  1 01:00:00.000 next attempt in 1h0m0s
  worker "server": running, 1 runs, 0 failures, attempt 1 of 1
  log:
`)
		require.Contains(t, failure, "\n    Jan  1 00:00:00.000 info worker pool started workers=2\n",
			"before or after the first lines of the workers, which run already")
		require.Regexp(t, `\n    Jan  1 01:00:00.000 warn worker failed, it will run again attempt=2 error=boom retryIn=1h0m0s worker=mailer workerExecutionID=\w+\n$`, failure)
	})
}

func TestAwaitUnknownWorkerNamesTheKnown(t *testing.T) {
	tb := &fakeTB{}
	failure := tb.run(func() { fxtest.New(tb, failing(1)).Within(-1).AwaitRuns("mailr", 1) })
	require.Contains(t, failure, `awaited 1 runs for 0s: worker "mailr": `+workerfx.ErrUnknownWorker.Error())
	require.Contains(t, failure, "\n  worker \"mailer\": pending, 0 runs")

	tb = &fakeTB{}
	failure = tb.run(func() { fxtest.New(tb).Within(-1).AwaitStatus("mailer", workerfx.StatusRunning) })
	require.Equal(t, "awaited status running for 0s: worker \"mailer\": "+workerfx.ErrUnknownWorker.Error()+
		"\n  the app has not started: was RequireStart called?\n", failure)
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

func TestAwaitInVainTellsWhyTheWorkerDoesNotRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for want, await := range map[string]func(tb fxtest.TB){
			"worker \"mailer\": awaited 1 runs for 1h0m0s\n  the app has not started: was RequireStart called?\n  last report: pending": func(tb fxtest.TB) {
				fxtest.New(tb, failing(1)).Within(time.Hour).AwaitRuns("mailer", 1)
			},
			"pool is not started\n  the app has not started: was RequireStart called?\n": func(tb fxtest.TB) {
				fxtest.New(tb, failing(1)).Within(time.Hour).AwaitReady()
			},
			"worker \"mailer\": awaited 2 runs for 1h0m0s\n  the worker has ended: it does not run again by itself\n  last report: error": func(tb fxtest.TB) {
				fxtest.New(tb, failing(1)).RequireStart().Within(time.Hour).AwaitRuns("mailer", 2)
			},
			"worker \"mailer\": awaited 2 runs for 1h0m0s\n  last report: waiting": func(tb fxtest.TB) {
				fxtest.New(tb, workerfx.ProvideWorker(newMailer, workerfx.WithName("mailer"), workerfx.WithMaxAttempts(0),
					workerfx.WithBackoff(workerfx.StaticBackoff{Sleep: 2 * time.Hour}))).RequireStart().Within(time.Hour).AwaitRuns("mailer", 2)
			},
		} {
			tb := &fakeTB{}
			require.Contains(t, tb.run(func() { await(tb) }), want)
		}
	})
}

func TestAwaitFailsAtOnceWhenThePoolIsStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const why = "\n  the pool is stopped: no run begins any more\n"
		for want, await := range map[string]func(app *fxtest.App){
			"worker \"mailer\": awaited 2 runs for ": func(app *fxtest.App) { app.AwaitRuns("mailer", 2) },
			"worker \"mailer\": awaited 3 runs for ": func(app *fxtest.App) { app.RequireStop(); app.AwaitRuns("mailer", 3) },
			"awaited status running for ":            func(app *fxtest.App) { app.RequireStop(); app.AwaitStatus("late", workerfx.StatusRunning) },
		} {
			tb := &fakeTB{}
			begun := time.Now()
			failure := tb.run(func() {
				await(fxtest.New(tb, workerfx.ProvideWorker(newMailer, workerfx.WithName("mailer"), workerfx.WithEssential())).RequireStart())
			})
			require.Contains(t, failure, want)
			require.Contains(t, failure, why)
			require.Less(t, time.Since(begun), time.Second)
		}
	})
}

func TestAwaitSeesTheEndOfARunThatOutlastsTheStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := fxtest.New(t, workerfx.ProvideWorker(func() workerfx.Worker {
			return workerfx.NewWorker("server", untilStopped, workerfx.WithStopTimeout(time.Second), workerfx.WithMiddleware(fxtest.Stubborn(time.Hour)))
		})).RequireStart()
		app.AwaitStatus("server", workerfx.StatusRunning)
		require.Error(t, app.Stop(t.Context()))
		app.AwaitStatus("server", workerfx.StatusStopped)
	})
}

func TestAwaitSeesAnAppThatIsStartedLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := fxtest.New(t, failing(1))
		started := make(chan error, 1)
		go func() {
			time.Sleep(time.Minute)
			started <- app.Start(t.Context())
		}()
		app.AwaitRuns("mailer", 1)
		require.NoError(t, <-started)
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

func TestLongRunIsSeenAtItsEnd(t *testing.T) {
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
		require.Equal(t, e.FinishedAt, time.Now())
	})
}

// newFeed is a worker that is ready after an hour, and fails at its second tick.
func newFeed() workerfx.Worker {
	ticks := 0
	return workerfx.NewWorker("feed", func(ctx context.Context) error {
		workerfx.Wait(ctx, time.Hour)
		workerfx.Ready(ctx)
		if ticks++; ticks == 2 {
			return errBoom
		}
		return nil
	}, workerfx.WithInterval(24*time.Hour), workerfx.WithStartImmediately(), workerfx.WithReadiness())
}

func TestAwaitEventFindsEventsOfThePastAndToCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := fxtest.New(t, fx.StartTimeout(2*time.Hour), workerfx.ProvideWorker(newFeed)).RequireStart()
		begun := time.Now()
		require.Zero(t, app.AwaitEvent("feed", workerfx.EventReady).Failures)
		require.Equal(t, begun, time.Now(), "the start has waited for it")

		e := app.AwaitEvent("feed", workerfx.EventFailed+"boom")
		require.EqualValues(t, 2, e.Runs)
		require.Equal(t, e.FinishedAt, time.Now())

		tb := &fakeTB{}
		failure := tb.run(func() {
			fxtest.New(tb, failing(1)).RequireStart().Within(time.Hour).AwaitEvent("mailer", workerfx.EventSucceeded)
		})
		require.Contains(t, failure, `worker "mailer": awaited event "succeeded" for 1h0m0s`)
	})
}

func TestAwaitReadyReturnsWhenAllWorkersAreReady(t *testing.T) {
	inAndOutOfBubble(t, func(t *testing.T) {
		app := fxtest.New(t, workerfx.ProvideWorker(func() workerfx.Worker { return workerfx.NewWorker("server", untilStopped) })).
			RequireStart().AwaitReady()
		require.Equal(t, workerfx.StatusRunning, app.AwaitStatus("server", workerfx.StatusRunning).Status)
		require.NoError(t, app.Pool.Add(workerfx.NewWorker("late", func(ctx context.Context) error {
			workerfx.Wait(ctx, 5*time.Millisecond)
			workerfx.Ready(ctx)
			return untilStopped(ctx)
		}, workerfx.WithReadiness())))
		app.AwaitReady()
		e, err := app.Pool.Execution("late")
		require.NoError(t, err)
		require.True(t, e.Ready)
	})
}

func TestAwaitReadyInVainNamesTheWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tb := &fakeTB{}
		failure := tb.run(func() {
			app := fxtest.New(tb, failing(1)).RequireStart()
			app.AwaitStatus("mailer", workerfx.StatusError)
			app.AwaitReady()
		})
		require.Contains(t, failure, `awaited that all workers are ready: worker "mailer" is failed since 2000-01-01T00:00:00Z: boom`)
		require.Contains(t, failure, "\n  worker \"mailer\": error, 1 runs")

		tb = &fakeTB{}
		failure = tb.run(func() { fxtest.New(tb, failing(1)).Within(time.Hour).AwaitReady() })
		require.Contains(t, failure, "awaited that all workers are ready: context deadline exceeded")
		require.Contains(t, failure, "\n  worker \"mailer\": pending")
	})
}
