//go:build unix

package bench_test

import (
	"context"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// In each benchmark the contenders take turns, so that a ratio compares what ran side by side on a machine that may
// have other things to do. An operation is one turn of all; the figures are medians over all of them.

// BenchmarkThroughput100 compares with plain River at the same settings: 100 workers, a fetch cooldown of 1ms.
func BenchmarkThroughput100(b *testing.B) { benchmarkThroughput(b, 100, riverFast, ours, gueDefault) }

// BenchmarkThroughputDefault is that of the defaults of package queue: 10 workers.
func BenchmarkThroughputDefault(b *testing.B) {
	benchmarkThroughput(b, 10, riverFast, ours, riverDefault, gueDefault)
}

// BenchmarkDueLater compares jobs that are all due at the same later moment with jobs that are due at once.
func BenchmarkDueLater(b *testing.B) { benchmarkThroughput(b, 100, ours, oursLater) }

// benchmarkThroughput reports each contender's jobs a second, and their ratio to the first one's; and the processor
// time of this process for a job, PostgreSQL's not included, which other things that the machine does change less.
func benchmarkThroughput(b *testing.B, workers int, all ...contender) {
	rates, cpus := make(map[string][]float64), make(map[string][]float64)
	for turn := range b.N {
		for i := range all {
			c := all[(turn+i)%len(all)]
			rate, cpu := throughput(b, c, workers, c.jobs)
			rates[c.name], cpus[c.name] = append(rates[c.name], rate), append(cpus[c.name], cpu)
		}
	}
	b.ReportMetric(0, "ns/op")
	baseline := rates[all[0].name]
	for i, c := range all {
		b.ReportMetric(median(rates[c.name]), c.name+"-jobs/s")
		b.ReportMetric(median(cpus[c.name]), c.name+"-cpu-us/job")
		if i > 0 {
			b.ReportMetric(median(ratios(rates[c.name], baseline)), c.name+"/"+all[0].name)
		}
	}
}

// throughput is how many of n jobs, which are there before, a contender works a second, from the first's beginning
// to the last's end, and the processor time of each in microseconds.
func throughput(b testing.TB, c contender, workers, n int) (rate, cpu float64) {
	b.Helper()
	url, drop := newDatabase(b)
	defer drop()
	var worked atomic.Int64
	var first, last reading
	done := make(chan struct{})
	s := c.open(b, url, workers, func(task) {
		switch worked.Add(1) {
		case 1:
			first = read()
		case int64(n):
			last = read()
			close(done)
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
	runtime.GC()
	s.start(b)
	receive(b, done)
	s.stop(b)
	require.GreaterOrEqual(b, int(worked.Load()), n) // gue works one again whose commit its end cuts off
	return float64(n) / last.at.Sub(first.at).Seconds(), float64(last.cpu-first.cpu) / float64(n) / float64(time.Microsecond)
}

// reading is a look at the clocks.
type reading struct {
	at  time.Time
	cpu time.Duration // what the process has used
}

func read() reading {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return reading{at: time.Now(), cpu: time.Duration(usage.Utime.Nano() + usage.Stime.Nano())}
}

// BenchmarkIdleLatency is the time from the call that enqueues a job to its handler's beginning, when there was
// nothing to do before, with 10 workers.
func BenchmarkIdleLatency(b *testing.B) {
	benchmarkLatency(b, 250*time.Millisecond, riverFast, ours, riverDefault, gueDefault)
}

// BenchmarkTrickleLatency is the same with the next job following soon.
func BenchmarkTrickleLatency(b *testing.B) {
	benchmarkLatency(b, 20*time.Millisecond, riverFast, ours, riverDefault)
}

func benchmarkLatency(b *testing.B, pause time.Duration, all ...contender) {
	p50s, p99s := make(map[string][]float64), make(map[string][]float64)
	for turn := range b.N {
		for i := range all {
			c := all[(turn+i)%len(all)]
			waits := latencies(b, c, c.samples, max(pause, c.poll))
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

// latencies are those of n jobs in milliseconds, the shortest first. Between two jobs it pauses for up to twice as
// long as pause, and no less than half of it.
func latencies(b testing.TB, c contender, n int, pause time.Duration) []float64 {
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
		time.Sleep(pause/2 + rand.N(pause*3/2))
	}
	slices.Sort(waits)
	return waits
}

// TestContendersWork keeps the benchmarks from rotting.
func TestContendersWork(t *testing.T) {
	for _, c := range []contender{ours, riverFast, riverDefault, gueDefault} {
		t.Run(c.name, func(t *testing.T) {
			rate, _ := throughput(t, c, 10, 30)
			require.Positive(t, rate)
			if c.poll == 0 { // it waits for seconds
				require.Len(t, latencies(t, c, 1, time.Millisecond), 1)
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
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

// ratios are those of figures to the ones of the same turns.
func ratios(of, to []float64) []float64 {
	all := make([]float64, len(of))
	for i := range all {
		all[i] = of[i] / to[i]
	}
	return all
}
