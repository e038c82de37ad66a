package fxtest_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/fxtest"
)

func TestRunOnceReportsARunAsAPoolDoes(t *testing.T) {
	for name, tt := range map[string]struct {
		end    func() error
		status workerfx.Status
		check  func(t *testing.T, err error)
	}{
		"success": {func() error { return nil }, workerfx.StatusSuccess, func(t *testing.T, err error) { require.NoError(t, err) }},
		"failure": {func() error { return errBoom }, workerfx.StatusError, func(t *testing.T, err error) { require.ErrorIs(t, err, errBoom) }},
		"panic": {func() error { panic("oops") }, workerfx.StatusError, func(t *testing.T, err error) {
			var panicked *workerfx.PanicError
			require.ErrorAs(t, err, &panicked)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			inAndOutOfBubble(t, func(t *testing.T) {
				var id string
				e := fxtest.RunOnce(t, workerfx.NewWorker("mailer", func(ctx context.Context) error {
					id = workerfx.CtxExecutionID(ctx)
					_, span := workerfx.CtxTracer(ctx).Start(ctx, "dial")
					defer span.End()
					assert.True(t, span.IsRecording())
					assert.Equal(t, zerolog.TraceLevel, workerfx.CtxLogger(ctx).GetLevel())
					return tt.end()
				}))
				require.Equal(t, tt.status, e.Status)
				require.Equal(t, []any{"mailer", id, 1, int64(1)}, []any{e.Worker, e.ID, e.Attempt, e.Runs})
				tt.check(t, e.Err)
			})
		})
	}
}

func TestRunOnceHasOneRunWhateverTheOptionsSay(t *testing.T) {
	for name, option := range map[string]workerfx.Option{
		"attempts":       workerfx.WithMaxAttempts(0),
		"deferred start": workerfx.WithDeferredStart(time.Hour),
		"interval":       workerfx.WithInterval(time.Nanosecond),
		"cron":           workerfx.WithCron("@yearly"),
		"replicas":       workerfx.WithReplicas(3),
		"no replicas":    workerfx.WithReplicas(0),
		"after":          workerfx.WithAfter("database", "cache"),
		"readiness":      workerfx.WithReadiness(),
		"essential":      workerfx.WithEssential(),
	} {
		for _, end := range []error{nil, errBoom} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					begun, runs := time.Now(), 0
					w := workerfx.NewWorker("w", func(context.Context) error { runs++; return end }, option)
					for i, run := range []func() workerfx.Execution{
						func() workerfx.Execution { return fxtest.RunOnce(t, w) },
						func() workerfx.Execution { return fxtest.RunOnce(t, w, option) },
					} {
						e := run()
						require.Equal(t, []any{i + 1, int64(1), end}, []any{runs, e.Runs, e.Err})
						require.Equal(t, end == nil, e.Status == workerfx.StatusSuccess, "%v", e.Status)
					}
					require.Zero(t, time.Since(begun))
				})
			})
		}
	}
}

func TestRunOnceUsesMiddlewareAndTimeouts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := fxtest.RunOnce(t, workerfx.NewWorker("server", untilStopped),
			workerfx.WithRunTimeout(time.Hour), workerfx.WithMiddleware(fxtest.Stubborn(time.Minute)))
		require.ErrorIs(t, e.Err, context.DeadlineExceeded)
		require.Equal(t, time.Hour+time.Minute, e.FinishedAt.Sub(e.StartedAt))
	})
}

func TestRunOnceEndsWithARunThatIsStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := fxtest.RunOnce(t, workerfx.NewWorker("server", untilStopped), workerfx.WithHeartbeat(time.Minute, workerfx.RestartStuck))
		require.ErrorIs(t, e.Err, workerfx.ErrStuck)
		require.Equal(t, []any{workerfx.StatusError, int64(1)}, []any{e.Status, e.Runs})
	})
}

func TestRunOnceFailsTheTestForABadWorker(t *testing.T) {
	for want, run := range map[string]func(tb fxtest.TB){
		"fxtest.RunOnce: worker is nil": func(tb fxtest.TB) { fxtest.RunOnce(tb, nil) },
		`fxtest.RunOnce: worker "w": deferred start -1ns`: func(tb fxtest.TB) {
			fxtest.RunOnce(tb, workerfx.NewWorker("w", untilStopped, workerfx.WithDeferredStart(-1)))
		},
		`fxtest.RunOnce: worker "w": interval 0s`: func(tb fxtest.TB) {
			fxtest.RunOnce(tb, workerfx.NewWorker("w", untilStopped), workerfx.WithInterval(0))
		},
		`fxtest.RunOnce: worker "w": option 2 is nil`: func(tb fxtest.TB) {
			fxtest.RunOnce(tb, workerfx.NewWorker("w", untilStopped), workerfx.WithReadiness(), nil)
		},
		`"w": fxtest.Failing: n -1`: func(tb fxtest.TB) {
			fxtest.RunOnce(tb, workerfx.NewWorker("w", untilStopped), workerfx.WithMiddleware(fxtest.Failing(-1, errBoom)))
		},
		`"w": fxtest.Failing: err is nil`: func(tb fxtest.TB) {
			fxtest.RunOnce(tb, workerfx.NewWorker("w", untilStopped), workerfx.WithMiddleware(fxtest.Failing(1, nil)))
		},
		`"w": fxtest.Panicking: n -1`: func(tb fxtest.TB) {
			fxtest.RunOnce(tb, workerfx.NewWorker("w", untilStopped), workerfx.WithMiddleware(fxtest.Panicking(-1, 0)))
		},
		`"w": fxtest.Stubborn: d -1ns`: func(tb fxtest.TB) {
			fxtest.RunOnce(tb, workerfx.NewWorker("w", untilStopped), workerfx.WithMiddleware(fxtest.Stubborn(-1)))
		},
	} {
		tb := &fakeTB{}
		assert.Contains(t, tb.run(func() { run(tb) }), want)
	}
}

func TestRunOnceTellsWhatAnEndlessWorkerDid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tb := &fakeTB{}
		failure := tb.run(func() {
			fxtest.RunOnce(tb, workerfx.NewWorker("server", func(ctx context.Context) error {
				workerfx.CtxLogger(ctx).Info().Int("port", 8080).Msg("listening")
				return untilStopped(ctx)
			}))
		})
		require.Contains(t, failure, `worker "server": awaited the end of the run for 48h0m0s
  last report: running, 1 runs, 0 failures, attempt 1 of 1
  events:
    Jan  1 00:00:00.000 started
  log:
`)
		require.Contains(t, failure, "\n    Jan  1 00:00:00.000 info listening port=8080 worker=server workerExecutionID=")
	})
}

func TestRunOnceTellsAWorkerThatDoesNotStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		tb := &fakeTB{}
		failure := tb.run(func() {
			fxtest.RunOnce(tb, workerfx.NewWorker("stubborn", func(context.Context) error { <-release; return nil }))
		})
		close(release)
		require.Contains(t, failure, `awaited the end of the run`)
		require.Contains(t, failure, "fxtest.RunOnce: 1 did not stop in time: \"stubborn\"")
	})
}

func TestAFailedTestTellsWhatTheWorkersDid(t *testing.T) {
	fails := func(context.Context) error { return errors.New("server\nis down") }
	for name, run := range map[string]func(tb fxtest.TB){
		"an app": func(tb fxtest.TB) {
			app := fxtest.New(tb, workerfx.ProvideWorker(func() workerfx.Worker { return workerfx.NewWorker("mailer", fails) })).RequireStart()
			app.AwaitStatus("mailer", workerfx.StatusError)
			app.RequireStop()
		},
		"RunOnce": func(tb fxtest.TB) { fxtest.RunOnce(tb, workerfx.NewWorker("mailer", fails)) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tb := &fakeTB{}
				tb.run(func() { run(tb) })
				require.NotContains(t, tb.logged(), "when the test failed")

				tb = &fakeTB{}
				tb.run(func() {
					run(tb)
					tb.Errorf("not what was expected")
				})
				require.Contains(t, tb.logged(), `when the test failed
  worker "mailer": error, 1 runs, 1 failures, attempt 1 of 1, last failure: server; is down
  `)
				require.Contains(t, tb.logged(), `error worker failed attempt=1 error=server; is down`)
			})
		})
	}
}
