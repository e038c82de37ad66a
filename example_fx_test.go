package workerfx_test

import (
	"context"
	"fmt"
	"time"

	"go.uber.org/fx"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/middleware"
)

// Handmade is a worker that comes into the app without ProvideWorker.
type Handmade struct{}

func NewHandmade() *Handmade { return &Handmade{} }

func (*Handmade) Name() string { return "handmade" }

func (*Handmade) Run(context.Context) error {
	fmt.Println("made by hand")
	return nil
}

// Put a worker into the value group of the pool by hand.
func ExampleModule_group() {
	var pool *workerfx.Pool
	app := fx.New(
		fx.NopLogger,
		workerfx.Module,
		fx.Supply(workerfx.Config{Name: "jobs"}),
		fx.Provide(fx.Annotate(NewHandmade, fx.As(new(workerfx.Worker)), fx.ResultTags(`group:"workers"`))),
		fx.Replace(workerfx.Config{Name: "test"}), // in place of the one that the app provides
		fx.Populate(&pool),
	)
	runUntilDone(app, func() { awaitStatus(pool, "handmade", workerfx.StatusSuccess) })
	fmt.Println("in pool", pool.Name())
	// Output:
	// made by hand
	// in pool test
}

// runUntilDone starts an app, waits, and stops the app.
func runUntilDone(app *fx.App, wait func()) {
	if err := app.Start(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	wait()
	if err := app.Stop(context.Background()); err != nil {
		fmt.Println(err)
	}
}

// background provides a second pool.
type background struct {
	fx.Out

	Pool *workerfx.Pool `name:"background"`
}

func newBackground(lifecycle fx.Lifecycle, shutdowner fx.Shutdowner) (background, error) {
	result, err := workerfx.New(workerfx.Params{
		Lifecycle: lifecycle, Shutdowner: shutdowner,
		Config:  workerfx.Config{Name: "background"}, // in its logs and metrics
		Workers: []workerfx.Worker{workerfx.NewWorker("cleanup", cleanUp, workerfx.WithInterval(time.Hour))},
	})
	return background{Pool: result.Pool}, err
}

func cleanUp(context.Context) error { return nil }

// The app's first pool is that of Module.
func ExampleNew() {
	var second *workerfx.Pool
	app := fx.New(
		fx.NopLogger,
		workerfx.Module,
		fx.Provide(newBackground),
		fx.Invoke(fx.Annotate(func(*workerfx.Pool) {}, fx.ParamTags(`name:"background"`))), // makes it
		fx.Populate(fx.Annotate(&second, fx.ParamTags(`name:"background"`))),
	)
	runUntilDone(app, func() {
		awaitStatus(second, "cleanup", workerfx.StatusWaiting)
		fmt.Println("pool", second.Name(), "waits to clean up")
	})
	// Output: pool background waits to clean up
}

// Feed reads a feed, in one of many processes at a time.
type Feed struct{}

func (*Feed) Run(ctx context.Context) error {
	fmt.Println("reads the feed")
	feedIsRead <- struct{}{}
	<-ctx.Done()
	return ctx.Err()
}

var feedIsRead = make(chan struct{}, 1)

// NewFeed makes the worker, with a lock that the app provides.
func NewFeed(locker middleware.Locker) workerfx.Worker {
	return workerfx.With(&Feed{}, workerfx.WithMiddleware(middleware.Singleton(locker)))
}

// An option of a worker may need something that the app provides.
func ExampleWith() {
	app := fx.New(
		fx.NopLogger,
		workerfx.Module,
		fx.Provide(middleware.NewLocalLocker), // or a function that returns queue.PostgresLocker(pool)
		workerfx.ProvideWorker(NewFeed, workerfx.WithName("feed")),
	)
	runUntilDone(app, func() { <-feedIsRead })
	// Output: reads the feed
}
