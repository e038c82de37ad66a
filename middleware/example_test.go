package middleware_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/middleware"
)

// Count what the workers of a pool do.
func ExampleCounter() {
	var counter middleware.Counter
	pool, _ := workerfx.NewPool(workerfx.WithLogger(zerolog.Nop()), workerfx.WithPoolMiddleware(counter.Middleware()))
	_ = pool.Add(workerfx.NewWorker("import", func(context.Context) error { return nil }))
	_ = pool.Add(workerfx.NewWorker("export", func(context.Context) error { return errors.New("disk is full") }))
	_ = pool.Add(workerfx.NewWorker("serve", func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	}))
	_ = pool.Start(context.Background())
	for counter.Started() < 3 || counter.Running() > 1 {
		time.Sleep(time.Millisecond)
	}
	fmt.Println(counter.Started(), "started,", counter.Running(), "running,", counter.Succeeded(), "succeeded,", counter.Failed(), "failed")
	_ = pool.Stop(context.Background())
	fmt.Println(counter.Running(), "running")
	// Output:
	// 3 started, 1 running, 1 succeeded, 1 failed
	// 0 running
}

// Measure how long the jobs of a worker take.
func ExampleElapsed() {
	var elapsed middleware.Elapsed
	job := elapsed.Middleware()(func(context.Context) error {
		time.Sleep(10 * time.Millisecond)
		return nil
	})
	_, _ = job(context.Background()), job(context.Background())
	fmt.Println(elapsed.Count(), elapsed.Total() >= 20*time.Millisecond, elapsed.Average() >= 10*time.Millisecond)
	// Output: 2 true true
}

// Try a job again within the same run, before the pool sees its failure.
func ExampleRetry() {
	tries, sent := 0, make(chan struct{})
	send := func(context.Context) error {
		if tries++; tries < 3 {
			return errors.New("server is busy")
		}
		close(sent)
		return nil
	}
	pool, _ := workerfx.NewPool(workerfx.WithLogger(zerolog.Nop()))
	_ = pool.Add(workerfx.NewWorker("mailer", send,
		workerfx.WithMiddleware(middleware.Retry(5, workerfx.ExponentialBackoff{Initial: time.Millisecond}))))
	_ = pool.Start(context.Background())
	<-sent
	_ = pool.Stop(context.Background())

	e, _ := pool.Execution("mailer")
	fmt.Println(tries, "tries in", e.Runs, "run:", e.Status)
	// Output: 3 tries in 1 run: success
}

// Let one of all processes that share a locker do the work.
func ExampleSingleton() {
	locker := middleware.NewLocalLocker() // several processes need a locker that uses their database
	works := make(chan string)
	var pools []*workerfx.Pool
	for _, process := range []string{"first", "second"} {
		pool, _ := workerfx.NewPool(workerfx.WithLogger(zerolog.Nop()))
		_ = pool.Add(workerfx.NewWorker("billing", func(ctx context.Context) error {
			works <- process
			<-ctx.Done()
			return ctx.Err()
		}, workerfx.WithMiddleware(middleware.Singleton(locker))))
		_ = pool.Start(context.Background())
		pools = append(pools, pool)
		if process == "first" {
			fmt.Println(<-works, "works")
		}
	}
	_ = pools[0].Stop(context.Background())
	fmt.Println(<-works, "works")
	_ = pools[1].Stop(context.Background())
	// Output:
	// first works
	// second works
}

// Ignore the errors of jobs, so that they do not end the loop, and wait between jobs.
func ExampleIgnoreErrors() {
	answers := []error{errors.New("no news yet"), nil, workerfx.ErrDoNotRestart}
	ask := func(context.Context) error {
		answer := answers[0]
		answers = answers[1:]
		fmt.Println("job returned", answer)
		return answer
	}
	patient, calm := middleware.IgnoreErrors(), middleware.Pause(time.Millisecond)
	err := workerfx.Loop(calm(patient(ask)))(context.Background())
	fmt.Println("loop returned", err)
	// Output:
	// job returned no news yet
	// job returned <nil>
	// job returned do not restart
	// loop returned do not restart
}
