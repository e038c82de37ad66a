package workerfx_test

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx"
)

// journal notes what happens, in its order.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (d *journal) note(line string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, line)
}

// read returns what was noted since it was last read.
func (d *journal) read() []string {
	synctest.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	lines := d.lines
	d.lines = nil
	return lines
}

// worker notes when its runs begin and end. It takes a second to become ready, and another to stop.
func (d *journal) worker(name string, opts ...workerfx.Option) workerfx.Worker {
	return workerfx.NewWorker(name, func(ctx context.Context) error {
		d.note("+" + name)
		workerfx.Wait(ctx, time.Second)
		workerfx.Ready(ctx)
		<-ctx.Done()
		time.Sleep(time.Second)
		d.note("-" + name)
		return ctx.Err()
	}, slices.Concat([]workerfx.Option{workerfx.WithReadiness()}, opts)...)
}

func after(names ...string) workerfx.Option { return workerfx.WithAfter(names...) }

func TestAfterStartsOnceTheOthersAreReadyAndStopsBeforeThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d journal
		pool := startPool(t, d.worker("a", after("b", "c")), d.worker("b", after("c")), d.worker("c"), d.worker("z"))
		start := time.Now()
		assert.ElementsMatch(t, []string{"+c", "+z"}, d.read())
		assert.Equal(t, workerfx.StatusPending, execution(t, pool, "a").Status)
		time.Sleep(time.Second)
		assert.Equal(t, []string{"+b"}, d.read())
		require.NoError(t, pool.Ready(t.Context()))
		assert.Equal(t, 3*time.Second, time.Since(start))
		assert.Equal(t, []string{"+a"}, d.read())

		start = time.Now()
		require.NoError(t, pool.Stop(context.Background()))
		assert.Equal(t, 3*time.Second, time.Since(start))
		stops := slices.DeleteFunc(d.read(), func(line string) bool { return line == "-z" })
		assert.Equal(t, []string{"-a", "-b", "-c"}, stops)
	})
}

func TestAfterAWorkerWithoutReadinessIsAfterItsFirstRunBegan(t *testing.T) {
	tests := map[string]struct {
		before workerfx.Worker
		want   time.Duration
	}{
		"runs":              {workerfx.NewWorker("b", untilStopped), 0},
		"deferred":          {workerfx.NewWorker("b", untilStopped, workerfx.WithDeferredStart(time.Minute)), time.Minute},
		"has succeeded":     {workerfx.NewWorker("b", func(context.Context) error { return nil }), 0},
		"will be run again": {workerfx.NewWorker("b", fails, workerfx.WithMaxAttempts(0), static), 0},
		"waits for a tick":  {workerfx.NewWorker("b", untilStopped, workerfx.WithInterval(time.Hour)), 0},
		"no replicas":       {workerfx.NewWorker("b", untilStopped, workerfx.WithReplicas(0)), 0},
	}
	for name, test := range tests {
		bubble(name, t, func(t *testing.T) {
			pool := startPool(t, workerfx.NewWorker("a", untilStopped, after("b")), test.before)
			start := time.Now()
			require.NoError(t, pool.Ready(within(t, time.Hour)))
			e := execution(t, pool, "a")
			assert.Equal(t, workerfx.StatusRunning, e.Status)
			assert.Equal(t, test.want, e.StartedAt.Sub(start.Round(0)))
		})
	}
}

func TestAfterWaitsForAllReplicas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := startPool(t, workerfx.NewWorker("a", untilStopped, after("b"), workerfx.WithReplicas(2)),
			workerfx.NewWorker("b", readyInTurn(), workerfx.WithReadiness(), workerfx.WithReplicas(3)))
		time.Sleep(3*time.Second - 1)
		assert.Zero(t, running(pool, "a"))
		time.Sleep(1 * time.Nanosecond)
		assert.Equal(t, 2, running(pool, "a"))
		require.NoError(t, pool.More("b"))
		require.NoError(t, pool.More("a"))
		assert.Equal(t, 2, running(pool, "a"), "the new replica has to wait for the new replica")
		time.Sleep(4 * time.Second)
		assert.Equal(t, 3, running(pool, "a"))
	})
}

func TestAfterAGroupIsAfterAllItsWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d journal
		pool := newPool(t, d.worker("last", after("db")), d.worker("database"))
		require.NoError(t, pool.AddGroup(groupOf{d.worker("open"), d.worker("migrate", after("open"))}, workerfx.WithName("db")))
		require.NoError(t, pool.Start(t.Context()))
		require.NoError(t, pool.Ready(t.Context()))
		starts := slices.DeleteFunc(d.read(), func(line string) bool { return line == "+database" })
		assert.Equal(t, []string{"+open", "+migrate", "+last"}, starts)
		require.NoError(t, pool.Stop(context.Background()))
		stops := slices.DeleteFunc(d.read(), func(line string) bool { return line == "-database" })
		assert.Equal(t, []string{"-last", "-migrate", "-open"}, stops)
	})
}

func TestAfterMeansTheWorkerOfTheOwnGroupFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := newPool(t, workerfx.NewWorker("db", untilStopped))
		require.NoError(t, pool.AddGroup(groupOf{
			workerfx.NewWorker("db", untilStopped, workerfx.WithReadiness()),
			workerfx.NewWorker("api", untilStopped, after("db")),
		}, workerfx.WithName("shop")))
		require.NoError(t, pool.Start(t.Context()))
		assert.Equal(t, workerfx.StatusPending, execution(t, pool, "shop/api").Status)
		assert.True(t, execution(t, pool, "shop/api").HasEvent(workerfx.EventHeldUp+"shop/db"))
		require.NoError(t, pool.Stop(context.Background()))
	})
}

func TestAfterUnknownNamesAndCyclesAreErrorsOfTheStart(t *testing.T) {
	w := func(name string, opts ...workerfx.Option) workerfx.Worker {
		return workerfx.NewWorker(name, untilStopped, opts...)
	}
	tests := map[string]struct {
		workers []workerfx.Worker
		want    []string
	}{
		"unknown":          {[]workerfx.Worker{w("a", after("databse")), w("database")}, []string{`worker "a": after "databse"`, `"database"`}},
		"itself":           {[]workerfx.Worker{w("a", after("a"))}, []string{"circle: a -> a"}},
		"two":              {[]workerfx.Worker{w("a", after("b")), w("b", after("a"))}, []string{"circle: a -> b -> a"}},
		"three behind one": {[]workerfx.Worker{w("a", after("b")), w("b", after("c")), w("c", after("d")), w("d", after("b"))}, []string{"circle: b -> c -> d -> b"}},
		"its own group":    {[]workerfx.Worker{w("g/a", after("g")), w("g/b")}, []string{"circle: g/a -> g/a"}},
		"group and worker": {[]workerfx.Worker{w("g/a", after("x")), w("g/b"), w("x", after("g"))}, []string{"circle: g/a -> x -> g/a"}},
	}
	for name, test := range tests {
		bubble(name, t, func(t *testing.T) {
			pool := newPool(t, test.workers...)
			err := pool.Start(t.Context())
			for _, want := range test.want {
				require.ErrorContains(t, err, want)
			}
			assert.Equal(t, name == "unknown", strings.Contains(err.Error(), workerfx.ErrUnknownWorker.Error()))
			for _, e := range pool.Executions() {
				assert.Zero(t, e.Runs, "nothing has begun")
			}
			require.ErrorIs(t, pool.Health(), workerfx.ErrNotStarted)
			for _, e := range pool.Executions() { // whoever takes them away can start it
				require.NoError(t, pool.Remove(t.Context(), e.Worker))
				if pool.Start(t.Context()) == nil {
					break
				}
			}
			require.ErrorIs(t, pool.Start(t.Context()), workerfx.ErrPoolStarted)
			require.NoError(t, pool.Stop(t.Context()))
		})
	}
	assert.ErrorContains(t, newPool(t).Add(w("a", after(""))), `worker "a": after ""`)
}

func TestAfterUnknownNamesAndCyclesAreErrorsOfAddOnceStarted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := startPool(t, workerfx.NewWorker("db", untilStopped))
		require.ErrorIs(t, pool.Add(workerfx.NewWorker("a", untilStopped, after("bd"))), workerfx.ErrUnknownWorker)
		require.ErrorContains(t, pool.AddGroup(groupOf{
			workerfx.NewWorker("a", untilStopped, after("b", "db")), workerfx.NewWorker("b", untilStopped, after("a")),
		}, workerfx.WithName("g")), "circle: g/a -> g/b -> g/a")
		assert.Len(t, pool.Executions(), 1, "nothing of it was added")
		require.NoError(t, pool.Stop(within(t, time.Second)), "and nobody waits for it")
	})
}

func TestAfterDoesNotWaitForWorkersThatTheConfigurationKeepsOut(t *testing.T) {
	tests := map[string]workerfx.Config{
		"except":           {Except: []string{"db", "g"}},
		"except, patterns": {Except: []string{"d*", "g/*"}},
		"only":             {Only: []string{"a"}},
		"disabled":         {Workers: map[string]workerfx.WorkerConfig{"db": {Disabled: true}, "g": {Disabled: true}}},
	}
	for name, config := range tests {
		bubble(name, t, func(t *testing.T) {
			pool := must(workerfx.NewPool(silent, workerfx.WithConfig(config)))
			require.NoError(t, pool.Add(workerfx.NewWorker("a", untilStopped, after("db", "g", "g/one"))))
			require.NoError(t, pool.Add(workerfx.NewWorker("db", untilStopped, workerfx.WithReadiness())))
			require.NoError(t, pool.AddGroup(groupOf{workerfx.NewWorker("one", untilStopped, workerfx.WithReadiness())}, workerfx.WithName("g")))
			require.NoError(t, pool.Start(t.Context()))
			assert.Equal(t, 1, running(pool, "a"))
			require.NoError(t, pool.Stop(context.Background()))
		})
	}
}

func TestWorkersDoNotStartAfterOneThatFailedAndSaySo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log logBuffer
		var healed atomic.Bool
		pool := must(workerfx.NewPool(workerfx.WithLogger(*log.logger())))
		for _, w := range []workerfx.Worker{
			workerfx.NewWorker("slow", untilStopped, workerfx.WithReadiness()),
			workerfx.NewWorker("db", func(ctx context.Context) error {
				if healed.Load() {
					return untilStopped(ctx)
				}
				time.Sleep(time.Second)
				return errBoom
			}, workerfx.WithDeferredStart(time.Minute), workerfx.WithReadiness()),
			workerfx.NewWorker("api", untilStopped, after("slow", "db")),
			workerfx.NewWorker("web", untilStopped, after("api")),
		} {
			require.NoError(t, pool.Add(w))
		}
		require.NoError(t, pool.Start(t.Context()))
		err := pool.Ready(within(t, time.Hour))
		require.ErrorIs(t, err, errBoom)
		time.Sleep(time.Hour)
		for _, name := range []string{"api", "web"} {
			e := execution(t, pool, name)
			assert.Equal(t, workerfx.StatusPending, e.Status)
			assert.Zero(t, e.Runs)
		}
		assert.Equal(t, []string{"waits for slow", "waits for db, which failed"}, messages(execution(t, pool, "api")))
		assert.Equal(t, []string{"waits for api", "waits for api, which failed"}, messages(execution(t, pool, "web")))
		err = pool.Health()
		assert.Equal(t, []string{"api not ready", "db failed", "slow not ready", "web not ready"}, troubles(err))
		assert.ErrorContains(t, err, `worker "api" is not ready since 2000-01-01T00:00:00Z: waits for db, which failed`)
		record := log.find(t, "worker does not start: it comes after one that failed")
		assert.Equal(t, "error", record["level"])
		assert.Equal(t, []any{"api", "db"}, []any{record["worker"], record["after"]})

		healed.Store(true)
		require.NoError(t, pool.Restart("db"))
		synctest.Wait()
		assert.Equal(t, []string{"api not ready", "db not ready", "slow not ready", "web not ready"}, troubles(pool.Health()))
		assert.NotContains(t, pool.Health().Error(), "which failed", "there is hope again")
		require.NoError(t, pool.Stop(context.Background()))
	})
}

func TestRestartedPredecessorLetsItsDependentsStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		pool := startPool(t, workerfx.NewWorker("a", untilStopped, after("b")), workerfx.NewWorker("c", untilStopped, after("a")),
			workerfx.NewWorker("b", func(ctx context.Context) error {
				if n++; n == 1 {
					return errBoom
				}
				return readyAfter(time.Second)(ctx)
			}, workerfx.WithReadiness()))
		synctest.Wait()
		require.ErrorIs(t, pool.Ready(within(t, time.Second)), errBoom)
		require.NoError(t, pool.Restart("b"))
		require.NoError(t, pool.Ready(within(t, time.Minute)))
		require.NoError(t, pool.Restart("b"))
		assert.Equal(t, 1, running(pool, "a"), "those that have begun are left alone")
		assert.EqualValues(t, 1, execution(t, pool, "a").Runs)
	})
}

func TestRemovedPredecessorBlocksNoWorker(t *testing.T) {
	tests := map[string]struct {
		before workerfx.Worker
		ok     bool
	}{
		"not ready": {workerfx.NewWorker("b", untilStopped, workerfx.WithReadiness()), true},
		"failed":    {workerfx.NewWorker("b", fails, workerfx.WithReadiness()), true},
		"held up":   {workerfx.NewWorker("b", untilStopped, after("c")), true},
		"ignores that it is removed": {workerfx.NewWorker("b", func(context.Context) error { time.Sleep(time.Hour); return nil },
			workerfx.WithReadiness(), workerfx.WithStopTimeout(time.Second)), false},
	}
	for name, test := range tests {
		bubble(name, t, func(t *testing.T) {
			pool := startPool(t, workerfx.NewWorker("c", untilStopped, workerfx.WithReadiness()))
			require.NoError(t, pool.Add(test.before))
			require.NoError(t, pool.Add(workerfx.NewWorker("a", untilStopped, after("b"))))
			time.Sleep(time.Minute)
			require.Zero(t, running(pool, "a"))
			assert.Equal(t, test.ok, pool.Remove(t.Context(), "b") == nil)
			assert.Equal(t, 1, running(pool, "a"))
			time.Sleep(time.Hour)
		})
	}
}

func TestDependentIsAddedRemovedScaledPausedAndRestartedWhileItWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		open := make(chan struct{})
		pool := startPool(t, workerfx.NewWorker("b", func(ctx context.Context) error {
			<-open
			return readyAfter(0)(ctx)
		}, workerfx.WithReadiness()))
		add := func() error { return pool.Add(workerfx.NewWorker("a", untilStopped, after("b"))) }
		require.NoError(t, add())
		assert.Zero(t, running(pool, "a"))
		require.NoError(t, pool.Remove(t.Context(), "a"))
		require.NoError(t, add())
		require.NoError(t, pool.Scale("a", 3))
		assert.Zero(t, running(pool, "a"))
		require.NoError(t, pool.Scale("a", 0))
		assert.Equal(t, workerfx.StatusPaused, execution(t, pool, "a").Status)
		require.NoError(t, pool.Scale("a", 2))
		assert.Equal(t, workerfx.StatusPending, execution(t, pool, "a").Status)
		require.NoError(t, pool.Pause("a"))
		assert.Equal(t, workerfx.StatusPaused, execution(t, pool, "a").Status)
		require.NoError(t, pool.Resume("a"))
		assert.Equal(t, workerfx.StatusPending, execution(t, pool, "a").Status)
		require.NoError(t, pool.Restart("a"))
		assert.Zero(t, running(pool, "a"), "who starts it again does not let it go ahead")
		require.ErrorContains(t, pool.Trigger("a"), "pending")
		assert.Zero(t, running(pool, "a"))
		assert.Equal(t, []string{"a not ready", "a not ready", "b not ready"}, troubles(pool.Health()))
		close(open)
		assert.Equal(t, 2, running(pool, "a"))
		require.NoError(t, pool.Health())
		require.NoError(t, pool.Restart("a"))
		assert.Equal(t, 2, running(pool, "a"))
	})
}

func TestDependentPausedWhileItWaitsBeginsWhenResumed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := startPool(t, workerfx.NewWorker("a", untilStopped, after("b")), workerfx.NewWorker("b", readyAfter(time.Second), workerfx.WithReadiness()))
		synctest.Wait()
		require.NoError(t, pool.Pause("a"))
		require.NoError(t, pool.Ready(t.Context()))
		assert.Zero(t, running(pool, "a"))
		require.NoError(t, pool.Resume("a"))
		assert.Equal(t, 1, running(pool, "a"))
	})
}

func TestDependentWithADeferredStartWaitsForBoth(t *testing.T) {
	for _, deferral := range []time.Duration{time.Second, time.Minute} {
		bubble(deferral.String(), t, func(t *testing.T) {
			start := time.Now().Round(0)
			pool := startPool(t, workerfx.NewWorker("a", untilStopped, after("b"), workerfx.WithDeferredStart(deferral)),
				workerfx.NewWorker("b", readyAfter(20*time.Second), workerfx.WithReadiness()))
			time.Sleep(20 * time.Second)
			e := execution(t, pool, "a")
			if deferral == time.Minute {
				assert.Equal(t, workerfx.StatusDeferred, e.Status)
				assert.Equal(t, deferral, e.NextRunAt.Sub(start))
			}
			time.Sleep(40 * time.Second)
			e = execution(t, pool, "a")
			assert.Equal(t, max(20*time.Second, deferral), e.StartedAt.Sub(start))
		})
	}
}

func TestScheduledDependentSkipsTheTicksThatItWaited(t *testing.T) {
	tests := map[string]struct {
		opts []workerfx.Option
		want []time.Duration
	}{
		"interval":       {nil, []time.Duration{60, 120, 180}},
		"first at once":  {[]workerfx.Option{workerfx.WithStartImmediately()}, []time.Duration{35, 60, 120, 180}},
		"other interval": {[]workerfx.Option{workerfx.WithInterval(10 * time.Second)}, []time.Duration{40, 50, 60}},
		"cron":           {[]workerfx.Option{workerfx.WithCron("* * * * *")}, []time.Duration{60, 120, 180}},
	}
	for name, test := range tests {
		bubble(name, t, func(t *testing.T) {
			start := time.Now()
			var runs []time.Duration
			opts := slices.Concat([]workerfx.Option{after("b"), workerfx.WithInterval(time.Minute)}, test.opts)
			pool := startPool(t, workerfx.NewWorker("b", readyAfter(35*time.Second), workerfx.WithReadiness()),
				workerfx.NewWorker("a", func(context.Context) error {
					runs = append(runs, time.Since(start)/time.Second)
					return nil
				}, opts...))
			time.Sleep(3*time.Minute + time.Second)
			require.NoError(t, pool.Stop(context.Background()))
			assert.Equal(t, test.want, runs[:len(test.want)])
		})
	}
}

func TestChangeOfAPredecessorIsNeverMissed(t *testing.T) {
	opts := map[string][]workerfx.Option{
		"plain":     nil,
		"deferred":  {workerfx.WithDeferredStart(time.Microsecond)},
		"scheduled": {workerfx.WithInterval(time.Microsecond)},
	}
	for name, opts := range opts {
		t.Run(name, func(t *testing.T) {
			for range 200 {
				var ran sync.WaitGroup
				ran.Add(4)
				pool := newPool(t, workerfx.NewWorker("b", readyAfter(0), workerfx.WithReadiness()))
				for i := range 4 {
					var once sync.Once
					require.NoError(t, pool.Add(workerfx.NewWorker(fmt.Sprint(i), func(ctx context.Context) error {
						once.Do(ran.Done)
						return untilStopped(ctx)
					}, slices.Concat(opts, []workerfx.Option{after("b")})...)))
				}
				require.NoError(t, pool.Start(t.Context()))
				ran.Wait() // hangs if one was missed
				require.NoError(t, pool.Stop(t.Context()))
			}
		})
	}
}

func TestChainWithAHangingMiddleStopsInOrderAndInTime(t *testing.T) {
	hang := func(release <-chan struct{}, opts ...workerfx.Option) workerfx.Worker {
		return workerfx.NewWorker("b", stubborn(release), opts...)
	}
	tests := map[string]struct {
		opts      []workerfx.Option
		budget    time.Duration // 0 = none
		wantAsked time.Duration // when the first of the chain was
		want      time.Duration
	}{
		"the stop's budget":          {nil, 10 * time.Second, 9 * time.Second, 10 * time.Second},
		"its own stop timeout":       {[]workerfx.Option{workerfx.WithStopTimeout(3 * time.Second)}, 10 * time.Second, 4 * time.Second, 5 * time.Second},
		"its own, no other":          {[]workerfx.Option{workerfx.WithStopTimeout(3 * time.Second)}, 0, 4 * time.Second, 5 * time.Second},
		"its own, longer than there": {[]workerfx.Option{workerfx.WithStopTimeout(time.Hour)}, 10 * time.Second, 9 * time.Second, 10 * time.Second},
	}
	for name, test := range tests {
		bubble(name, t, func(t *testing.T) {
			release := make(chan struct{})
			defer close(release)
			var asked time.Time
			var d journal
			opts := slices.Concat([]workerfx.Option{after("a")}, test.opts)
			pool := startPool(t, d.worker("c", after("b")), hang(release, opts...), workerfx.NewWorker("a", func(ctx context.Context) error {
				<-ctx.Done()
				asked = time.Now()
				time.Sleep(time.Second - 1)
				return nil
			}))
			require.NoError(t, pool.Ready(t.Context()))
			ctx := context.Background()
			if test.budget > 0 {
				ctx = within(t, test.budget)
			}
			start := time.Now()
			err := pool.Stop(ctx)
			took := time.Since(start)
			assert.InDelta(t, test.want, took, 1)
			assert.Equal(t, test.wantAsked, asked.Sub(start))
			var stop *workerfx.StopError
			require.ErrorAs(t, err, &stop)
			require.Len(t, stop.Stragglers, 1, "the others stopped")
			assert.Equal(t, "b", stop.Stragglers[0].Worker)
			assert.Contains(t, stop.Stragglers[0].Stack, "stubborn")
		})
	}
}

func TestStopWithoutTimeNamesAllThatRunInWhateverOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d journal
		pool := startPool(t, d.worker("c", after("b")), d.worker("b", after("a")), d.worker("a"), workerfx.NewWorker("idle", untilStopped, workerfx.WithDeferredStart(time.Hour)))
		time.Sleep(5 * time.Second)
		d.read()
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		var stop *workerfx.StopError
		require.ErrorAs(t, pool.Stop(ended), &stop)
		var names []string
		for _, s := range stop.Stragglers {
			names = append(names, s.Worker)
		}
		assert.Subset(t, names, []string{"a", "b", "c"})
		require.NoError(t, pool.Stop(context.Background()))
		assert.ElementsMatch(t, []string{"-a", "-b", "-c"}, d.read(), "there was no time for an order")
	})
}

func TestStopInEveryPhaseOfAnOrder(t *testing.T) {
	for seconds := range 6 {
		bubble(fmt.Sprint(seconds), t, func(t *testing.T) {
			var d journal
			pool := startPool(t, d.worker("c", after("b")), d.worker("b", after("a")), d.worker("a"))
			time.Sleep(time.Duration(seconds) * time.Second)
			started := d.read()
			require.NoError(t, pool.Stop(context.Background()))
			stopped := d.read()
			require.Len(t, stopped, len(started), "no run begins any more")
			for i, line := range started {
				assert.Equal(t, "-"+line[1:], stopped[len(stopped)-1-i])
			}
			for _, e := range pool.Executions() {
				assert.Equal(t, workerfx.StatusStopped, e.Status)
			}
		})
	}
}

func TestPredecessorBeginsNoRunWhileItsDependentsStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var stopping atomic.Bool
		body := func(context.Context) error {
			assert.False(t, stopping.Load())
			return nil
		}
		pool := startPool(t, workerfx.NewWorker("ticks", body, workerfx.WithInterval(100*time.Millisecond)),
			workerfx.NewWorker("retries", func(ctx context.Context) error { _ = body(ctx); return errBoom }, workerfx.WithMaxAttempts(0),
				workerfx.WithBackoff(workerfx.StaticBackoff{Sleep: 100 * time.Millisecond})),
			workerfx.NewWorker("a", func(ctx context.Context) error { <-ctx.Done(); time.Sleep(10 * time.Second); return nil }, after("ticks", "retries")))
		time.Sleep(time.Second + time.Millisecond)
		synctest.Wait()
		stopping.Store(true)
		require.NoError(t, pool.Stop(context.Background()))
	})
}

func TestChildrenStopInTheirParentsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d journal
		pool := startPool(t, d.worker("a", after("b")), workerfx.NewWorker("b", func(ctx context.Context) error {
			if err := workerfx.AddChild(ctx, d.worker("c")); err != nil {
				return err
			}
			<-ctx.Done()
			d.note("-b")
			return ctx.Err()
		}))
		time.Sleep(2 * time.Second)
		d.read()
		require.NoError(t, pool.Stop(context.Background()))
		assert.Equal(t, []string{"-a", "-b", "-c"}, d.read(), "the child while its parent waits for it")
	})
}

func TestChildrenOfADependentStopBeforeItsPredecessors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d journal
		pool := startPool(t, d.worker("b"), workerfx.NewWorker("a", func(ctx context.Context) error {
			if err := workerfx.AddChild(ctx, d.worker("c")); err != nil {
				return err
			}
			return untilStopped(ctx)
		}, after("b")))
		time.Sleep(3 * time.Second)
		d.read()
		require.NoError(t, pool.Stop(context.Background()))
		assert.Equal(t, []string{"-c", "-b"}, d.read())
	})
}

func TestChildCannotComeAfterOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var err error
		pool := startPool(t, workerfx.NewWorker("b", untilStopped), workerfx.NewWorker("a", func(ctx context.Context) error {
			err = workerfx.AddChild(ctx, workerfx.NewWorker("c", untilStopped), after("b"))
			return untilStopped(ctx)
		}))
		synctest.Wait()
		require.ErrorContains(t, err, `worker "a/c": after`)
		assert.Len(t, pool.Executions(), 2)
	})
}

func TestEssentialWorkersInAnOrder(t *testing.T) {
	bubble("a predecessor that is done stops its dependents", t, func(t *testing.T) {
		var d journal
		pool := newPool(t, d.worker("a", after("b")), workerfx.NewWorker("b", func(context.Context) error {
			time.Sleep(time.Minute)
			return errBoom
		}, workerfx.WithEssential()))
		err := pool.Run(t.Context())
		require.ErrorIs(t, err, workerfx.ErrExitedPrematurely)
		require.ErrorIs(t, err, errBoom)
		assert.Equal(t, []string{"+a", "-a"}, d.read())
	})
	bubble("a dependent that is done stops its predecessors", t, func(t *testing.T) {
		var d journal
		pool := newPool(t, d.worker("b"), workerfx.NewWorker("a", fails, after("b"), workerfx.WithEssential()))
		require.ErrorIs(t, pool.Run(t.Context()), workerfx.ErrExitedPrematurely)
		assert.Equal(t, []string{"+b", "-b"}, d.read())
	})
	bubble("one that waits is not done", t, func(t *testing.T) {
		pool := startPool(t, workerfx.NewWorker("b", untilStopped, workerfx.WithReadiness()), workerfx.NewWorker("a", fails, after("b"), workerfx.WithEssential()))
		time.Sleep(time.Hour)
		require.NoError(t, pool.Stop(context.Background()))
		assert.NotErrorIs(t, pool.Health(), workerfx.ErrExitedPrematurely)
	})
}

func TestRemovedDependentKeepsNobodyFromStopping(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d journal
		pool := startPool(t, d.worker("b"), d.worker("a", after("b")))
		require.NoError(t, pool.Ready(t.Context()))
		require.NoError(t, pool.Remove(t.Context(), "a"))
		start := time.Now()
		require.NoError(t, pool.Stop(context.Background()))
		assert.Equal(t, time.Second, time.Since(start))
		assert.Equal(t, []string{"+b", "+a", "-a", "-b"}, d.read())
	})
}

func TestRemoveDuringAStopKeepsTheOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d journal
		pool := startPool(t, d.worker("b"), d.worker("a", after("b")))
		require.NoError(t, pool.Ready(t.Context()))
		go func() { _ = pool.Remove(context.Background(), "a") }()
		require.NoError(t, pool.Stop(context.Background()))
		assert.Equal(t, []string{"+b", "+a", "-a", "-b"}, d.read())
	})
}

func TestReplacedPredecessorStopsAfterItsDependentsToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d journal
		pool := startPool(t, d.worker("b"), d.worker("a", after("b")))
		require.NoError(t, pool.Ready(t.Context()))
		require.NoError(t, pool.Remove(t.Context(), "b"))
		require.NoError(t, pool.Add(d.worker("b")))
		d.read()
		require.NoError(t, pool.Stop(context.Background()))
		assert.Equal(t, []string{"-a", "-b"}, d.read())
	})
}

func TestReplacedPredecessorsStopAfterTheirDependentInWhateverOrderTheyComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d journal
		quick := func(name string) workerfx.Worker {
			return workerfx.NewWorker(name, func(ctx context.Context) error {
				defer d.note("-" + name)
				return untilStopped(ctx)
			})
		}
		pool := startPool(t, quick("b"), quick("c"), d.worker("a", after("b", "c")))
		require.NoError(t, pool.Ready(t.Context()))
		require.NoError(t, pool.Remove(t.Context(), "b"))
		require.NoError(t, pool.Remove(t.Context(), "c"))
		require.NoError(t, pool.Add(quick("c")), "while b is not there")
		require.NoError(t, pool.Add(quick("b")))
		d.read()
		require.NoError(t, pool.Stop(context.Background()))
		assert.Equal(t, "-a", d.read()[0])
	})
}

func TestReplacedPredecessorDoesNotCloseACycle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := startPool(t, workerfx.NewWorker("a", untilStopped), workerfx.NewWorker("b", untilStopped, after("a")),
			workerfx.NewWorker("c", untilStopped, after("b")))
		require.NoError(t, pool.Remove(t.Context(), "a"))
		err := pool.Add(workerfx.NewWorker("a", untilStopped, after("c")))
		require.ErrorContains(t, err, "a -> c -> b -> a")
		require.NoError(t, pool.Add(workerfx.NewWorker("a", untilStopped)))
	})
}

func TestReplacedPredecessorIsForgottenByItsDependents(t *testing.T) {
	pool := startPool(t, workerfx.NewWorker("b", untilStopped), workerfx.NewWorker("a", untilStopped, after("b")))
	forgotten := make(chan struct{})
	large := func() workerfx.RunFunc {
		data := new([1 << 10]byte)
		runtime.AddCleanup(data, func(forgotten chan struct{}) { close(forgotten) }, forgotten)
		return func(ctx context.Context) error {
			defer runtime.KeepAlive(data)
			return untilStopped(ctx)
		}
	}
	for _, run := range []func() workerfx.RunFunc{large, func() workerfx.RunFunc { return untilStopped }} {
		require.NoError(t, pool.Remove(t.Context(), "b"))
		require.NoError(t, pool.Add(workerfx.NewWorker("b", run())))
		require.NoError(t, pool.Ready(t.Context()))
	}
	require.Eventually(t, func() bool {
		runtime.GC()
		select {
		case <-forgotten:
			return true
		default:
			return false
		}
	}, time.Minute, 10*time.Millisecond)
}

func TestAddCostsTheSameBesideThousandsThatComeAfterOthers(t *testing.T) {
	pool := startPool(t, workerfx.NewWorker("b", untilStopped))
	var begun sync.WaitGroup // what begins while it is measured would count
	begun.Add(1000)
	for i := range 1000 {
		require.NoError(t, pool.Add(workerfx.NewWorker(fmt.Sprint("a", i), func(ctx context.Context) error {
			done := ctx.Done()
			begun.Done()
			<-done
			return ctx.Err()
		}, after("b"))))
	}
	begun.Wait()
	require.NoError(t, pool.Remove(t.Context(), "b"), "so that none of them finds it")
	assert.Less(t, testing.AllocsPerRun(10, func() {
		require.NoError(t, pool.Add(workerfx.NewWorker("c", untilStopped)))
		require.NoError(t, pool.Remove(t.Context(), "c"))
	}), 500.0)
}

func TestOrdersOfThousandsAreQuick(t *testing.T) {
	const n = 3000
	tests := map[string]func(i int) []string{
		"all after one":  func(int) []string { return []string{"first"} },
		"all in a group": func(int) []string { return []string{"first", "g"} },
		"layers":         func(i int) []string { return []string{"first", fmt.Sprint("g/", i%2)} },
	}
	for name, afterWhom := range tests {
		t.Run(name, func(t *testing.T) {
			pool := newPool(t, workerfx.NewWorker("first", readyAfter(0), workerfx.WithReadiness()),
				workerfx.NewWorker("g/0", untilStopped), workerfx.NewWorker("g/1", untilStopped, after("first")))
			for i := range n {
				require.NoError(t, pool.Add(workerfx.NewWorker(fmt.Sprint("w", i), untilStopped, after(afterWhom(i)...))))
			}
			start := time.Now()
			require.NoError(t, pool.Start(t.Context()))
			require.NoError(t, pool.Ready(within(t, time.Minute)))
			require.NoError(t, pool.Stop(within(t, time.Minute)))
			t.Log(time.Since(start))
		})
	}
}

// actingSink calls act when a line has a text, once.
type actingSink struct {
	text string
	act  func()
	done atomic.Bool
}

func (s *actingSink) Write(line []byte) (int, error) {
	if s.act != nil && strings.Contains(string(line), s.text) && s.done.CompareAndSwap(false, true) {
		s.act()
	}
	return len(line), nil
}

func TestARestartBeforeTheExitWaitsForPredecessors(t *testing.T) {
	bubble("", t, func(t *testing.T) {
		var pool *workerfx.Pool
		sink := &actingSink{text: `"message":"worker failed"`}
		pool, err := workerfx.NewPool(workerfx.WithLogger(zerolog.New(io.Writer(sink))))
		require.NoError(t, err)
		ready := make(chan struct{})
		require.NoError(t, pool.Add(workerfx.NewWorker("db", func(ctx context.Context) error {
			select {
			case <-ready:
				workerfx.Ready(ctx)
			case <-ctx.Done():
			}
			return untilStopped(ctx)
		}, workerfx.WithReadiness())))
		fail := make(chan struct{}, 1)
		require.NoError(t, pool.Add(workerfx.NewWorker("api", untilTold(fail, errBoom), workerfx.WithAfter("db"))))
		require.NoError(t, pool.Start(t.Context()))
		defer func() { _ = pool.Stop(context.Background()) }()
		close(ready)
		synctest.Wait()
		require.Equal(t, workerfx.StatusRunning, execution(t, pool, "api").Status)
		ready = make(chan struct{})
		require.NoError(t, pool.Restart("db")) // not ready again until it says so
		synctest.Wait()
		sink.act = func() { require.NoError(t, pool.Restart("api")) }
		fail <- struct{}{}
		e := execution(t, pool, "api")
		require.Equal(t, workerfx.StatusPending, e.Status)
		require.Equal(t, "db", e.WaitsFor)
		close(ready)
		require.Equal(t, workerfx.StatusRunning, execution(t, pool, "api").Status)
	})
}
