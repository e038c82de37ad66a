package bench_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// In each benchmark the contenders take turns, so that a ratio compares what ran side by side on a machine that may
// have other things to do. An operation is one turn of all; the figures are medians over all of them.

// throughputJobs is how many jobs a turn works.
const throughputJobs = 20_000

// BenchmarkThroughput100 compares with plain River at the same settings: 100 workers, a fetch cooldown of 1ms.
func BenchmarkThroughput100(b *testing.B) { benchmarkThroughput(b, 100, riverFast, ours, gueDefault) }

// BenchmarkThroughputDefault is that of the defaults of package queue: 10 workers.
func BenchmarkThroughputDefault(b *testing.B) {
	benchmarkThroughput(b, 10, riverFast, ours, riverDefault, gueDefault)
}

// benchmarkThroughput reports each contender's jobs a second, and its ratio to the first one's.
func benchmarkThroughput(b *testing.B, workers int, all ...contender) {
	rates := make(map[string][]float64)
	for turn := range b.N {
		for i := range all {
			c := all[(turn+i)%len(all)]
			rates[c.name] = append(rates[c.name], throughput(b, c, workers, throughputJobs))
		}
	}
	b.ReportMetric(0, "ns/op")
	baseline := rates[all[0].name]
	for i, c := range all {
		b.ReportMetric(median(rates[c.name]), c.name+"-jobs/s")
		if i > 0 {
			b.ReportMetric(median(ratios(rates[c.name], baseline)), c.name+"/"+all[0].name)
		}
	}
}

// throughput is how many of n jobs, which are there before, a contender works a second: from the first's
// beginning to the last's end.
func throughput(b testing.TB, c contender, workers, n int) float64 {
	b.Helper()
	url, drop := newDatabase(b)
	defer drop()
	var worked atomic.Int64
	var first time.Time
	last := make(chan time.Time, 1)
	s := c.open(b, url, workers, func(task) {
		switch worked.Add(1) {
		case 1:
			first = time.Now()
		case int64(n):
			last <- time.Now()
		}
	})
	defer s.close(b)
	tasks := make([]task, n)
	for i := range tasks {
		tasks[i].N = i
	}
	for some := range slices.Chunk(tasks, 1000) {
		require.NoError(b, s.enqueue(context.Background(), some...))
	}
	execute(b, url, "VACUUM ANALYZE")
	execute(b, url, "CHECKPOINT")
	s.start(b)
	took := receive(b, last).Sub(first)
	s.stop(b)
	require.EqualValues(b, n, worked.Load(), "%s worked a job twice", c.name)
	return float64(n) / took.Seconds()
}

// latencySamples are the jobs of a turn that are enqueued one by one; those of gue, which waits for seconds, fewer.
const (
	latencySamples    = 200
	gueLatencySamples = 7
)

// BenchmarkIdleLatency is the time from the call that enqueues a job to its handler's beginning, when there is
// nothing else to do, with 10 workers.
func BenchmarkIdleLatency(b *testing.B) {
	all := []contender{riverFast, ours, riverDefault, gueDefault}
	p50s, p99s := make(map[string][]float64), make(map[string][]float64)
	for turn := range b.N {
		for i := range all {
			c := all[(turn+i)%len(all)]
			n := latencySamples
			if c.name == gueDefault.name {
				n = gueLatencySamples
			}
			waits := latencies(b, c, n)
			p50s[c.name] = append(p50s[c.name], waits[len(waits)/2])
			p99s[c.name] = append(p99s[c.name], waits[len(waits)*99/100])
		}
	}
	b.ReportMetric(0, "ns/op")
	for _, c := range all {
		b.ReportMetric(median(p50s[c.name]), c.name+"-p50-ms")
		b.ReportMetric(median(p99s[c.name]), c.name+"-p99-ms")
	}
}

// latencies are those of n jobs in milliseconds, the shortest first.
func latencies(b testing.TB, c contender, n int) []float64 {
	b.Helper()
	url, drop := newDatabase(b)
	defer drop()
	begun := make(chan time.Time, 1)
	s := c.open(b, url, 10, func(task) { begun <- time.Now() })
	defer s.close(b)
	s.start(b)
	defer s.stop(b)
	waits := make([]float64, 0, n)
	for i := range n + 1 {
		at := time.Now()
		require.NoError(b, s.enqueue(context.Background(), task{N: i}))
		wait := receive(b, begun).Sub(at)
		if i > 0 { // the first one also waits for the start
			waits = append(waits, float64(wait)/float64(time.Millisecond))
		}
		time.Sleep(10*time.Millisecond + rand.N(40*time.Millisecond))
	}
	slices.Sort(waits)
	return waits
}

// TestContendersWork keeps the benchmarks from rotting.
func TestContendersWork(t *testing.T) {
	for _, c := range []contender{ours, riverFast, riverDefault, gueDefault} {
		t.Run(c.name, func(t *testing.T) {
			require.Positive(t, throughput(t, c, 10, 30))
			if c.name != gueDefault.name { // it waits for seconds
				require.Len(t, latencies(t, c, 1), 1)
			}
		})
	}
}

// receive waits for an item, not for ever.
func receive[T any](t testing.TB, ch <-chan T) T {
	t.Helper()
	select {
	case item := <-ch:
		return item
	case <-time.After(2 * time.Minute):
		t.Fatal("waited two minutes for jobs to be worked")
		panic("unreachable")
	}
}

func median(of []float64) float64 {
	sorted := slices.Sorted(slices.Values(of))
	return sorted[len(sorted)/2]
}

// ratios are those of figures to the ones of the same turns.
func ratios(of, to []float64) []float64 {
	all := make([]float64, len(of))
	for i := range all {
		all[i] = of[i] / to[i]
	}
	return all
}
