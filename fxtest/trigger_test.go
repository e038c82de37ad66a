package fxtest_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/fxtest"
)

// nightly provides a worker "report" that runs at night. Its second run fails.
func nightly(run workerfx.RunFunc) fx.Option {
	return workerfx.ProvideWorker(func() workerfx.Worker {
		runs := 0
		return workerfx.NewWorker("report", func(ctx context.Context) error {
			if runs++; runs == 2 {
				return errBoom
			}
			return run(ctx)
		}, workerfx.WithCron("30 4 * * *"))
	})
}

func TestTriggerReturnsTheReportOfItsRun(t *testing.T) {
	inAndOutOfBubble(t, func(t *testing.T) {
		app := fxtest.New(t, nightly(func(context.Context) error { return nil })).RequireStart()
		first := app.Trigger("report")
		require.NoError(t, first.Err)
		require.EqualValues(t, 1, first.Runs)
		require.False(t, first.FinishedAt.IsZero())

		second := app.Trigger("report")
		require.ErrorIs(t, second.Err, errBoom)
		require.EqualValues(t, 2, second.Runs)
		require.NotEqual(t, first.ID, second.ID)
	})
}

func TestTriggerDuringARunAwaitsTheRunAfterIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		app := fxtest.New(t, nightly(func(ctx context.Context) error { workerfx.Wait(ctx, time.Hour); return nil })).RequireStart()
		app.AwaitStatus("report", workerfx.StatusRunning)
		require.Equal(t, 4*time.Hour+30*time.Minute, time.Since(begun))
		e := app.Trigger("report")
		require.EqualValues(t, 2, e.Runs)
		require.ErrorIs(t, e.Err, errBoom)
		require.Equal(t, 5*time.Hour+30*time.Minute, time.Since(begun))
	})
}

func TestTriggerInVainFailsTheTest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		endless := nightly(untilStopped)
		for want, trigger := range map[string]func(tb fxtest.TB){
			`worker "report": awaited the end of the triggered run for 1h0m0s`: func(tb fxtest.TB) {
				fxtest.New(tb, endless).RequireStart().Within(time.Hour).Trigger("report")
			},
			`worker "report": trigger: ` + workerfx.ErrNotStarted.Error(): func(tb fxtest.TB) { fxtest.New(tb, endless).Trigger("report") },
			`worker "raport": unknown worker; did you mean "report"?`:     func(tb fxtest.TB) { fxtest.New(tb, endless).RequireStart().Trigger("raport") },
			`worker "report": trigger: it is paused`: func(tb fxtest.TB) {
				app := fxtest.New(tb, endless).RequireStart()
				require.NoError(t, app.Pool.Pause("report"))
				app.AwaitStatus("report", workerfx.StatusPaused)
				app.Trigger("report")
			},
		} {
			tb := &fakeTB{}
			require.Contains(t, tb.run(func() { trigger(tb) }), want)
		}
	})
}

func TestTriggerOfOtherReplicasFailsTheTest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tb := &fakeTB{}
		begun := time.Now()
		require.Contains(t, tb.run(func() {
			var runs atomic.Int64
			app := fxtest.New(tb, workerfx.ProvideWorker(func() workerfx.Worker {
				return workerfx.NewWorker("w", func(ctx context.Context) error {
					if runs.Add(1) == 2 { // of replica 1
						return errBoom
					}
					return untilStopped(ctx)
				}, workerfx.WithMaxAttempts(0), workerfx.WithBackoff(workerfx.StaticBackoff{Sleep: time.Hour}))
			})).RequireStart()
			app.AwaitStatus("w", workerfx.StatusRunning)
			require.NoError(t, app.Pool.Scale("w", 2))
			synctest.Wait()
			app.Trigger("w")
		}), "replica 0 runs already, only other replicas were triggered")
		require.Zero(t, time.Since(begun))
	})
}
