package workerfx_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx"
)

// The tests of this file give commands that cross each other, or the end of a run.

func TestCommandTakenBackDuringARunDoesNoHarm(t *testing.T) {
	second := func(ctx context.Context) error { workerfx.Wait(ctx, time.Second); return nil }
	commands := map[string]func(*workerfx.Pool) error{
		"pause and resume": func(p *workerfx.Pool) error { return join(p.Pause("w"), p.Resume("w")) },
		"less and more":    func(p *workerfx.Pool) error { return join(p.Less("w"), p.More("w")) },
	}
	bodies := map[string]workerfx.RunFunc{
		"a loop":             workerfx.Loop(second),
		"one that obeys":     untilStopped,
		"one that stops nil": func(ctx context.Context) error { <-ctx.Done(); return nil },
	}
	for name, order := range commands {
		for what, body := range bodies {
			bubble(name+" "+what, t, func(t *testing.T) {
				pool := startPool(t, workerfx.NewWorker("w", body, workerfx.WithEssential()))
				time.Sleep(100 * time.Millisecond)
				require.NoError(t, order(pool))
				time.Sleep(time.Minute)
				e := execution(t, pool, "w")
				assert.Equal(t, workerfx.StatusRunning, e.Status)
				assert.Zero(t, e.Failures)
				require.NoError(t, pool.Stop(context.Background()))
			})
		}
	}
}

func join(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func TestCommandsDuringAWaitLoseNoTick(t *testing.T) {
	commands := map[string]struct {
		command func(*workerfx.Pool) error
		want    []time.Duration
	}{
		"trigger": {func(p *workerfx.Pool) error { return p.Trigger("w") }, []time.Duration{2, 5, 10}},
		"restart": {func(p *workerfx.Pool) error { return p.Restart("w") }, []time.Duration{2, 5, 10}},
		"pause":   {func(p *workerfx.Pool) error { return join(p.Pause("w"), p.Resume("w")) }, []time.Duration{5, 10}},
	}
	schedules := map[string]workerfx.Option{"cron": workerfx.WithCron("CRON_TZ=UTC */5 * * * *"), "interval": workerfx.WithInterval(5 * time.Minute)}
	for name, test := range commands {
		for kind, schedule := range schedules {
			bubble(name+" "+kind, t, func(t *testing.T) {
				start := time.Now()
				var at []time.Duration
				pool := startPool(t, workerfx.NewWorker("w", func(context.Context) error {
					at = append(at, time.Since(start)/time.Minute)
					return nil
				}, schedule))
				time.Sleep(2 * time.Minute)
				require.NoError(t, test.command(pool))
				time.Sleep(9 * time.Minute)
				synctest.Wait()
				assert.Equal(t, test.want, at)
			})
		}
	}
}

func TestPausedWorkerStaysPausedWhenScaledUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := startPool(t, workerfx.NewWorker("w", func(context.Context) error { return nil }, workerfx.WithInterval(time.Second)))
		synctest.Wait()
		require.NoError(t, pool.Pause("w"))
		require.NoError(t, pool.Scale("w", 3))
		time.Sleep(time.Minute)
		for _, e := range pool.Executions() {
			assert.Equal(t, workerfx.StatusPaused, e.Status)
			assert.Zero(t, e.Runs)
		}
	})
}

func TestRestartOfADoneWorkerBeginsNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := startPool(t, workerfx.NewWorker("w", func(context.Context) error { return nil }))
		time.Sleep(time.Hour)
		require.NoError(t, pool.Restart("w"))
		assert.True(t, execution(t, pool, "w").StartedAt.Equal(time.Now()))
	})
}

func TestConcurrentStopsAbandonNoObedientWorker(t *testing.T) {
	for range 10 {
		pool := newPool(t)
		for i := range 2000 {
			require.NoError(t, pool.Add(workerfx.NewWorker(fmt.Sprint(i), untilStopped, workerfx.WithStopTimeout(time.Minute))))
		}
		require.NoError(t, pool.Start(context.Background()))
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() { assert.NoError(t, pool.Stop(context.Background())) })
		}
		wg.Wait()
	}
}

func TestNoRunBeginsOnceAnotherWasAskedToStop(t *testing.T) {
	begun := make(chan struct{})
	var asked time.Time
	var first sync.Once
	pool := newPool(t)
	for i := range 500 {
		require.NoError(t, pool.Add(workerfx.NewWorker(fmt.Sprint(i), func(ctx context.Context) error {
			if i > 0 {
				workerfx.Wait(ctx, time.Millisecond)
			} else {
				close(begun)
				<-ctx.Done()
			}
			if ctx.Err() != nil {
				first.Do(func() { asked = time.Now() })
			}
			return errBoom
		}, workerfx.WithMaxAttempts(0), workerfx.WithBackoff(workerfx.StaticBackoff{}))))
	}
	require.NoError(t, pool.Start(context.Background()))
	<-begun
	time.Sleep(20 * time.Millisecond)
	require.NoError(t, pool.Stop(within(t, 10*time.Second)))
	for _, e := range pool.Executions() {
		assert.False(t, e.StartedAt.After(asked), e.Worker)
	}
}

func TestRetriedBatchIsAsItWasReceived(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ch := filled(3)
		close(ch)
		var got []int
		startPool(t, workerfx.NewWorker("w", workerfx.Batch(ch, 10, 0, func(_ context.Context, batch []int) error {
			got = append(got, batch...)
			clear(batch)
			if len(got) == 3 {
				return errBoom
			}
			return nil
		}), workerfx.WithMaxAttempts(2), static))
		time.Sleep(time.Minute)
		synctest.Wait()
		assert.Equal(t, []int{1, 2, 3, 1, 2, 3}, got)
	})
}

type twoFaced struct{ asked int }

func (s *twoFaced) Next(t time.Time) time.Time {
	if s.asked++; s.asked == 2 {
		panic("no more")
	}
	return t.Add(time.Minute)
}

func TestScheduleThatPanicsWhileJitteredIsCaught(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := startPool(t, workerfx.NewWorker("w", untilStopped, workerfx.WithSchedule(&twoFaced{}), workerfx.WithJitter(0.5)))
		e := execution(t, pool, "w")
		assert.Equal(t, workerfx.StatusError, e.Status)
		assert.ErrorContains(t, e.Err, "schedule is broken")
	})
}

func TestMoreDuringRemoveIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var running atomic.Int64
		pool := startPool(t, workerfx.NewWorker("w", func(ctx context.Context) error {
			running.Add(1)
			defer running.Add(-1)
			<-ctx.Done()
			time.Sleep(time.Second)
			return nil
		}))
		synctest.Wait()
		go func() {
			time.Sleep(500 * time.Millisecond)
			assert.ErrorIs(t, pool.More("w"), workerfx.ErrUnknownWorker)
		}()
		require.NoError(t, pool.Remove(context.Background(), "w"))
		time.Sleep(time.Minute)
		assert.Zero(t, running.Load())
	})
}
