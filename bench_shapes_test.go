package workerfx_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx"
)

// benchmarkBody runs a body in a pool until it returns.
func benchmarkBody(b *testing.B, body workerfx.RunFunc) {
	b.ReportAllocs()
	done := make(chan struct{})
	pool := newPool(b, workerfx.NewWorker("w", func(ctx context.Context) error {
		defer close(done)
		b.ResetTimer()
		return body(ctx)
	}))
	require.NoError(b, pool.Start(context.Background()))
	<-done
	b.StopTimer()
	require.NoError(b, pool.Stop(context.Background()))
}

func BenchmarkLoopJob(b *testing.B) {
	n := 0
	benchmarkBody(b, workerfx.Loop(func(context.Context) error {
		if n++; n > b.N {
			return workerfx.ErrDoNotRestart
		}
		return nil
	}))
}

// produce sends b.N items, then closes the channel.
func produce(b *testing.B) <-chan int {
	ch := make(chan int, 1024)
	go func() {
		for i := range b.N {
			ch <- i
		}
		close(ch)
	}()
	return ch
}

func BenchmarkChannelItemBare(b *testing.B) {
	sum := 0
	benchmarkBody(b, func(ctx context.Context) error {
		ch := produce(b)
		for {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case item, open := <-ch:
				if !open {
					return nil
				}
				sum += item
			}
		}
	})
}

func BenchmarkChannelItem(b *testing.B) {
	sum := 0
	benchmarkBody(b, func(ctx context.Context) error {
		return workerfx.FromChannel(produce(b), func(_ context.Context, item int) error {
			sum += item
			return nil
		})(ctx)
	})
}

func BenchmarkBatchItem(b *testing.B) {
	sum := 0
	benchmarkBody(b, func(ctx context.Context) error {
		return workerfx.Batch(produce(b), 256, time.Millisecond, func(_ context.Context, batch []int) error {
			for _, item := range batch {
				sum += item
			}
			return nil
		})(ctx)
	})
}

// BenchmarkTick runs 10,000 schedules of a second; one operation is one tick.
func BenchmarkTick(b *testing.B) {
	var ticks atomic.Int64
	pool := newPool(b)
	for i := range 10_000 {
		require.NoError(b, pool.Add(workerfx.NewWorker(fmt.Sprint(i), func(context.Context) error {
			ticks.Add(1)
			return nil
		}, workerfx.WithInterval(time.Second))))
	}
	require.NoError(b, pool.Start(context.Background()))
	for ticks.Load() == 0 {
		time.Sleep(10 * time.Millisecond)
	}
	ticks.Store(0)
	before := cpuTime(b)
	for b.Loop() {
		time.Sleep(3 * time.Second)
	}
	b.ReportMetric(float64(cpuTime(b)-before)/float64(ticks.Load()), "cpu-ns/tick")
	require.NoError(b, pool.Stop(context.Background()))
}
