package workerfx_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"github.com/workerfx/workerfx"
)

// A worker that says when it is ready, and one that starts after it and stops before it.
func ExampleWithReadiness() {
	cache := workerfx.NewWorker("cache", func(ctx context.Context) error {
		fmt.Println("cache: warm")
		workerfx.Ready(ctx)
		<-ctx.Done()
		fmt.Println("cache: closed")
		return ctx.Err()
	}, workerfx.WithReadiness())
	api := workerfx.NewWorker("api", func(ctx context.Context) error {
		fmt.Println("api: open")
		workerfx.Ready(ctx)
		<-ctx.Done()
		fmt.Println("api: closed")
		return ctx.Err()
	}, workerfx.WithReadiness(), workerfx.WithAfter("cache"))

	pool, _ := workerfx.NewPool(workerfx.WithLogger(zerolog.Nop()))
	_ = pool.Add(api)
	_ = pool.Add(cache)
	_ = pool.Start(context.Background())
	fmt.Println("ready:", pool.Ready(context.Background()) == nil)
	_ = pool.Stop(context.Background())
	// Output:
	// cache: warm
	// api: open
	// ready: true
	// api: closed
	// cache: closed
}

// A worker that has to give a sign of life every 10ms, and is run again if it does not.
func ExampleHeartbeat() {
	done := make(chan struct{})
	poller := workerfx.NewWorker("poller", func(ctx context.Context) error {
		if workerfx.CtxAttempt(ctx) == 1 {
			<-ctx.Done() // the feed does not answer
			fmt.Println(context.Cause(ctx))
			return ctx.Err()
		}
		workerfx.Heartbeat(ctx) // after each answer
		fmt.Println("polled")
		close(done)
		return workerfx.ErrDoNotRestart
	}, workerfx.WithHeartbeat(10*time.Millisecond, workerfx.RestartStuck))

	pool, _ := workerfx.NewPool(workerfx.WithLogger(zerolog.Nop()))
	_ = pool.Add(poller)
	_ = pool.Start(context.Background())
	<-done
	_ = pool.Stop(context.Background())
	// Output:
	// worker is stuck: no heartbeat for 10ms
	// polled
}

// A worker that finishes what it is at when it is asked to stop.
func ExampleDraining() {
	orders := make(chan string, 3)
	begun := make(chan struct{})
	worker := workerfx.NewWorker("orders", func(ctx context.Context) error {
		draining := workerfx.Draining(ctx)
		for {
			select {
			case order := <-orders:
				close(begun)
				<-draining // the pool is asked to stop while the worker is at it
				fmt.Println(order, "done, context:", ctx.Err())
			case <-draining:
				fmt.Println("begins nothing new")
				return nil
			}
		}
	})

	pool, _ := workerfx.NewPool(workerfx.WithLogger(zerolog.Nop()))
	_ = pool.Add(worker)
	_ = pool.Start(context.Background())
	orders <- "order 1"
	<-begun
	fmt.Println("stopped:", pool.Stop(context.Background()) == nil)
	// Output:
	// order 1 done, context: <nil>
	// begins nothing new
	// stopped: true
}

// A pool tells which of its workers are in trouble, for a health check.
func ExamplePool_Health() {
	pool, _ := workerfx.NewPool(workerfx.WithLogger(zerolog.Nop()))
	_ = pool.Add(workerfx.NewWorker("mailer", func(context.Context) error {
		return errors.New("no route to host")
	}, workerfx.WithReadiness()))
	_ = pool.Add(workerfx.NewWorker("api", func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	}, workerfx.WithAfter("mailer")))
	_ = pool.Start(context.Background())
	_ = pool.Ready(context.Background()) // fails, as it cannot become ready

	if health, ok := errors.AsType[*workerfx.HealthError](pool.Health()); ok {
		for _, p := range health.Problems {
			fmt.Println(p.Worker, "is", p.Trouble) // p.Since and p.Err tell more
		}
	}
	_ = pool.Stop(context.Background())
	// Output:
	// api is not ready
	// mailer is failed
}
