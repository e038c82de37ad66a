package workerfx_test

import (
	"context"
	"fmt"

	"go.uber.org/fx"

	"github.com/workerfx/workerfx"
)

// NewHandmade makes a worker without ProvideWorker.
func NewHandmade() workerfx.Worker {
	return workerfx.NewWorker("handmade", func(context.Context) error {
		fmt.Println("made by hand")
		return nil
	}, workerfx.WithEssential())
}

// Put a worker into the value group of the pool by hand.
func ExampleModule_group() {
	app := fx.New(
		fx.NopLogger,
		workerfx.Module,
		fx.Supply(workerfx.Config{Name: "jobs"}),
		fx.Provide(fx.Annotate(NewHandmade, fx.ResultTags(`group:"workers"`))),
		fx.Replace(workerfx.Config{Name: "test"}), // in place of the one that the app provides
	)
	if err := app.Start(context.Background()); err != nil {
		fmt.Println(err)
	}
	<-app.Wait()
	if err := app.Stop(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output: made by hand
}

// background provides a second pool.
type background struct {
	fx.Out

	Pool *workerfx.Pool `name:"background"`
}

func newBackground(lifecycle fx.Lifecycle, shutdowner fx.Shutdowner) (background, error) {
	cleanup := func(context.Context) error {
		fmt.Println("clean")
		return nil
	}
	result, err := workerfx.New(workerfx.Params{
		Lifecycle: lifecycle, Shutdowner: shutdowner,
		Config:  workerfx.Config{Name: "background"}, // in its logs and metrics
		Workers: []workerfx.Worker{workerfx.NewWorker("cleanup", cleanup, workerfx.WithEssential())},
	})
	return background{Pool: result.Pool}, err
}

// The app's first pool is that of Module.
func ExampleNew() {
	app := fx.New(
		fx.NopLogger,
		workerfx.Module,
		fx.Provide(newBackground),
		fx.Invoke(fx.Annotate(func(*workerfx.Pool) {}, fx.ParamTags(`name:"background"`))), // makes it
	)
	if err := app.Start(context.Background()); err != nil {
		fmt.Println(err)
	}
	<-app.Wait()
	if err := app.Stop(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output: clean
}
