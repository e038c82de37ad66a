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
	// stopTimeout bounds the stop: a thumbnail takes seconds at most.
	stopTimeout = 15 * time.Second
	// jobTimeout ends an attempt, between two of its steps.
	jobTimeout = time.Minute
)

// backoff is between the attempts at a thumbnail.
var backoff = workerfx.ExponentialBackoff{Initial: time.Second, Max: time.Minute, Jitter: 0.2}

// app is all that a worker consists of.
func app(c config, log zerolog.Logger) fx.Option {
	return fx.Options(
		fx.NopLogger, // what fails comes back as an error
		fx.StopTimeout(stopTimeout),
		fx.Supply(c, log),
		fx.Provide(prometheus.NewRegistry),
		workerfx.Module,
		queue.Module(c.database(), queue.WithQueue(queueName, c.slots)),
		queue.ProvideHandler[Thumbnail](NewMaker, queue.WithBackoff(backoff), queue.WithTimeout(jobTimeout)),
		fx.Invoke(serve),
	)
}

// work makes thumbnails until ctx ends, or nothing is left to do if that is wanted.
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

// untilDone waits for the worker's end, whatever it is.
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
