package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"go.uber.org/fx"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/queue"
)

const (
	// stopTimeout bounds the stop. A thumbnail takes seconds at most.
	stopTimeout = 15 * time.Second
	// jobTimeout bounds an attempt. The handler checks it between two steps.
	jobTimeout = time.Minute
)

// backoff is the wait between the attempts of a job.
var backoff = workerfx.ExponentialBackoff{Initial: time.Second, Max: time.Minute, Jitter: 0.2}

// app is the whole app of a worker.
func app(c config, log zerolog.Logger) fx.Option {
	return fx.Options(
		fx.NopLogger, // failures are returned as errors
		fx.StopTimeout(stopTimeout),
		fx.Supply(c, log),
		fx.Provide(prometheus.NewRegistry, newHandler),
		workerfx.Module,
		queue.Module(c.database(), queue.WithQueue(queueName, c.slots)),
		queue.ProvideHandler[Thumbnail](NewMaker, queue.WithBackoff(backoff), queue.WithTimeout(jobTimeout)),
		fx.Invoke(serve),
	)
}

// work makes thumbnails until ctx ends. With -drain, it also ends when nothing is left to do.
func work(ctx context.Context, c config, log zerolog.Logger) error {
	var client *queue.Client
	app := fx.New(app(c, log), fx.Populate(&client))
	starting, cancel := context.WithTimeout(ctx, app.StartTimeout())
	defer cancel()
	if err := app.Start(starting); err != nil {
		return err
	}
	err := untilDone(ctx, c, client, app.Wait())
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), app.StopTimeout())
	defer cancel()
	return errors.Join(err, app.Stop(stopping))
}

// untilDone waits until the work is done, ctx ends or the app shuts down.
func untilDone(ctx context.Context, c config, client *queue.Client, shutdown <-chan fx.ShutdownSignal) error {
	if c.drain {
		if err := client.Drain(ctx); ctx.Err() == nil {
			return err
		}
		return nil // it was told to stop
	}
	select {
	case <-ctx.Done():
		return nil
	case end := <-shutdown:
		if end.ExitCode != 0 {
			return fmt.Errorf("the app shut down with exit code %d", end.ExitCode)
		}
		return nil
	}
}
