package main

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-co-op/gocron/v2"
	"github.com/robfig/cron/v3"

	"github.com/workerfx/workerfx"
)

// scheduler runs a job every second for each of n schedules. The function that it returns stops it.
type scheduler func(n int, job func()) (stop func())

func startTickers(n int, job func()) (stop func()) {
	done := make(chan struct{})
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			ticker := time.NewTicker(time.Second)
			defer ticker.Stop()
			for {
				select {
				case <-done:
					return
				case <-ticker.C:
					job()
				}
			}
		})
	}
	return func() {
		close(done)
		all.Wait()
	}
}

func startIntervals(n int, job func()) (stop func()) {
	return startOurs(n, job, workerfx.WithInterval(time.Second))
}

func startOurCron(n int, job func()) (stop func()) {
	return startOurs(n, job, workerfx.WithCron("* * * * * *"))
}

func startOurs(n int, job func(), schedule workerfx.Option) (stop func()) {
	p := newPool()
	startWorkers(p, n, func(context.Context) error {
		job()
		return nil
	}, schedule)
	return func() { check(p.Stop(context.Background())) }
}

func startGocron(n int, job func()) (stop func()) {
	s := must(gocron.NewScheduler())
	for range n {
		must(s.NewJob(gocron.DurationJob(time.Second), gocron.NewTask(job)))
	}
	s.Start()
	return func() { check(s.Shutdown()) }
}

func startRobfig(n int, job func()) (stop func()) {
	c := cron.New(cron.WithSeconds())
	for range n {
		must(c.AddFunc("* * * * * *", job))
	}
	c.Start()
	return func() { <-c.Stop().Done() }
}

// ticks measures the processor time of some seconds of n schedules.
func ticks(name string, n, seconds int, start scheduler) side {
	return side{name, func(m *meter) {
		var ticks atomic.Int64
		stop := start(n, func() { ticks.Add(1) })
		for ticks.Load() < int64(n) {
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(300 * time.Millisecond) // between two ticks
		m.start()
		before := ticks.Load()
		time.Sleep(time.Duration(seconds) * time.Second)
		m.stop(int(ticks.Load() - before))
		stop()
	}}
}

func scheduleWorks(size func(n int) int) []work {
	n, seconds := size(10_000), min(size(3_000)/1_000+1, 3)
	return []work{{
		name: "tick of 10,000 schedules of a second", unit: "tick", goal: 1.3, rounds: 3, baseline: ticks("tickers", n, seconds, startTickers),
		contenders: []side{
			ticks("workerfx", n, seconds, startIntervals), ticks("workerfx cron", n, seconds, startOurCron),
			ticks("gocron", n, seconds, startGocron), ticks("robfig/cron", n, seconds, startRobfig),
		},
	}}
}
