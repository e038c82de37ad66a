//go:build unix

package faults_test

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx"
)

// The tests of this file measure what the process costs. They take real time.

// cpuTime is how long the process has computed.
func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var used syscall.Rusage
	require.NoError(t, syscall.Getrusage(syscall.RUSAGE_SELF, &used))
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// requireIdle requires that the process soon computes a fifth of the time at most. On a busy machine, it may take a while
// until it has done what is left to do.
func requireIdle(t *testing.T) {
	t.Helper()
	const interval = 900 * time.Millisecond
	var used time.Duration
	for range 20 {
		before := cpuTime(t)
		time.Sleep(interval)
		used = cpuTime(t) - before
		t.Logf("%v of %v", used, interval)
		if used < interval/5 {
			return
		}
	}
	assert.Fail(t, "it is not idle", "it computed %v of %v", used, interval)
}

// manyWaiting are a thousand workers that wait in every way there is.
func manyWaiting() (workers []workerfx.Worker) {
	ch := make(chan int)
	waits := []func(name string) workerfx.Worker{
		func(name string) workerfx.Worker { return workerfx.NewWorker(name, untilStopped) },
		func(name string) workerfx.Worker {
			return workerfx.NewWorker(name, succeeds, workerfx.WithInterval(time.Hour))
		},
		func(name string) workerfx.Worker {
			return workerfx.NewWorker(name, succeeds, workerfx.WithCron("@yearly"))
		},
		func(name string) workerfx.Worker {
			return workerfx.NewWorker(name, succeeds, workerfx.WithDeferredStart(time.Hour))
		},
		func(name string) workerfx.Worker {
			return workerfx.NewWorker(name, fails, endless, workerfx.WithBackoff(workerfx.StaticBackoff{Sleep: time.Hour}))
		},
		func(name string) workerfx.Worker { return workerfx.NewWorker(name, succeeds, workerfx.WithReplicas(0)) },
		func(name string) workerfx.Worker {
			return workerfx.NewWorker(name, workerfx.FromChannel(ch, func(context.Context, int) error { return nil }))
		},
		func(name string) workerfx.Worker {
			return workerfx.NewWorker(name, workerfx.Batch(ch, 10, time.Hour, func(context.Context, []int) error { return nil }))
		},
		func(name string) workerfx.Worker {
			return workerfx.NewWorker(name, untilStopped, workerfx.WithRunTimeout(time.Hour), workerfx.WithStopTimeout(time.Hour))
		},
	}
	for i := range 1000 {
		workers = append(workers, waits[i%len(waits)](fmt.Sprint("w", i)))
	}
	return workers
}

// settle waits until what just started has come to rest.
func settle() {
	runtime.GC()
	time.Sleep(100 * time.Millisecond)
}

func TestAThousandWaitingWorkersCostNothing(t *testing.T) {
	pool := startPool(t, manyWaiting()...)
	settle()
	requireIdle(t)
	require.NoError(t, pool.Pause("w0"))
	stop(t, pool)
}

func TestAStopThatWaitsCostsNothing(t *testing.T) {
	release := make(chan struct{})
	pool := startPool(t, append(manyWaiting(),
		workerfx.NewWorker("slow", func(context.Context) error { <-release; return nil }),
		workerfx.NewWorker("bounded", func(context.Context) error { <-release; return nil }, workerfx.WithStopTimeout(time.Minute)),
		workerfx.NewWorker("overdue", func(context.Context) error { <-release; return nil }, workerfx.WithStopTimeout(time.Millisecond)))...)
	settle()
	stopped := make(chan error)
	for range 3 {
		go func() { stopped <- pool.Stop(context.Background()) }()
	}
	settle()
	requireIdle(t)
	close(release)
	for range 3 {
		<-stopped
	}
}

func TestAStopThatTimedOutCostsNothingLater(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	pool := startPool(t, append(manyWaiting(), workerfx.NewWorker("stubborn", func(context.Context) error { <-release; return nil }))...)
	settle()
	ctx, giveUp := context.WithCancel(t.Context())
	stopped := make(chan error)
	go func() { stopped <- pool.Stop(ctx) }()
	for !onlyRunning(pool, "stubborn") {
		time.Sleep(time.Millisecond)
	}
	giveUp()
	var late *workerfx.StopError
	require.ErrorAs(t, <-stopped, &late)
	require.Len(t, late.Stragglers, 1)
	settle()
	requireIdle(t)
}

// onlyRunning tells whether all workers but one have stopped.
func onlyRunning(pool *workerfx.Pool, worker string) bool {
	for _, e := range pool.Executions() {
		if e.Worker != worker && e.Status != workerfx.StatusStopped && e.Status != workerfx.StatusPaused { // no replicas
			return false
		}
	}
	return true
}

func TestBeingHeldUpWaitingForAGroupOrStuckCostsNothing(t *testing.T) {
	release := make(chan struct{})
	pool := newPool(t)
	add(t, pool, workerfx.NewWorker("unready", untilStopped, workerfx.WithReadiness()))
	for i := range 10 {
		add(t, pool, workerfx.NewWorker(fmt.Sprint("held", i), untilStopped, workerfx.WithAfter("unready")),
			workerfx.NewWorker(fmt.Sprint("stuck", i), untilStopped, workerfx.WithHeartbeat(time.Millisecond)),
			workerfx.NewWorker(fmt.Sprint("hung", i), func(context.Context) error { <-release; return nil },
				workerfx.WithHeartbeat(time.Millisecond, workerfx.RestartStuck)))
		require.NoError(t, pool.AddGroup(namedGroup{workersOf{
			workerfx.NewWorker("failing", fails, endless, workerfx.WithBackoff(soon)),
			workerfx.NewWorker("straggling", func(context.Context) error { <-release; return nil }, workerfx.WithStopTimeout(time.Hour)),
			workerfx.NewWorker("waiting", untilStopped),
		}, fmt.Sprint("group", i)}, workerfx.WithStrategy(workerfx.OneForAll)))
	}
	start(t, pool)
	time.Sleep(time.Second) // stacks are looked for
	settle()
	requireIdle(t)
	close(release)
	stop(t, pool)
}

func TestAThousandRunsThatHangAtOnceAreReportedQuickly(t *testing.T) {
	var reported sync.Map
	release := make(chan struct{})
	pool := newPool(t, workerfx.WithLogger(zerolog.New(writerFunc(func(line []byte) {
		if text := string(line); strings.Contains(text, "faults_test.hangHereOnceAlive") {
			_, text, _ = strings.Cut(text, `"worker":"`)
			worker, _, _ := strings.Cut(text, `"`)
			reported.Store(worker, true)
		}
	}))))
	for i := range 1000 {
		add(t, pool, workerfx.NewWorker(fmt.Sprint("w", i), func(ctx context.Context) error { hangHereOnceAlive(ctx, release); return nil },
			workerfx.WithHeartbeat(100*time.Millisecond)))
	}
	start(t, pool)
	assert.Eventually(t, func() bool {
		n := 0
		reported.Range(func(any, any) bool { n++; return true })
		return n == 1000
	}, patience, 10*time.Millisecond)
	settle()
	requireIdle(t)
	close(release)
	stop(t, pool)
}

// hangHereOnceAlive is for a run that may have been reported before it came here, on a busy machine.
func hangHereOnceAlive(ctx context.Context, release <-chan struct{}) {
	workerfx.Heartbeat(ctx)
	<-release
}

func TestARestartStormWithDefaultSettingsCostsLittle(t *testing.T) {
	begin := time.Now()
	pool := newPool(t)
	for i := range 1000 {
		add(t, pool, workerfx.NewWorker(fmt.Sprint("w", i), fails, endless))
	}
	start(t, pool)
	settle()
	requireIdle(t)
	executions := pool.Executions()
	most := 1 + int64(math.Log2(1+time.Since(begin).Seconds())) // after 1s, 3s, 7s and so on
	for _, e := range executions {
		assert.LessOrEqual(t, e.Runs, most)
	}
	stop(t, pool)
}
