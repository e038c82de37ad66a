package workerfx_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx"
)

// ticks returns when a worker ran within d, from its start on.
func ticks(t *testing.T, d time.Duration, took time.Duration, opts ...workerfx.Option) (at []time.Duration, e workerfx.Execution) {
	t.Helper()
	start := time.Now()
	pool := startPool(t, workerfx.NewWorker("w", func(ctx context.Context) error {
		at = append(at, time.Since(start))
		time.Sleep(took)
		return nil
	}, opts...))
	time.Sleep(d)
	e = execution(t, pool, "w")
	require.NoError(t, pool.Stop(context.Background()))
	return at, e
}

func TestIntervalTicksLieOnAGrid(t *testing.T) {
	tests := map[string]struct {
		took   time.Duration
		opts   []workerfx.Option
		want   []time.Duration
		missed int64
	}{
		"instant":        {0, nil, []time.Duration{1e9, 2e9, 3e9, 4e9}, 0},
		"quick":          {300 * time.Millisecond, nil, []time.Duration{1e9, 2e9, 3e9, 4e9}, 0},
		"slow":           {1500 * time.Millisecond, nil, []time.Duration{1e9, 3e9}, 2},
		"at once":        {0, []workerfx.Option{workerfx.WithStartImmediately()}, []time.Duration{0, 1e9, 2e9, 3e9, 4e9}, 0},
		"deferred":       {0, []workerfx.Option{workerfx.WithDeferredStart(1500 * time.Millisecond)}, []time.Duration{2500e6, 3500e6, 4500e6}, 0},
		"both":           {0, []workerfx.Option{workerfx.WithDeferredStart(1500 * time.Millisecond), workerfx.WithStartImmediately()}, []time.Duration{1500e6, 2500e6, 3500e6, 4500e6}, 0},
		"odd":            {0, []workerfx.Option{workerfx.WithInterval(1200 * time.Millisecond)}, []time.Duration{1200e6, 2400e6, 3600e6}, 0},
		"below a second": {0, []workerfx.Option{workerfx.WithInterval(900*time.Millisecond + 1)}, []time.Duration{900e6 + 1, 1800e6 + 2, 2700e6 + 3, 3600e6 + 4, 4500e6 + 5}, 0},
	}
	for name, test := range tests {
		bubble(name, t, func(t *testing.T) {
			opts := append([]workerfx.Option{workerfx.WithInterval(time.Second)}, test.opts...)
			at, e := ticks(t, 4700*time.Millisecond, test.took, opts...)
			assert.Equal(t, test.want, at)
			assert.Equal(t, test.missed, e.MissedTicks)
		})
	}
}

func TestScheduledWorkerReportsItsNextTick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := startPool(t, workerfx.NewWorker("w", func(context.Context) error { return nil }, workerfx.WithInterval(time.Minute)))
		start := time.Now()
		e := execution(t, pool, "w")
		assert.Equal(t, workerfx.StatusWaiting, e.Status)
		assert.True(t, e.NextRunAt.Equal(start.Add(time.Minute)), e.NextRunAt)
		time.Sleep(90 * time.Second)
		e = execution(t, pool, "w")
		assert.Equal(t, workerfx.StatusWaiting, e.Status)
		assert.True(t, e.NextRunAt.Equal(start.Add(2*time.Minute)), e.NextRunAt)
		assert.EqualValues(t, 1, e.Runs)
		require.NoError(t, pool.Stop(context.Background()))
		assert.Equal(t, workerfx.StatusStopped, execution(t, pool, "w").Status)
	})
}

func TestFailingTickIsRetriedWithinItsTick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var at []time.Duration
		var attempts []int
		pool := startPool(t, workerfx.NewWorker("w", func(ctx context.Context) error {
			at = append(at, time.Since(start))
			attempts = append(attempts, workerfx.CtxAttempt(ctx))
			return errBoom
		}, workerfx.WithInterval(time.Minute), workerfx.WithMaxAttempts(3), static))
		time.Sleep(150 * time.Second)
		e := execution(t, pool, "w")
		assert.Equal(t, []time.Duration{60e9, 61e9, 62e9, 120e9, 121e9, 122e9}, at)
		assert.Equal(t, []int{1, 2, 3, 1, 2, 3}, attempts)
		assert.Equal(t, workerfx.StatusWaiting, e.Status)
		assert.ErrorIs(t, e.Err, errBoom)
	})
}

func TestSkippedTickDoesNotCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := startPool(t, workerfx.NewWorker("w", func(context.Context) error {
			return fmt.Errorf("nothing to do: %w", workerfx.ErrSkip)
		}, workerfx.WithInterval(time.Minute)), workerfx.NewWorker("plain", func(context.Context) error { return workerfx.ErrSkip }))
		time.Sleep(150 * time.Second)
		e := execution(t, pool, "w")
		assert.Equal(t, workerfx.StatusWaiting, e.Status)
		assert.NoError(t, e.Err)
		assert.EqualValues(t, 2, e.Runs)
		assert.Zero(t, e.Failures)
		assert.True(t, e.HasEvent(workerfx.EventSkipped))
		got := gather(t, registered(t, pool))
		assert.Zero(t, got[`worker_executions_total{status="success",worker="w"}`])
		assert.Equal(t, workerfx.StatusError, execution(t, pool, "plain").Status, "without a schedule it is an error like any other")
	})
}

func TestDoNotRestartEndsASchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := startPool(t, workerfx.NewWorker("w", func(context.Context) error { return workerfx.ErrDoNotRestart }, workerfx.WithInterval(time.Minute)))
		time.Sleep(time.Hour)
		e := execution(t, pool, "w")
		assert.Equal(t, workerfx.StatusSuccess, e.Status)
		assert.EqualValues(t, 1, e.Runs)
	})
}

func TestCronInEveryForm(t *testing.T) {
	// A bubble's clock begins at midnight UTC of 2000-01-01, a Saturday.
	tests := map[string]time.Duration{
		"CRON_TZ=UTC */5 * * * *":          5 * time.Minute,
		"CRON_TZ=UTC 30 * * * * *":         30 * time.Second,
		"@every 90s":                       90 * time.Second,
		"@every 250ms":                     250 * time.Millisecond,
		"CRON_TZ=UTC @daily":               24 * time.Hour,
		"CRON_TZ=UTC @hourly":              time.Hour,
		"CRON_TZ=UTC 0 9 * * MON":          57 * time.Hour,
		"CRON_TZ=Europe/Berlin 30 1 * * *": 30 * time.Minute,
		"CRON_TZ=UTC 0 0 2 * MON":          24 * time.Hour, // the 2nd or a Monday
	}
	for spec, first := range tests {
		bubble(spec, t, func(t *testing.T) {
			at, _ := ticks(t, first+time.Millisecond, 0, workerfx.WithCron(spec))
			assert.Equal(t, []time.Duration{first}, at)
		})
	}
}

func TestBadSchedulesAreErrorsThatNameThem(t *testing.T) {
	tests := map[string]workerfx.Option{
		`cron "61 * * * *": end of range (61) above maximum (59)`: workerfx.WithCron("61 * * * *"),
		`cron "0 0 30 2 *": never comes`:                          workerfx.WithCron("0 0 30 2 *"),
		`cron ""`:                                                 workerfx.WithCron(""),
		`cron "@every -1s"`:                                       workerfx.WithCron("@every -1s"),
		`cron "@every soon"`:                                      workerfx.WithCron("@every soon"),
		`cron "CRON_TZ=Mars/Base * * * * *"`:                      workerfx.WithCron("CRON_TZ=Mars/Base * * * * *"),
		`interval 0s: must be positive`:                           workerfx.WithInterval(0),
		`interval -1s`:                                            workerfx.WithInterval(-time.Second),
		`schedule <nil>: is nil`:                                  workerfx.WithSchedule(nil),
		`jitter 1.5`:                                              workerfx.WithJitter(1.5),
		`jitter 0.5: needs a schedule`:                            workerfx.WithJitter(0.5),
		`start immediately true: needs a schedule`:                workerfx.WithStartImmediately(),
		`missed "runOnce": needs a schedule`:                      workerfx.WithMissed(workerfx.MissedRunOnce),
	}
	for want, option := range tests {
		err := newPool(t).Add(workerfx.NewWorker("mailer", untilStopped, option))
		assert.ErrorContains(t, err, `worker "mailer": `)
		assert.ErrorContains(t, err, want)
	}
}

type scheduleFunc func(time.Time) time.Time

func (f scheduleFunc) Next(t time.Time) time.Time { return f(t) }

func TestCustomSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		at, e := ticks(t, time.Hour, 0, workerfx.WithSchedule(scheduleFunc(func(t time.Time) time.Time {
			if n++; n > 3 {
				return time.Time{}
			}
			return t.Add(time.Duration(n) * time.Second)
		})))
		assert.NotEmpty(t, at)
		assert.Equal(t, workerfx.StatusSuccess, e.Status, "a schedule that has no more ticks ends the worker well")
	})
}

func TestBrokenScheduleEndsTheWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, e := ticks(t, time.Hour, 0, workerfx.WithSchedule(scheduleFunc(func(time.Time) time.Time { panic("no") })))
		assert.Equal(t, workerfx.StatusError, e.Status)
		_, e = ticks(t, time.Minute, 0, workerfx.WithSchedule(scheduleFunc(func(t time.Time) time.Time { return t })))
		assert.LessOrEqual(t, e.Runs, int64(60), "one that does not move on is no hot loop")
	})
}

func TestJitterDelaysWithinTheInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at, _ := ticks(t, 100*time.Second, 0, workerfx.WithInterval(time.Second), workerfx.WithJitter(0.5))
		require.Greater(t, len(at), 95)
		late := map[time.Duration]bool{}
		for i, d := range at {
			grid := time.Duration(i+1) * time.Second
			assert.GreaterOrEqual(t, d, grid)
			assert.LessOrEqual(t, d, grid+500*time.Millisecond)
			late[d-grid] = true
		}
		assert.Greater(t, len(late), 50)
	})
}

// TestCronOverAYear runs daily and hourly jobs through both clock changes of two zones.
func TestCronOverAYear(t *testing.T) {
	if testing.Short() {
		t.Skip("a year takes a second")
	}
	for _, zone := range []string{"America/New_York", "Europe/Berlin"} {
		location, err := time.LoadLocation(zone)
		require.NoError(t, err)
		for spec, want := range map[string]int{
			"30 2 * * *": 366,      // 2000 was a leap year; the night without 2:30 has its run after the gap
			"30 1 * * *": 366,      // once also in the night that has 1:30 twice
			"0 * * * *":  366 * 24, // every hour that was
		} {
			bubble(zone+" "+spec, t, func(t *testing.T) {
				var local []time.Time
				pool := startPool(t, workerfx.NewWorker("w", func(context.Context) error {
					local = append(local, time.Now().In(location))
					return nil
				}, workerfx.WithCron("CRON_TZ="+zone+" "+spec)))
				time.Sleep(366 * 24 * time.Hour)
				synctest.Wait()
				assert.InDelta(t, want, len(local), 1)
				days := map[string]int{}
				for _, at := range local {
					days[at.Format(time.DateOnly)]++
				}
				if want == 366 {
					for day, n := range days {
						assert.Equal(t, 1, n, "%s", day)
					}
				}
				require.NoError(t, pool.Stop(context.Background()))
			})
		}
	}
}

func FuzzCron(f *testing.F) {
	for _, spec := range []string{"* * * * *", "*/5 1-3,7 L * MON", "@every 1s", "CRON_TZ=UTC 0 0 29 2 *", "@reboot", "\xff"} {
		f.Add(spec)
	}
	f.Fuzz(func(t *testing.T, spec string) {
		err := newPool(t).Add(workerfx.NewWorker("w", untilStopped, workerfx.WithCron(spec)))
		if err != nil && len(err.Error()) > 5000 {
			t.Errorf("an error of %d bytes", len(err.Error()))
		}
	})
}

func TestMissedTicksAreMadeUpForByOneRunAtOnce(t *testing.T) {
	tests := map[string]struct {
		took, until time.Duration
		do          func(t *testing.T, pool *workerfx.Pool)
		want        []time.Duration
		missed      int64
	}{
		"during a run":            {1500 * time.Millisecond, 5 * time.Second, nil, []time.Duration{1e9, 2500e6, 4e9}, 3},
		"none, as runs are quick": {300 * time.Millisecond, 3500 * time.Millisecond, nil, []time.Duration{1e9, 2e9, 3e9}, 0},
		"during a pause": {0, 6500 * time.Millisecond, func(t *testing.T, pool *workerfx.Pool) {
			time.Sleep(1500 * time.Millisecond)
			require.NoError(t, pool.Pause("w"))
			time.Sleep(3 * time.Second) // until 4.5s
			require.NoError(t, pool.Resume("w"))
		}, []time.Duration{1e9, 4500e6, 5e9, 6e9}, 3},
		"a triggered run makes up, too": {2500 * time.Millisecond, 6 * time.Second, func(t *testing.T, pool *workerfx.Pool) {
			time.Sleep(1500 * time.Millisecond)
			require.NoError(t, pool.Trigger("w"))
		}, []time.Duration{1e9, 3500e6, 6e9}, 5},
	}
	for name, test := range tests {
		bubble(name, t, func(t *testing.T) {
			var at []time.Duration
			start := time.Now()
			pool := startPool(t, workerfx.NewWorker("w", func(context.Context) error {
				at = append(at, time.Since(start))
				time.Sleep(test.took)
				return nil
			}, workerfx.WithInterval(time.Second), workerfx.WithMissed(workerfx.MissedRunOnce)))
			if test.do != nil {
				test.do(t, pool)
			}
			time.Sleep(test.until - time.Since(start))
			e := execution(t, pool, "w")
			require.NoError(t, pool.Stop(t.Context()))
			require.Equal(t, test.want, at)
			require.Equal(t, test.missed, e.MissedTicks)
		})
	}
}

func TestRescheduleIsFromTheNextWaitOn(t *testing.T) {
	tests := map[string]struct {
		after, took time.Duration
		opts        []workerfx.Option
		want        []time.Duration
	}{
		"while it waits":        {90 * time.Minute, 0, nil, []time.Duration{time.Hour, 91 * time.Minute, 92 * time.Minute}},
		"while it runs":         {61 * time.Minute, 90 * time.Second, nil, []time.Duration{time.Hour, 62 * time.Minute, 64 * time.Minute}},
		"before its first tick": {30 * time.Minute, 0, nil, []time.Duration{31 * time.Minute, 32 * time.Minute}},
		"while its start waits": {time.Minute, 0, []workerfx.Option{workerfx.WithDeferredStart(time.Hour)}, []time.Duration{61 * time.Minute, 62 * time.Minute}},
	}
	for name, test := range tests {
		bubble(name, t, func(t *testing.T) {
			var at []time.Duration
			start := time.Now()
			pool := startPool(t, workerfx.NewWorker("w", func(context.Context) error {
				at = append(at, time.Since(start))
				time.Sleep(test.took)
				return nil
			}, append(test.opts, workerfx.WithInterval(time.Hour))...))
			time.Sleep(test.after)
			synctest.Wait()
			schedule, err := workerfx.ParseCron("@every 1m")
			require.NoError(t, err)
			require.NoError(t, pool.Reschedule("w", schedule))
			settings, err := pool.Settings("w")
			require.NoError(t, err)
			require.Contains(t, settings, workerfx.Setting{Name: "schedule", Value: "every 1m0s", Source: workerfx.SourceCommand})
			time.Sleep(test.want[len(test.want)-1] - time.Since(start))
			synctest.Wait()
			require.NoError(t, pool.Stop(t.Context()))
			require.Equal(t, test.want, at)
		})
	}
}

// flawed is a schedule that misbehaves from one of its calls on.
type flawed struct {
	calls, from int
	how         func()
}

func (s *flawed) Next(after time.Time) time.Time {
	if s.calls++; s.calls >= s.from {
		s.how()
	}
	return after.Add(time.Minute)
}

func TestANewScheduleIsAskedAfterABrokenOne(t *testing.T) {
	ways := map[string]func(){"panics": func() { panic("no idea") }, "exits": runtime.Goexit}
	for name, how := range ways {
		for _, from := range []int{1, 3} {
			bubble(fmt.Sprintf("%s at call %d", name, from), t, func(t *testing.T) {
				pool := startPool(t, workerfx.NewWorker("w", func(context.Context) error { return nil },
					workerfx.WithSchedule(&flawed{from: from, how: how})))
				time.Sleep(time.Hour)
				require.Equal(t, workerfx.StatusError, execution(t, pool, "w").Status)

				hourly, err := workerfx.ParseCron("@every 1h")
				require.NoError(t, err)
				require.NoError(t, pool.Reschedule("w", hourly))
				synctest.Wait()
				require.Equal(t, workerfx.StatusError, execution(t, pool, "w").Status, "it is done until Restart")
				require.NoError(t, pool.Restart("w"))
				before := execution(t, pool, "w").Runs
				time.Sleep(3 * time.Hour)
				e := execution(t, pool, "w")
				require.Equal(t, workerfx.StatusWaiting, e.Status)
				require.Equal(t, before+3, e.Runs)

				require.NoError(t, pool.Reschedule("w", &flawed{from: 1, how: how}))
				synctest.Wait()
				require.ErrorContains(t, execution(t, pool, "w").Err, "schedule is broken")
			})
		}
	}
}

// A schedule may be replaced while it is asked. What it does then is not the fault of the new one.
func TestANewScheduleIsAskedThoughTheOldOneBreaksMeanwhile(t *testing.T) {
	for name, how := range map[string]func(){"panics": func() { panic("no idea") }, "exits": runtime.Goexit} {
		bubble(name, t, func(t *testing.T) {
			slow := &flawed{from: 1, how: func() { time.Sleep(time.Second); how() }}
			pool := startPool(t, workerfx.NewWorker("w", func(context.Context) error { return nil }, workerfx.WithSchedule(slow)))
			synctest.Wait() // it is being asked
			hourly, err := workerfx.ParseCron("@every 1h")
			require.NoError(t, err)
			require.NoError(t, pool.Reschedule("w", hourly))
			time.Sleep(3*time.Hour + time.Minute)
			e := execution(t, pool, "w")
			require.Equal(t, workerfx.StatusWaiting, e.Status)
			require.EqualValues(t, 3, e.Runs)
		})
	}
}

func TestRescheduleSaysWhatItCannotDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := startPool(t, workerfx.NewWorker("w", untilStopped), workerfx.NewWorker("tick", untilStopped, workerfx.WithInterval(time.Hour)))
		schedule, err := workerfx.ParseCron("@daily")
		require.NoError(t, err)
		require.ErrorContains(t, pool.Reschedule("tick", nil), `worker "tick": reschedule: the schedule is nil`)
		require.ErrorContains(t, pool.Reschedule("w", schedule), `worker "w": reschedule: it has no schedule`)
		require.ErrorIs(t, pool.Reschedule("x", schedule), workerfx.ErrUnknownWorker)
		require.NoError(t, pool.Reschedule("tick", schedule))
	})
}

func TestSchedulesDoNotDriftInAnHour(t *testing.T) {
	for name, schedule := range map[string]workerfx.Option{
		"interval": workerfx.WithInterval(time.Second), "cron": workerfx.WithCron("* * * * * *"),
	} {
		bubble(name, t, func(t *testing.T) {
			begun := time.Now()
			ticks := 0
			pool := startPool(t, workerfx.NewWorker("w", func(ctx context.Context) error {
				ticks++
				if at := time.Since(begun); at != time.Duration(ticks)*time.Second {
					t.Errorf("tick %d came after %v", ticks, at)
				}
				workerfx.Wait(ctx, time.Duration(ticks%900)*time.Millisecond) // the next one does not wait for that
				return nil
			}, schedule))
			time.Sleep(time.Hour + time.Millisecond)
			require.NoError(t, pool.Stop(context.Background()))
			require.Equal(t, 3600, ticks)
		})
	}
}

func TestAScheduleThatIsScaledToZeroGoesOnWithItsNextTick(t *testing.T) {
	bubble("", t, func(t *testing.T) {
		pool := startPool(t, workerfx.NewWorker("w", succeeds, workerfx.WithCron("CRON_TZ=UTC 0 4 * * *")))
		time.Sleep(12 * time.Hour)
		require.NoError(t, pool.Scale("w", 0))
		time.Sleep(time.Hour)
		require.NoError(t, pool.Scale("w", 1))
		synctest.Wait()
		e := execution(t, pool, "w")
		require.EqualValues(t, 1, e.Runs)
		require.Equal(t, 4, e.NextRunAt.UTC().Hour())
	})
}

func TestTicksDuringTheFirstRunAreMissedToo(t *testing.T) {
	bubble("", t, func(t *testing.T) {
		runs := 0
		pool := startPool(t, workerfx.NewWorker("w", func(context.Context) error {
			if runs++; runs == 1 {
				time.Sleep(3500 * time.Millisecond)
			}
			return nil
		}, workerfx.WithInterval(time.Second), workerfx.WithStartImmediately(), workerfx.WithMissed(workerfx.MissedRunOnce)))
		time.Sleep(3700 * time.Millisecond)
		e := execution(t, pool, "w")
		require.EqualValues(t, 3, e.MissedTicks)
		require.EqualValues(t, 2, e.Runs, "one makes up for them")
	})
}

func TestRescheduleDuringADeferredStartMissesNothing(t *testing.T) {
	for name, first := range map[string]workerfx.Option{"interval": workerfx.WithInterval(time.Hour), "cron": workerfx.WithCron("@hourly")} {
		bubble(name, t, func(t *testing.T) {
			pool := startPool(t, workerfx.NewWorker("w", succeeds, first,
				workerfx.WithDeferredStart(time.Hour), workerfx.WithMissed(workerfx.MissedRunOnce)))
			synctest.Wait()
			require.NoError(t, pool.Reschedule("w", must(workerfx.ParseCron("@every 1m"))))
			time.Sleep(time.Second)
			e := execution(t, pool, "w")
			require.Zero(t, e.MissedTicks)
			require.Zero(t, e.Runs)
			time.Sleep(time.Hour + time.Minute)
			require.EqualValues(t, 1, execution(t, pool, "w").Runs)
		})
	}
}

// endsAfterOneTick is a schedule with one tick.
type endsAfterOneTick struct {
	asked int
	takes time.Duration // to say that there is no other
}

func (s *endsAfterOneTick) Next(after time.Time) time.Time {
	if s.asked++; s.asked == 1 {
		return after.Add(time.Second)
	}
	time.Sleep(s.takes)
	return time.Time{}
}

func TestATriggerRunsOnceMoreThoughNoTickFollows(t *testing.T) {
	bubble("during the run", t, func(t *testing.T) {
		pool := startPool(t, workerfx.NewWorker("w", func(context.Context) error { time.Sleep(time.Minute); return nil },
			workerfx.WithSchedule(&endsAfterOneTick{})))
		time.Sleep(2 * time.Second)
		require.NoError(t, pool.Trigger("w"))
		time.Sleep(time.Hour)
		e := execution(t, pool, "w")
		require.EqualValues(t, 2, e.Runs)
		require.Equal(t, workerfx.StatusSuccess, e.Status)
	})
	bubble("while the schedule is asked", t, func(t *testing.T) {
		pool := startPool(t, workerfx.NewWorker("w", succeeds, workerfx.WithSchedule(&endsAfterOneTick{takes: time.Second})))
		time.Sleep(1500 * time.Millisecond)
		require.NoError(t, pool.Trigger("w"))
		time.Sleep(time.Hour)
		e := execution(t, pool, "w")
		require.EqualValues(t, 2, e.Runs)
		require.Equal(t, workerfx.StatusSuccess, e.Status)
	})
}

func TestTheFirstRunAfterScalingUpFromZeroIsThatOfAStart(t *testing.T) {
	bubble("at once", t, func(t *testing.T) {
		pool := startPool(t, workerfx.NewWorker("w", succeeds, workerfx.WithReplicas(0), workerfx.WithInterval(time.Hour), workerfx.WithStartImmediately()))
		synctest.Wait()
		require.NoError(t, pool.Scale("w", 1))
		synctest.Wait()
		require.EqualValues(t, 1, execution(t, pool, "w").Runs)
	})
	bubble("deferred", t, func(t *testing.T) {
		pool := startPool(t, workerfx.NewWorker("w", succeeds, workerfx.WithReplicas(0), workerfx.WithInterval(time.Minute), workerfx.WithDeferredStart(time.Hour)))
		synctest.Wait()
		require.NoError(t, pool.Scale("w", 1))
		time.Sleep(30 * time.Minute)
		require.Zero(t, execution(t, pool, "w").Runs)
	})
}

func TestAPauseKeepsTheRunThatMakesUp(t *testing.T) {
	bubble("", t, func(t *testing.T) {
		var runs []time.Duration
		begin := time.Now()
		pool := startPool(t, workerfx.NewWorker("w", func(context.Context) error {
			runs = append(runs, time.Since(begin))
			if len(runs) == 1 {
				time.Sleep(2500 * time.Millisecond)
			}
			return nil
		}, workerfx.WithInterval(time.Second), workerfx.WithMissed(workerfx.MissedRunOnce)))
		time.Sleep(2 * time.Second)
		require.NoError(t, pool.Pause("w")) // during the first run, from 1s to 3.5s
		time.Sleep(1600 * time.Millisecond)
		require.NoError(t, pool.Resume("w")) // at 3.6s: the ticks at 2s and 3s were missed
		synctest.Wait()
		require.Equal(t, []time.Duration{time.Second, 3600 * time.Millisecond}, runs)
		e := execution(t, pool, "w")
		require.EqualValues(t, 2, e.MissedTicks)
		require.Equal(t, begin.Add(4*time.Second).UnixNano(), e.NextRunAt.UnixNano())
	})
}

// times is a schedule of a few ticks.
type times []time.Time

func (s times) Next(after time.Time) time.Time {
	for _, at := range s {
		if at.After(after) {
			return at
		}
	}
	return time.Time{}
}

func TestTheLastTickOfAScheduleIsMadeUpFor(t *testing.T) {
	bubble("", t, func(t *testing.T) {
		begin := time.Now()
		var runs []time.Duration
		s := times{begin.Add(time.Second), begin.Add(2 * time.Second)}
		pool := startPool(t, workerfx.NewWorker("w", func(context.Context) error {
			runs = append(runs, time.Since(begin))
			time.Sleep(1500 * time.Millisecond)
			return nil
		}, workerfx.WithSchedule(s), workerfx.WithMissed(workerfx.MissedRunOnce)))
		time.Sleep(time.Minute)
		e := execution(t, pool, "w")
		require.Equal(t, []time.Duration{time.Second, 2500 * time.Millisecond}, runs)
		require.Equal(t, workerfx.StatusSuccess, e.Status)
		require.EqualValues(t, 1, e.MissedTicks)
	})
}

func TestTicksOfAWorkerThatWasDoneAreNotMissed(t *testing.T) {
	bubble("", t, func(t *testing.T) {
		done := true
		pool := startPool(t, workerfx.NewWorker("w", func(context.Context) error {
			if done {
				return workerfx.ErrDoNotRestart
			}
			return nil
		}, workerfx.WithInterval(time.Second), workerfx.WithMissed(workerfx.MissedRunOnce)))
		time.Sleep(time.Hour)
		require.Equal(t, workerfx.StatusSuccess, execution(t, pool, "w").Status)
		done = false
		require.NoError(t, pool.Restart("w"))
		time.Sleep(1500 * time.Millisecond)
		e := execution(t, pool, "w")
		require.EqualValues(t, 3, e.Runs)
		require.Zero(t, e.MissedTicks)
	})
}

func TestATriggeredRunTakesATickThatIsDue(t *testing.T) {
	bubble("", t, func(t *testing.T) {
		pool := startPool(t, workerfx.NewWorker("w", succeeds, workerfx.WithInterval(time.Hour), workerfx.WithJitter(1)))
		time.Sleep(time.Hour) // the tick, which jitter delays by up to an hour
		synctest.Wait()
		require.NoError(t, pool.Trigger("w"))
		e := execution(t, pool, "w")
		require.EqualValues(t, 1, e.Runs)
		require.Zero(t, e.MissedTicks)
	})
}
