package main

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// worked measures how a queue works n jobs that are there before: from the first one's beginning to the last one's end. The
// processor time is that of this process, PostgreSQL's not included.
func worked(q jobQueue, workers, n int) side {
	return side{q.name, func(m *meter) {
		url, drop := newDatabase()
		defer drop()
		var begun sync.Once
		var count atomic.Int64
		done := make(chan struct{})
		open := q.open(url, workers, func(task) {
			begun.Do(func() { m.begin = read() }) // no job ends before that
			if count.Add(1) == int64(n) {
				m.stop(n)
				close(done)
			}
		})
		defer open.close()
		tasks := make([]task, n)
		for i := range tasks {
			tasks[i].N = i
		}
		for some := range slices.Chunk(tasks, 1000) {
			check(open.enqueue(context.Background(), some...))
		}
		execute(url, "VACUUM ANALYZE")
		execute(url, "CHECKPOINT")
		m.start()
		open.start()
		<-done
		open.stop()
	}}
}

// latency measures the time from the call that enqueues a job to its handler's beginning, with 10 workers: the median of
// some jobs. Between two of them it pauses for up to twice as long as pause, and no less than half of it.
func latency(q jobQueue, samples int, pause time.Duration) side {
	return side{q.name, func(m *meter) {
		url, drop := newDatabase()
		defer drop()
		begun := make(chan time.Time, 1)
		open := q.open(url, 10, func(task) { begun <- time.Now() })
		defer open.close()
		open.start()
		defer open.stop()
		waits := make([]time.Duration, 0, samples)
		for i := range samples + 1 {
			at := time.Now()
			check(open.enqueue(context.Background(), task{N: i}))
			wait := (<-begun).Sub(at)
			if i > 0 { // the first one also waits for the start
				waits = append(waits, wait)
			}
			time.Sleep(pause/2 + rand.N(pause*3/2))
		}
		slices.Sort(waits)
		m.took(waits[len(waits)/2])
	}}
}

func durableWorks(size func(n int) int) []work {
	working := func(name string, goal float64, workers int, all ...jobQueue) work {
		w := work{name: name, unit: "job", goal: goal, figure: rate, rounds: 3, needs: needsServer}
		for _, q := range all {
			w.contenders = append(w.contenders, worked(q, workers, size(q.jobs)))
		}
		w.baseline, w.contenders = w.contenders[0], w.contenders[1:]
		return w
	}
	waiting := func(name string, pause time.Duration, all ...jobQueue) work {
		w := work{name: name, unit: "job", figure: wallTime, rounds: 3, needs: needsServer}
		for _, q := range all {
			w.contenders = append(w.contenders, latency(q, size(50), pause))
		}
		w.baseline, w.contenders = w.contenders[0], w.contenders[1:]
		return w
	}
	return []work{
		working("durable jobs, 100 workers", 0.97, 100, riverFast, ourQueue, gueDefault),
		working("durable jobs, 10 workers, defaults", 1.6, 10, gueDefault, ourQueue, riverFast, riverDefault),
		working("durable jobs, all due at one later moment", 0, 100, dueAtOnce, dueLater),
		waiting("until an idle queue begins a job", 250*time.Millisecond, riverFast, ourQueue, riverDefault),
		waiting("until a queue with a job every 30 ms begins it", 20*time.Millisecond, riverFast, ourQueue, riverDefault),
	}
}

// needsServer tells why there is no PostgreSQL.
func needsServer() error {
	_, err := server()
	return err
}
