package faults_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx"
)

// sink is where items end up. Every third time it is handed some it does something else.
type sink struct {
	mu    sync.Mutex
	calls int
	items []int
	fault func(ctx context.Context) error
}

func (s *sink) put(ctx context.Context, items []int) error {
	s.mu.Lock()
	s.calls++
	faulty := s.calls%3 == 1
	s.mu.Unlock()
	if faulty {
		if err := s.fault(ctx); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.items = append(s.items, items...)
	clear(items) // the slice is the function's to spoil
	return nil
}

func (s *sink) one(ctx context.Context, item int) error { return s.put(ctx, []int{item}) }

// bodies are the bodies that hand items over.
var bodies = map[string]func(ch <-chan int, s *sink) workerfx.RunFunc{
	"FromChannel": func(ch <-chan int, s *sink) workerfx.RunFunc { return workerfx.FromChannel(ch, s.one) },
	"Batch of 1":  func(ch <-chan int, s *sink) workerfx.RunFunc { return workerfx.Batch(ch, 1, 0, s.put) },
	"Batch of 7":  func(ch <-chan int, s *sink) workerfx.RunFunc { return workerfx.Batch(ch, 7, time.Second, s.put) },
	"Batch of 99": func(ch <-chan int, s *sink) workerfx.RunFunc { return workerfx.Batch(ch, 99, time.Millisecond, s.put) },
}

// flushFaults are what may happen as items are handed over.
var flushFaults = map[string]func(ctx context.Context) error{
	"error":    func(context.Context) error { return errBoom },
	"panic":    func(context.Context) error { panic("flush") },
	"exit":     func(context.Context) error { runtime.Goexit(); return nil },
	"slow":     func(context.Context) error { time.Sleep(time.Minute); return nil },
	"too slow": func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
	"stopping": func(context.Context) error { return workerfx.ErrStopping },
	"hostile":  func(context.Context) error { return hostile{onIs: panicInside} },
}

// eachFlush runs a test with every body and every fault.
func eachFlush(t *testing.T, test func(t *testing.T, body func(<-chan int, *sink) workerfx.RunFunc, s *sink)) {
	t.Helper()
	for kind, body := range bodies {
		for name, fault := range flushFaults {
			bubble(kind+" "+name, t, func(t *testing.T) { test(t, body, &sink{fault: fault}) })
		}
	}
}

func upTo(n int) (numbers []int) {
	for i := range n {
		numbers = append(numbers, i)
	}
	return numbers
}

// feed sends numbers, some at once and some after a while, and closes the channel.
func feed(n int) <-chan int {
	ch := make(chan int, 10)
	go func() {
		defer close(ch)
		for i := range n {
			ch <- i
			if i%11 == 0 {
				time.Sleep(10 * time.Millisecond)
			}
		}
	}()
	return ch
}

// persistent are the options of a worker that goes on whatever happens.
var persistent = with(endless, second, workerfx.WithRunTimeout(2*time.Minute))

func TestNoItemIsLostOrDoubledHoweverFlushesFail(t *testing.T) {
	const items = 200
	for _, replicas := range []int{1, 3} {
		t.Run(fmt.Sprint(replicas, " replicas"), func(t *testing.T) {
			eachFlush(t, func(t *testing.T, body func(<-chan int, *sink) workerfx.RunFunc, s *sink) {
				pool := startPool(t, workerfx.NewWorker("w", body(feed(items), s), append(persistent, workerfx.WithReplicas(replicas))...))
				time.Sleep(24 * time.Hour)
				synctest.Wait()
				jobs := int64(0)
				for _, e := range pool.Executions() {
					assert.Equal(t, workerfx.StatusSuccess, e.Status, "%v", e.Err)
					jobs += e.Jobs
				}
				assert.EqualValues(t, items, jobs)
				if replicas > 1 {
					slices.Sort(s.items)
				}
				assert.Equal(t, upTo(items), s.items, "all, once, and in their order if there is but one replica")
				stop(t, pool)
			})
		})
	}
}

func TestNoItemIsLostOrDoubledByCommands(t *testing.T) {
	const items = 200
	commands := map[string]func(*workerfx.Pool) error{
		"restart":          func(p *workerfx.Pool) error { return p.Restart("w") },
		"pause and resume": func(p *workerfx.Pool) error { return errors.Join(p.Pause("w"), p.Resume("w")) },
		"scale":            func(p *workerfx.Pool) error { return errors.Join(p.Scale("w", 0), p.Scale("w", 2)) },
	}
	for name, command := range commands {
		t.Run(name, func(t *testing.T) {
			eachFlush(t, func(t *testing.T, body func(<-chan int, *sink) workerfx.RunFunc, s *sink) {
				pool := startPool(t, workerfx.NewWorker("w", body(feed(items), s), append(persistent, workerfx.WithStopTimeout(time.Minute))...))
				for range 20 {
					time.Sleep(1234 * time.Millisecond)
					_ = command(pool) // some come too late
				}
				time.Sleep(24 * time.Hour)
				synctest.Wait()
				slices.Sort(s.items)
				assert.Equal(t, upTo(items), s.items)
				stop(t, pool)
			})
		})
	}
}

func TestTheRunTimeoutHoldsForAJobAlsoOnceItsWorkerWasAskedToEnd(t *testing.T) {
	commands := map[string]func(*workerfx.Pool) error{
		"restart": func(p *workerfx.Pool) error { return p.Restart("w") },
		"scale":   func(p *workerfx.Pool) error { return errors.Join(p.Scale("w", 0), p.Scale("w", 1)) },
		"pause":   func(p *workerfx.Pool) error { return errors.Join(p.Pause("w"), p.Resume("w")) },
	}
	for name, command := range commands {
		bubble(name, t, func(t *testing.T) {
			ch := make(chan int, 1)
			ch <- 0
			close(ch)
			s := &sink{fault: flushFaults["too slow"]}
			pool := startPool(t, workerfx.NewWorker("w", workerfx.FromChannel(ch, s.one), persistent...))
			time.Sleep(time.Minute)
			_ = command(pool)
			time.Sleep(time.Hour)
			assert.Equal(t, workerfx.StatusSuccess, report(t, pool, "w").Status)
			assert.Equal(t, []int{0}, s.items)
			stop(t, pool)
		})
	}
}

func TestStopHandsOverWhatWasReceived(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ch := make(chan int)
		s := &sink{fault: func(ctx context.Context) error { workerfx.Wait(ctx, 3*time.Second); return ctx.Err() }}
		pool := startPool(t, workerfx.NewWorker("w", workerfx.Batch(ch, 100, time.Hour, s.put)))
		for i := range 10 {
			ch <- i
		}
		stop(t, pool)
		assert.Equal(t, upTo(10), s.items)
		assert.Equal(t, workerfx.StatusStopped, report(t, pool, "w").Status)
	})
}

func TestAFlushThatFailsAtTheStopIsReportedWithWhatItLeaves(t *testing.T) {
	for name, fault := range flushFaults {
		if name == "slow" { // that ends well, just late
			continue
		}
		bubble(name, t, func(t *testing.T) {
			ch := make(chan int)
			s := &sink{fault: fault}
			pool := startPool(t, workerfx.NewWorker("w", workerfx.Batch(ch, 100, time.Hour, s.put), endless))
			for i := range 10 {
				ch <- i
			}
			begin := time.Now()
			require.NoError(t, pool.Stop(within(t, 10*time.Second)))
			assert.Less(t, time.Since(begin), 10*time.Second, "the context of a flush ends in time")
			e := report(t, pool, "w")
			assert.Equal(t, workerfx.StatusError, e.Status)
			assert.ErrorContains(t, e.Err, "items that wait to be handed over again: 10")
			assert.Equal(t, 1, s.calls, "no other attempt once it is to stop")
		})
	}
}

func TestAFlushThatHangsIsNamedByStop(t *testing.T) {
	for kind, body := range bodies {
		bubble(kind, t, func(t *testing.T) {
			release := make(chan struct{})
			defer close(release)
			ch := make(chan int, 1)
			ch <- 1
			s := &sink{fault: func(context.Context) error { hangHere(release); return nil }}
			pool := startPool(t, workerfx.NewWorker("w", body(ch, s)))
			time.Sleep(time.Minute)
			straggler := requireStraggler(t, pool, "w", time.Second)
			assert.Contains(t, straggler.Stack, "faults_test.hangHere")
		})
	}
}

func TestItemsInHandAfterTheLastAttemptAreHandedOverByARestart(t *testing.T) {
	for kind, body := range bodies {
		bubble(kind, t, func(t *testing.T) {
			ch := make(chan int, 1)
			ch <- 0
			close(ch)
			s := &sink{fault: fails}
			pool := startPool(t, workerfx.NewWorker("w", body(ch, s)))
			time.Sleep(time.Minute)
			assert.ErrorContains(t, report(t, pool, "w").Err, "items that wait to be handed over again: 1")
			require.NoError(t, pool.Restart("w"))
			assert.Equal(t, workerfx.StatusSuccess, report(t, pool, "w").Status)
			assert.Equal(t, []int{0}, s.items)
			stop(t, pool)
		})
	}
}
