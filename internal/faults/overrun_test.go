package faults_test

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
	"github.com/workerfx/workerfx/fxtest"
)

// shortTime is the run timeout of the workers here: they are stuck a second later.
const shortTime = 10 * time.Second

// watched are the ways to look after a run that outlasts its timeout.
var watched = map[string][]workerfx.Option{
	"the timeout alone":     nil,
	"a heartbeat as well":   with(workerfx.WithHeartbeat(time.Second)),
	"a heartbeat that ends": with(workerfx.WithHeartbeat(time.Second, workerfx.RestartStuck)),
	"a heartbeat as long":   with(workerfx.WithHeartbeat(shortTime, workerfx.RestartStuck)),
}

// overrunning is a worker whose first run hangs until it is released, whatever its context says, and does what it is
// told then.
func overrunning(release <-chan struct{}, then workerfx.RunFunc, options ...workerfx.Option) workerfx.Worker {
	first := true
	return workerfx.NewWorker("w", func(ctx context.Context) error {
		if !first {
			defer workerfx.Standby(ctx)()
			return untilStopped(ctx)
		}
		first = false
		hangHere(release)
		return then(ctx)
	}, append(with(workerfx.WithRunTimeout(shortTime), workerfx.WithMaxAttempts(2), second, workerfx.WithStopTimeout(5*time.Second)), options...)...)
}

// stuckEvents counts how often a worker was reported as stuck.
func stuckEvents(e workerfx.Execution) (n int) {
	for _, event := range e.Events {
		if strings.HasPrefix(event.Message, workerfx.EventStuck) {
			n++
		}
	}
	return n
}

// requireOverrun requires that the worker "w" of an app is stuck, and told of once wherever one looks.
func requireOverrun(t *testing.T, app *fxtest.App) {
	t.Helper()
	synctest.Wait()
	var health *workerfx.HealthError
	require.ErrorAs(t, app.Pool.Health(), &health)
	require.Len(t, health.Problems, 1)
	problem := health.Problems[0]
	require.Equal(t, "w", problem.Worker)
	require.Equal(t, workerfx.TroubleStuck, problem.Trouble)
	require.ErrorIs(t, problem.Err, workerfx.ErrStuck)
	require.ErrorContains(t, problem.Err, "still running after its run timeout of 10s")
	require.False(t, problem.Since.IsZero())

	e := report(t, app.Pool, "w")
	require.Equal(t, workerfx.StatusRunning, e.Status)
	require.Equal(t, 1, stuckEvents(e), "%v", e.Events)
	lines := 0
	for _, line := range app.Logs("w") {
		if line.Message == "worker is stuck" {
			lines++
			require.Contains(t, line.Fields["stack"], "faults_test.hangHere")
		}
	}
	require.Equal(t, 1, lines)
	require.EqualValues(t, 1, app.Metric("worker_stuck", "worker", "w"))
}

// eachOverrun runs a test with each way to look after a run.
func eachOverrun(t *testing.T, name string, test func(t *testing.T, options []workerfx.Option)) {
	t.Helper()
	for how, options := range watched {
		bubble(name+", "+how, t, func(t *testing.T) { test(t, options) })
	}
}

func TestIgnoredRunTimeoutIsReportedOnce(t *testing.T) {
	ends := brokenRuns()
	ends["error of a context not ended"] = broken{ends["error of a context not ended"].run, "", 0} // it has, for being stuck
	ends["ctx.Err"] = broken{func(ctx context.Context) error { return ctx.Err() }, "", 0}
	ends["cause"] = broken{context.Cause, "", 0}
	ends["wrapped"] = broken{func(ctx context.Context) error { return fmt.Errorf("poll: %w", ctx.Err()) }, "poll: ", 0}
	for name, end := range ends {
		eachOverrun(t, name, func(t *testing.T, options []workerfx.Option) {
			release := make(chan struct{})
			app := startApp(t, overrunning(release, end.run, options...))
			time.Sleep(11*time.Second - 1)
			synctest.Wait()
			if options == nil {
				require.NoError(t, app.Pool.Health(), "it has a moment to obey the end of its context")
			}
			time.Sleep(1 * time.Nanosecond)
			requireOverrun(t, app)
			time.Sleep(24 * time.Hour)
			requireOverrun(t, app)

			close(release)
			e := report(t, app.Pool, "w")
			require.Equal(t, workerfx.StatusWaiting, e.Status)
			require.Equal(t, []int64{1, 1}, []int64{e.Runs, e.Failures})
			require.ErrorContains(t, e.Err, end.says)
			require.Equal(t, end.panics, app.Metric("worker_panics_total", "worker", "w"))
			require.Zero(t, app.Metric("worker_stuck", "worker", "w"))
			time.Sleep(2 * time.Second)
			e = report(t, app.Pool, "w")
			require.Equal(t, workerfx.StatusRunning, e.Status)
			require.EqualValues(t, 2, e.Runs)
			require.Equal(t, 1, stuckEvents(e))
			app.RequireStop()
		})
	}
}

func TestARunThatEndsWellAfterItsTimeSucceededUnlessItWasToBeRunAgain(t *testing.T) {
	eachOverrun(t, "nil", func(t *testing.T, options []workerfx.Option) {
		release := make(chan struct{})
		pool := startPool(t, overrunning(release, succeeds, options...))
		time.Sleep(time.Minute)
		require.ErrorIs(t, pool.Health(), workerfx.ErrStuck)
		close(release)
		e := report(t, pool, "w")
		if hung := e.Failures > 0; hung { // its heartbeat was missed first
			require.ErrorIs(t, e.Err, workerfx.ErrStuck)
			require.Equal(t, workerfx.StatusWaiting, e.Status)
		} else {
			require.NoError(t, pool.Health())
			require.Equal(t, workerfx.StatusSuccess, e.Status)
		}
		stop(t, pool)
	})
}

func TestStopOfARunThatIgnoresTheEndOfItsTimeNamesItAndNoOtherBegins(t *testing.T) {
	for when, before := range map[string]time.Duration{"before its time is over": time.Second, "after": time.Minute} {
		eachOverrun(t, when, func(t *testing.T, options []workerfx.Option) {
			release := make(chan struct{})
			app := startApp(t, overrunning(release, fails, append(options, workerfx.WithStopTimeout(0))...))
			time.Sleep(before)
			begin := time.Now()
			straggler := requireStraggler(t, app.Pool, "w", 30*time.Second)
			assert.Equal(t, 30*time.Second, time.Since(begin))
			assert.Contains(t, straggler.Stack, "faults_test.hangHere")
			assert.Equal(t, 1, stuckEvents(report(t, app.Pool, "w")))
			err := app.Pool.Health()
			require.ErrorIs(t, err, workerfx.ErrPoolStopped)
			require.ErrorIs(t, err, workerfx.ErrStuck)
			close(release)
			e := report(t, app.Pool, "w")
			assert.Equal(t, workerfx.StatusError, e.Status)
			assert.EqualValues(t, 1, e.Runs)
			assert.ErrorContains(t, e.Err, "boom")
			var health *workerfx.HealthError
			require.ErrorAs(t, app.Pool.Health(), &health)
			assert.True(t, health.Has(workerfx.TroubleFailed) && !health.Has(workerfx.TroubleStuck), "%v", health)
			stop(t, app.Pool)
		})
	}
}

// commandsToAnOverrun wait until the run has ended. The number is how many runs follow soon after that, or -1 if the
// worker is removed.
var commandsToAnOverrun = map[string]struct {
	give   func(p *workerfx.Pool) error
	blocks bool
	runs   int64
	status workerfx.Status
}{
	"Remove":             {func(p *workerfx.Pool) error { return p.Remove(context.Background(), "w") }, true, -1, 0},
	"Restart":            {func(p *workerfx.Pool) error { return p.Restart("w") }, true, 2, workerfx.StatusRunning},
	"Restart twice":      {func(p *workerfx.Pool) error { return errors.Join(p.Restart("w"), p.Restart("w")) }, true, 2, workerfx.StatusRunning},
	"Pause":              {func(p *workerfx.Pool) error { return p.Pause("w") }, false, 1, workerfx.StatusPaused},
	"Pause and Restart":  {func(p *workerfx.Pool) error { return errors.Join(p.Pause("w"), p.Restart("w")) }, true, 1, workerfx.StatusPaused},
	"Pause and Resume":   {func(p *workerfx.Pool) error { return errors.Join(p.Pause("w"), p.Resume("w")) }, false, 2, workerfx.StatusRunning},
	"Scale to 0":         {func(p *workerfx.Pool) error { return p.Scale("w", 0) }, false, 1, workerfx.StatusPaused},
	"Scale to 0 and 1":   {func(p *workerfx.Pool) error { return errors.Join(p.Scale("w", 0), p.Scale("w", 1)) }, false, 2, workerfx.StatusRunning},
	"Scale and Remove":   {func(p *workerfx.Pool) error { _ = p.Scale("w", 0); return p.Remove(context.Background(), "w") }, true, -1, 0},
	"Restart and Remove": {func(p *workerfx.Pool) error { _ = p.Restart("w"); return p.Remove(context.Background(), "w") }, true, -1, 0},
}

func TestACommandToARunThatIgnoresTheEndOfItsTimeComesBackAndDoublesNothing(t *testing.T) {
	for name, command := range commandsToAnOverrun {
		eachOverrun(t, name, func(t *testing.T, options []workerfx.Option) {
			release := make(chan struct{})
			app := startApp(t, overrunning(release, fails, options...))
			time.Sleep(time.Minute)
			begin := time.Now()
			err := command.give(app.Pool)
			if command.blocks {
				var late *workerfx.StopError
				require.ErrorAs(t, err, &late)
				require.Contains(t, late.Stragglers[0].Stack, "faults_test.hangHere")
			} else {
				require.NoError(t, err)
			}
			assert.LessOrEqual(t, time.Since(begin), 10*time.Second)
			time.Sleep(time.Minute)
			requireOverrun(t, app)
			assert.EqualValues(t, 1, report(t, app.Pool, "w").Runs, "none beside it")

			close(release)
			time.Sleep(2 * time.Second)
			synctest.Wait()
			if command.runs < 0 {
				assert.Empty(t, app.Pool.Executions())
				assert.False(t, app.MetricExists("worker_stuck", "worker", "w"))
				app.RequireStop()
				return
			}
			e := report(t, app.Pool, "w")
			assert.Equal(t, command.runs, e.Runs)
			assert.Equal(t, command.status, e.Status)
			assert.Zero(t, app.Metric("worker_stuck", "worker", "w"))
			app.RequireStop()
		})
	}
}

func TestARunThatWaitsForAChildBeyondItsTimeIsStuck(t *testing.T) {
	eachOverrun(t, "child", func(t *testing.T, options []workerfx.Option) {
		release := make(chan struct{})
		app := startApp(t, workerfx.NewWorker("w", func(ctx context.Context) error {
			begun := make(chan struct{})
			if workerfx.CtxAttempt(ctx) > 1 {
				defer workerfx.Standby(ctx)()
				return untilStopped(ctx)
			}
			assert.NoError(t, workerfx.AddChild(ctx, workerfx.NewWorker("child", func(context.Context) error {
				close(begun)
				hangHere(release)
				return nil
			})))
			<-begun
			return errBoom
		}, append(options, workerfx.WithRunTimeout(shortTime), endless, second)...))
		time.Sleep(11*time.Second - 1)
		synctest.Wait()
		require.NoError(t, app.Pool.Health(), "a job that has returned sends no heartbeat")
		time.Sleep(time.Hour)
		synctest.Wait()
		err := app.Pool.Health()
		require.ErrorContains(t, err, `worker "w" is stuck`)
		require.ErrorContains(t, err, "still running after its run timeout")
		assert.Equal(t, 1, stuckEvents(report(t, app.Pool, "w")))
		assert.EqualValues(t, 1, app.Metric("worker_stuck", "worker", "w"))
		close(release)
		time.Sleep(2 * time.Second)
		e := report(t, app.Pool, "w")
		assert.EqualValues(t, 2, e.Runs)
		assert.NotErrorIs(t, app.Pool.Health(), workerfx.ErrStuck)
		app.RequireStop()
	})
}

func TestMissedHeartbeatAndIgnoredTimeoutAreBothReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		pool := startPool(t, workerfx.NewWorker("w", func(ctx context.Context) error {
			time.Sleep(2 * time.Second)
			for range 100 { // from 2s to 52s
				workerfx.Heartbeat(ctx)
				time.Sleep(time.Second / 2)
			}
			hangHere(release)
			return nil
		}, workerfx.WithHeartbeat(time.Second), workerfx.WithRunTimeout(shortTime)))
		time.Sleep(time.Hour)
		var stuck []string
		for _, event := range report(t, pool, "w").Events {
			if event.Message != workerfx.EventStarted {
				stuck = append(stuck, event.Message)
			}
		}
		assert.Equal(t, []string{
			workerfx.EventStuck + "worker is stuck: no heartbeat for 1s", workerfx.EventRecovered,
			workerfx.EventStuck + "worker is stuck: still running after its run timeout of 10s",
		}, stuck, "and no heartbeat mends that")
		close(release)
		stop(t, pool)
	})
}

func TestALongRunTimeoutIsNotOverAtOnce(t *testing.T) {
	for _, timeout := range []time.Duration{longest, longest - 1, longest - time.Second + 1, longest - time.Second, longest - time.Hour} {
		bubble(timeout.String(), t, func(t *testing.T) {
			pool := startPool(t, workerfx.NewWorker("w", untilStopped, workerfx.WithRunTimeout(timeout), workerfx.WithHeartbeat(longest, workerfx.RestartStuck)))
			for _, wait := range []time.Duration{0, 1, time.Second, time.Hour, 100 * 365 * 24 * time.Hour} {
				time.Sleep(wait)
				synctest.Wait()
				require.NoError(t, pool.Health())
			}
			assert.EqualValues(t, 1, report(t, pool, "w").Runs)
			stop(t, pool)
		})
	}
}

// TestARunThatEndsAtTheVeryMomentLeavesNothingBehind has runs that end when they are about to be stuck.
func TestARunThatEndsAtTheVeryMomentLeavesNothingBehind(t *testing.T) {
	for _, off := range []time.Duration{-1, 0, 1} {
		bubble(off.String(), t, func(t *testing.T) {
			app := startApp(t, workerfx.NewWorker("w", func(context.Context) error {
				time.Sleep(1100*time.Millisecond + off)
				return nil
			}, workerfx.WithRunTimeout(time.Second), workerfx.WithInterval(2*time.Second)))
			for range 100 {
				time.Sleep(2 * time.Second)
				synctest.Wait()
				stuck := app.Pool.Health() != nil
				assert.Equal(t, stuck, app.Metric("worker_stuck", "worker", "w") > 0)
				assert.False(t, stuck && report(t, app.Pool, "w").Status != workerfx.StatusRunning)
			}
			e := report(t, app.Pool, "w")
			assert.LessOrEqual(t, int64(stuckEvents(e)), e.Runs)
			if off != 0 {
				assert.Equal(t, off > 0, stuckEvents(e) > 0, "%v", e.Events)
			}
			app.RequireStop()
		})
	}
}
