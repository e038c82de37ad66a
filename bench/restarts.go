package main

import (
	"context"
	"errors"

	"github.com/ankorstore/yokai/worker"
	"github.com/rs/zerolog"
	"github.com/thejerf/suture/v4"

	"github.com/workerfx/workerfx"
)

var errAttempt = errors.New("attempt failed")

func failWithError(context.Context) error { return errAttempt }
func failWithPanic(context.Context) error { panic(errAttempt) }

// restarting is a supervisor that runs one body again and again, at once, until it returns nil.
type restarting struct {
	name string
	run  func(attempts int, body func(ctx context.Context) error)
}

// runBare has a goroutine for each attempt, which the next one waits for.
func runBare(attempts int, body func(context.Context) error) {
	done := make(chan any)
	for range attempts {
		go func() {
			var err error
			defer func() {
				if value := recover(); value != nil {
					done <- value
					return
				}
				done <- err
			}()
			err = body(context.Background())
		}()
		if <-done == nil {
			return
		}
	}
}

func runPool(_ int, body func(context.Context) error) {
	pool := newPool(workerfx.WithLogger(zerolog.Nop()))
	done := make(chan struct{})
	w := workerfx.NewWorker("failing", func(ctx context.Context) error {
		err := body(ctx)
		if err == nil {
			close(done)
		}
		return err
	}, workerfx.WithMaxAttempts(0), workerfx.WithBackoff(workerfx.StaticBackoff{}))
	check(pool.Add(w))
	check(pool.Start(context.Background()))
	<-done
	check(pool.Stop(context.Background()))
}

func runSuture(_ int, body func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	tree := newSuture()
	tree.Add(&sutureService{"failing", func(ctx context.Context) error {
		if err := body(ctx); err != nil {
			return err
		}
		cancel()
		return suture.ErrDoNotRestart
	}})
	_ = tree.Serve(ctx)
}

func runYokai(attempts int, body func(context.Context) error) {
	done := make(chan struct{})
	w := &yokaiWorker{"failing", func(ctx context.Context) error {
		err := body(ctx)
		if err == nil {
			close(done)
		}
		return err
	}}
	pool := worker.NewWorkerPool(worker.WithWorker(w, worker.WithMaxExecutionsAttempts(attempts+1)))
	check(pool.Start(context.Background()))
	<-done
	check(pool.Stop())
}

// restart is n attempts that fail, each of which is followed by the next one at once.
func restart(n int, s restarting, fail func(context.Context) error) side {
	return side{s.name, func(m *meter) {
		attempts := 0
		m.start()
		s.run(n+1, func(ctx context.Context) error {
			if attempts++; attempts > n {
				return nil
			}
			return fail(ctx)
		})
		m.stop(n)
	}}
}

func restartWorks(size func(n int) int) (works []work) {
	bare := restarting{"bare goroutines", runBare}
	ours, tree, yokai := restarting{"workerfx", runPool}, restarting{"suture", runSuture}, restarting{"yokai", runYokai}
	add := func(name string, goal float64, n int, fail func(context.Context) error, peers ...restarting) {
		w := work{name: name, unit: "restart", goal: goal, baseline: restart(n, bare, fail)}
		for _, s := range append([]restarting{ours}, peers...) {
			w.contenders = append(w.contenders, restart(n, s, fail))
		}
		works = append(works, w)
	}
	// A work of 100 restarts would be too short to measure: their pool is made anew, which is not part of a restart.
	add("restart after an error, 10,000 in a row", 1.5, size(10_000), failWithError, tree, yokai)
	add("restart after an error, 1,000,000 in a row", 1.5, size(1_000_000), failWithError, tree)
	add("restart after a panic, its stack kept", 2.3, size(10_000), failWithPanic, tree, yokai)
	return works
}
