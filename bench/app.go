package main

import (
	"context"
	"strconv"
	"sync"

	"go.uber.org/fx"

	"github.com/workerfx/workerfx"
)

// appWorkers is how many workers the app has.
const appWorkers = 100

type idleWorker struct{}

// Run waits until the worker stops.
func (*idleWorker) Run(ctx context.Context) error {
	<-ctx.Done()
	return context.Cause(ctx)
}

// constructors returns constructors of workers that need something of the app.
func constructors() (all []any) {
	for range appWorkers {
		all = append(all, func(*sync.Mutex) *idleWorker { return &idleWorker{} })
	}
	return all
}

// app is the build, start and stop of an app.
func app(name string, options func(all []any) fx.Option) side {
	return side{name, func(m *meter) {
		all := constructors()
		m.start()
		a := fx.New(fx.NopLogger, fx.Provide(func() *sync.Mutex { return new(sync.Mutex) }), options(all))
		check(a.Start(context.Background()))
		check(a.Stop(context.Background()))
		m.stop(1)
	}}
}

// plainApp puts the workers into a value group, and runs each in a goroutine.
func plainApp(all []any) fx.Option {
	var options []fx.Option
	for _, constructor := range all {
		options = append(options, fx.Provide(fx.Annotate(constructor, fx.As(new(workerfx.Worker)), fx.ResultTags(`group:"idle"`))))
	}
	type workers struct {
		fx.In

		All []workerfx.Worker `group:"idle"`
	}
	return fx.Options(fx.Options(options...), fx.Invoke(func(w workers, lifecycle fx.Lifecycle) {
		ctx, cancel := context.WithCancel(context.Background())
		var running sync.WaitGroup
		lifecycle.Append(fx.StartStopHook(func() {
			for _, one := range w.All {
				running.Go(func() { _ = one.Run(ctx) })
			}
		}, func() {
			cancel()
			running.Wait()
		}))
	}))
}

func ourApp(all []any) fx.Option {
	var options []fx.Option
	for _, constructor := range all {
		options = append(options, workerfx.ProvideWorker(constructor, workerfx.WithName("worker-"+strconv.Itoa(len(options)))))
	}
	return fx.Options(workerfx.Module, fx.Options(options...), fx.Supply(workerfx.Config{}))
}

func appWorks(func(n int) int) []work {
	return []work{{
		name: "Fx app with 100 workers: build, start, stop", unit: "app", goal: 1.3, baseline: app("value group", plainApp),
		contenders: []side{app("workerfx", ourApp)},
	}}
}
