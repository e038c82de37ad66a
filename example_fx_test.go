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
