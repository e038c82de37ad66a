package workerfx_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/workerfx/workerfx"
)

// The benchmarks come in pairs: the work with bare goroutines, and with a pool. What counts is the ratio.

const manyWorkers = 100_000

func BenchmarkStartStop100kBare(b *testing.B) {
	defer reportCPU(b)()
	for b.Loop() {
		ctx, cancel := context.WithCancel(b.Context())
		var wg sync.WaitGroup
		for range manyWorkers {
			wg.Go(func() { <-ctx.Done() })
		}
		cancel()
		wg.Wait()
	}
}

func BenchmarkStartStop100k(b *testing.B) {
	names := make([]string, manyWorkers)
	for i := range names {
		names[i] = fmt.Sprintf("worker-%d", i)
	}
	untilStopped := func(ctx context.Context) error {
		<-ctx.Done()
		return nil
	}
	b.ReportAllocs()
	var cpu time.Duration
	for range b.N {
		b.StopTimer()
		pool := must(workerfx.NewPool(workerfx.WithLogger(zerolog.Nop())))
		for _, name := range names {
			if err := pool.Add(workerfx.NewWorker(name, untilStopped)); err != nil {
				b.Fatal(err)
			}
		}
		before := cpuTime(b)
		b.StartTimer()
		if err := errors.Join(pool.Start(b.Context()), pool.Stop(b.Context())); err != nil {
			b.Fatal(err)
		}
		cpu += cpuTime(b) - before
	}
	b.ReportMetric(float64(cpu)/float64(b.N), "cpu-ns/op")
}

// BenchmarkAdd100k is what comes before: the making of a pool and its workers.
func BenchmarkAdd100k(b *testing.B) {
	names := make([]string, manyWorkers)
	for i := range names {
		names[i] = fmt.Sprintf("worker-%d", i)
	}
	defer reportCPU(b)()
	for b.Loop() {
		pool := must(workerfx.NewPool(workerfx.WithLogger(zerolog.Nop())))
		for _, name := range names {
			if err := pool.Add(workerfx.NewWorker(name, func(context.Context) error { return nil })); err != nil {
				b.Fatal(err)
			}
		}
	}
}

var errBench = errors.New("attempt failed")

func BenchmarkRestartBare(b *testing.B) {
	defer reportCPU(b)()
	done := make(chan error)
	for b.Loop() {
		go func() { done <- errBench }()
		<-done
	}
}

func BenchmarkRestart(b *testing.B) {
	benchmarkAttempts(b, func(context.Context) error { return errBench })
}

// BenchmarkRestartSubscribed has one reader of the pool's changes.
func BenchmarkRestartSubscribed(b *testing.B) {
	benchmarkAttempts(b, func(context.Context) error { return errBench }, func(pool *workerfx.Pool) {
		sub := pool.Subscribe(1024)
		go func() {
			for range sub.C { // the changes are received, which is all
			}
		}()
	})
}

func BenchmarkPanicBare(b *testing.B) {
	defer reportCPU(b)()
	done := make(chan any)
	for b.Loop() {
		go func() {
			defer func() { done <- recover() }()
			panic(errBench)
		}()
		<-done
	}
}

func BenchmarkPanic(b *testing.B) {
	benchmarkAttempts(b, func(context.Context) error { panic(errBench) })
}

func benchmarkAttempts(b *testing.B, fail workerfx.RunFunc, prepare ...func(*workerfx.Pool)) {
	pool := must(workerfx.NewPool(workerfx.WithLogger(zerolog.Nop())))
	done := make(chan struct{})
	runs := 0
	run := func(ctx context.Context) error {
		if runs++; runs > b.N {
			close(done)
			return workerfx.ErrDoNotRestart
		}
		return fail(ctx)
	}
	w := workerfx.NewWorker("failing", run, workerfx.WithMaxAttempts(0), workerfx.WithBackoff(workerfx.StaticBackoff{}))
	if err := pool.Add(w); err != nil {
		b.Fatal(err)
	}
	for _, prepare := range prepare {
		prepare(pool)
	}
	b.ResetTimer()
	defer reportCPU(b)()
	if err := pool.Start(b.Context()); err != nil {
		b.Fatal(err)
	}
	<-done
	b.StopTimer()
	if err := pool.Stop(b.Context()); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkCtxLogger(b *testing.B) {
	inRun(b, func(ctx context.Context) {
		workerfx.CtxLogger(ctx)
		b.ReportAllocs()
		for b.Loop() {
			workerfx.CtxLogger(ctx)
		}
	})
}

func BenchmarkExecutions1000(b *testing.B) {
	pool := must(workerfx.NewPool(workerfx.WithLogger(zerolog.Nop())))
	var started sync.WaitGroup
	for i := range 1000 {
		started.Add(1)
		w := workerfx.NewWorker(fmt.Sprintf("worker-%d", i), func(ctx context.Context) error {
			started.Done()
			<-ctx.Done()
			return nil
		})
		if err := pool.Add(w); err != nil {
			b.Fatal(err)
		}
	}
	if err := pool.Start(b.Context()); err != nil {
		b.Fatal(err)
	}
	started.Wait()
	b.ReportAllocs()
	for b.Loop() {
		if got := len(pool.Executions()); got != 1000 {
			b.Fatal(got)
		}
	}
	if err := pool.Stop(context.Background()); err != nil {
		b.Fatal(err)
	}
}

// inRun calls fn within a run of a worker, and waits until it returns.
func inRun(tb testing.TB, fn func(ctx context.Context), opts ...workerfx.PoolOption) {
	tb.Helper()
	pool := must(workerfx.NewPool(append([]workerfx.PoolOption{workerfx.WithLogger(zerolog.Nop())}, opts...)...))
	done := make(chan struct{})
	err := pool.Add(workerfx.NewWorker("inner", func(ctx context.Context) error {
		defer close(done)
		fn(ctx)
		return nil
	}))
	if err := errors.Join(err, pool.Start(context.Background())); err != nil {
		tb.Fatal(err)
	}
	<-done
	if err := pool.Stop(context.Background()); err != nil {
		tb.Fatal(err)
	}
}

// must returns v, or panics if there is an error.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// reportCPU adds the processor time of one operation to the benchmark's figures.
func reportCPU(b *testing.B) (done func()) {
	b.ReportAllocs()
	before := cpuTime(b)
	return func() { b.ReportMetric(float64(cpuTime(b)-before)/float64(b.N), "cpu-ns/op") }
}
