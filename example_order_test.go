package workerfx_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/fx"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/health"
)

// Cache is a worker that others need.
type Cache struct{}

func NewCache() *Cache { return &Cache{} }

// Run is ready when the cache is filled.
func (c *Cache) Run(ctx context.Context) error {
	if err := c.fill(ctx); err != nil {
		return err
	}
	workerfx.Ready(ctx)
	return c.follow(ctx)
}

func (*Cache) fill(context.Context) error {
	fmt.Println("cache is filled")
	return nil
}

func (*Cache) follow(ctx context.Context) error {
	<-ctx.Done()
	fmt.Println("cache stops")
	return ctx.Err()
}

// Consumer needs the cache.
type Consumer struct{}

func NewConsumer() *Consumer { return &Consumer{} }

// Run finishes the message it is at before it stops.
func (c *Consumer) Run(ctx context.Context) error {
	draining := workerfx.Draining(ctx) // from now on a stop asks before it ends the context
	for {
		select {
		case <-draining:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		default:
			workerfx.Heartbeat(ctx)
			if err := c.handleNext(ctx); err != nil {
				return err
			}
		}
	}
}

func (*Consumer) handleNext(ctx context.Context) error {
	workerfx.Wait(ctx, time.Millisecond)
	return ctx.Err()
}

// One worker waits for another, and is the first to stop.
func ExampleWithAfter_app() {
	app := fx.New(
		fx.NopLogger,
		workerfx.Module,
		workerfx.ProvideWorker(NewCache, workerfx.WithName("cache"), workerfx.WithReadiness()),
		workerfx.ProvideWorker(NewConsumer, workerfx.WithAfter("cache"),
			workerfx.WithHeartbeat(time.Minute, workerfx.RestartStuck)),
	)
	if err := app.Start(context.Background()); err != nil { // returns once the cache is filled
		fmt.Println(err)
	}
	fmt.Println("app has started")
	if err := app.Stop(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// cache is filled
	// app has started
	// cache stops
}

// Pair is a group whose workers make sense only together.
type Pair struct{}

func NewPair() *Pair { return &Pair{} }

func (*Pair) Workers() []workerfx.Worker {
	return []workerfx.Worker{
		workerfx.NewWorker("reader", untilStopped),
		workerfx.NewWorker("writer", untilStopped),
	}
}

// NewProbes makes the server of the probes, at /livez and /readyz.
func NewProbes(pool *workerfx.Pool) *http.Server {
	return &http.Server{Addr: "127.0.0.1:8081", Handler: health.Handler(pool), ReadHeaderTimeout: time.Second}
}

// What is wrong with a pool, and since when.
func ExamplePool_Health_problems() {
	app := fx.New(
		fx.NopLogger,
		fx.Provide(zerolog.Nop, NewProbes),
		workerfx.Module,
		workerfx.ProvideWorker(NewPair, workerfx.WithName("pair"), workerfx.WithMaxAttempts(0),
			workerfx.WithStrategy(workerfx.OneForAll)), // when one fails, the other restarts with it
		workerfx.ProvideWorker(func() workerfx.Worker {
			return workerfx.NewWorker("broken", func(context.Context) error { return errors.New("no such table") })
		}),
		fx.Invoke(func(lc fx.Lifecycle, pool *workerfx.Pool) {
			lc.Append(fx.StartHook(func() {
				for pool.Health() == nil { // it takes a moment
					time.Sleep(time.Millisecond)
				}
				if unwell, ok := errors.AsType[*workerfx.HealthError](pool.Health()); ok {
					for _, p := range unwell.Problems {
						fmt.Println(p.Worker, "is", p.Trouble, "because of", p.Err)
					}
				}
			}))
		}),
	)
	_ = app.Start(context.Background())
	_ = app.Stop(context.Background())
	// Output: broken is failed because of no such table
}
