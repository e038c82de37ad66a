package main

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/alitto/pond/v2"
	"github.com/sourcegraph/conc/pool"
	"golang.org/x/sync/errgroup"

	"github.com/workerfx/workerfx"
)

var errEnough = errors.New("enough")

// inPool runs a body on some replicas of a worker, until it returns.
func inPool(replicas int, body workerfx.RunFunc, opts ...workerfx.PoolOption) {
	p := newPool(opts...)
	var running sync.WaitGroup
	running.Add(replicas)
	check(p.Add(workerfx.NewWorker("jobs", func(ctx context.Context) error {
		defer running.Done()
		return body(ctx)
	}, workerfx.WithReplicas(replicas))))
	check(p.Start(context.Background()))
	running.Wait()
	check(p.Stop(context.Background()))
}

// counted returns a job that is done n times, by all who do it together.
func counted(n int) func(context.Context) error {
	var done atomic.Int64
	return func(context.Context) error {
		if done.Add(1) > int64(n) {
			return errEnough
		}
		return nil
	}
}

// loopBare does a job again and again in goroutines, and counts the jobs.
func loopBare(n, goroutines int) side {
	return side{"select loop", func(m *meter) {
		job := counted(n)
		ctx, cancel := context.WithCancel(context.Background())
		m.start()
		var all sync.WaitGroup
		for range goroutines {
			all.Go(func() {
				var succeeded atomic.Int64
				for {
					select {
					case <-ctx.Done():
						return
					default:
					}
					if job(ctx) != nil {
						return
					}
					succeeded.Add(1)
				}
			})
		}
		all.Wait()
		m.stop(n)
		cancel()
	}}
}

func loopInPool(n, replicas int) side {
	return side{"workerfx", func(m *meter) {
		job := counted(n)
		loop := workerfx.Loop(job)
		m.start()
		inPool(replicas, func(ctx context.Context) error {
			_ = loop(ctx) // nobody wants another attempt
			return nil
		})
		m.stop(n)
	}}
}

// produce sends n items, and closes the channel.
func produce(n int) <-chan int {
	ch := make(chan int, 1024)
	go func() {
		for i := range n {
			ch <- i
		}
		close(ch)
	}()
	return ch
}

// itemsBare handles items in a goroutine that may also be stopped.
func itemsBare(n int) side {
	return side{"select loop", func(m *meter) {
		ctx, cancel := context.WithCancel(context.Background())
		m.start()
		ch, sum := produce(n), 0
		for open := true; open; {
			select {
			case <-ctx.Done():
			case item, more := <-ch:
				sum += item
				open = more
			}
		}
		m.stop(n)
		cancel()
	}}
}

// itemsUnstoppable only receives the items: nothing that takes them one by one can be faster.
func itemsUnstoppable(n int) side {
	return side{"receive only", func(m *meter) {
		m.start()
		sum := 0
		for item := range produce(n) {
			sum += item
		}
		m.stop(n)
	}}
}

// itemsOf measures a body that handles n items.
func itemsOf(n int, body func(ch <-chan int) workerfx.RunFunc) side {
	return side{"workerfx", func(m *meter) {
		m.start()
		inPool(1, body(produce(n)))
		m.stop(n)
	}}
}

func fromChannel(ch <-chan int) workerfx.RunFunc {
	sum := 0
	return workerfx.FromChannel(ch, func(_ context.Context, item int) error {
		sum += item
		return nil
	})
}

func batches(ch <-chan int) workerfx.RunFunc {
	sum := 0
	return workerfx.Batch(ch, 100, time.Millisecond, func(_ context.Context, batch []int) error {
		for _, item := range batch {
			sum += item
		}
		return nil
	})
}

// tasks gives each item to a pool of goroutines as a task.
func tasks(name string, n int, start func() (submit func(task func()), wait func())) side {
	return side{name, func(m *meter) {
		m.start()
		var sum atomic.Int64
		submit, wait := start()
		for item := range produce(n) {
			submit(func() { sum.Add(int64(item)) })
		}
		wait()
		m.stop(n)
	}}
}

func pondTasks() (submit func(func()), wait func()) {
	p := pond.NewPool(1, pond.WithQueueSize(1024))
	return func(task func()) { check(p.Go(task)) }, p.StopAndWait
}

func concTasks() (submit func(func()), wait func()) {
	p := pool.New().WithMaxGoroutines(1)
	return p.Go, p.Wait
}

func errGroupTasks() (submit func(func()), wait func()) {
	var group errgroup.Group
	group.SetLimit(1)
	submit = func(task func()) {
		group.Go(func() error {
			task()
			return nil
		})
	}
	return submit, func() { check(group.Wait()) }
}

func jobWorks(size func(n int) int) (works []work) {
	n := size(3_000_000)
	for _, w := range []struct {
		name     string
		replicas int
	}{{"1 replica", 1}, {"2 replicas", 2}, {"8 replicas", 8}} {
		works = append(works, work{
			name: "Loop, " + w.name, unit: "job", goal: 0.95, baseline: loopBare(n, w.replicas),
			contenders: []side{loopInPool(n, w.replicas)},
		})
	}
	n = size(1_000_000)
	return append(works, work{
		name: "FromChannel", unit: "item", goal: 0.7, baseline: itemsBare(n),
		contenders: []side{
			itemsOf(n, fromChannel), itemsUnstoppable(n), tasks("pond", n, pondTasks), tasks("conc", n, concTasks), tasks("errgroup", n, errGroupTasks),
		},
	}, work{
		name: "Batch, 100 items each", unit: "item", goal: 0.5, baseline: itemsBare(n),
		contenders: []side{itemsOf(n, batches), itemsUnstoppable(n)},
	})
}
