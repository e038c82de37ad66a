package faults_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx"
)

// TestAHostileErrorOfAGoroutineIsOneFailedAttempt has goroutines of a run end it with errors whose methods panic, sooner or
// later. The error is the cause of the run's context, which other parts of the library look at.
func TestAHostileErrorOfAGoroutineIsOneFailedAttempt(t *testing.T) {
	bodies := func(items <-chan int) map[string]workerfx.RunFunc {
		return map[string]workerfx.RunFunc{
			"Run waits":     untilStopped,
			"Run panics":    func(ctx context.Context) error { <-ctx.Done(); panic(errBoom) },
			"Run fails":     func(ctx context.Context) error { <-ctx.Done(); return errBoom },
			"FromChannel":   workerfx.FromChannel(items, func(context.Context, int) error { return nil }),
			"Batch":         workerfx.Batch(items, 10, time.Second, func(context.Context, []int) error { return nil }),
			"Loop":          workerfx.Loop(func(ctx context.Context) error { workerfx.Wait(ctx, time.Second); return nil }),
			"fails twice":   func(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) },
			"Run has ended": succeeds,
		}
	}
	options := map[string]workerfx.Option{
		"plain":     workerfx.WithEvents(10),
		"timeout":   workerfx.WithRunTimeout(time.Hour),
		"heartbeat": workerfx.WithHeartbeat(time.Hour, workerfx.RestartStuck),
	}
	ends := map[string]func() error{
		"returns": func() error { return hostile{onIs: later(panicInside)} },
		"panics":  func() error { panic(hostile{onIs: panicInside}) },
	}
	for bodyName := range bodies(nil) {
		for optionName, option := range options {
			for endName, end := range ends {
				bubble(fmt.Sprint(bodyName, ", ", optionName, ", ", endName), t, func(t *testing.T) {
					body := bodies(make(chan int))[bodyName]
					pool := startPool(t, workerfx.NewWorker("w", func(ctx context.Context) error {
						if err := workerfx.Go(ctx, func(context.Context) error { time.Sleep(time.Second); return end() }); err != nil {
							return err
						}
						return body(ctx)
					}, option, workerfx.WithMaxAttempts(2), workerfx.WithBackoff(workerfx.StaticBackoff{Sleep: time.Hour})))
					time.Sleep(time.Minute)
					e, err := pool.Execution("w")
					require.NoError(t, err)
					assert.Equal(t, workerfx.StatusWaiting, e.Status)
					assert.EqualValues(t, 1, e.Failures)
					stop(t, pool)
				})
			}
		}
	}
}

// askingError asks the pool for a report when its text is made.
type askingError struct{ pool *workerfx.Pool }

func (e askingError) Error() string {
	_, err := e.pool.Execution("w")
	return fmt.Sprint("asked: ", err)
}

func TestTheErrorOfAGoroutineMayAskThePool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool, refused := newPool(t), make(chan error, 1)
		add(t, pool, workerfx.NewWorker("w", func(ctx context.Context) error {
			fail := func(context.Context) error { return askingError{pool} }
			if err := workerfx.Go(ctx, fail); err != nil {
				return err
			}
			<-ctx.Done()
			refused <- workerfx.Go(ctx, succeeds)
			return ctx.Err()
		}))
		start(t, pool)
		err := <-refused
		require.ErrorContains(t, err, "the run has ended: asked: <nil>")
		require.ErrorAs(t, err, new(askingError))
		stop(t, pool)
	})
}
