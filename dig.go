package workerfx

import (
	"context"
	"errors"
	"reflect"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/dig"
)

// ProvideDig is [ProvideWorker] for an app that uses dig without Fx.
func ProvideDig(c *dig.Container, constructor any, opts ...Option) error {
	made, err := inspectWorker("ProvideDig", constructor)
	if err != nil {
		return err
	}
	scope := c.Scope(made.name)
	if err := scope.Provide(constructor); err != nil {
		return err
	}
	return scope.Provide(made.registration(opts), dig.Group("workers"), dig.Export(true))
}

// dependencies are what a pool may be given by a container, whichever kind. Where two fields stand
// for the same thing, the pointer (or the SDK's own type) wins.
type dependencies struct {
	dig.In

	Config            Config                   `optional:"true"`
	ConfigPointer     *Config                  `optional:"true"`
	Logger            zerolog.Logger           `optional:"true"`
	LoggerPointer     *zerolog.Logger          `optional:"true"`
	TracerProvider    trace.TracerProvider     `optional:"true"`
	SDKTracerProvider *sdktrace.TracerProvider `optional:"true"`
	Registerer        prometheus.Registerer    `optional:"true"`
	Registry          *prometheus.Registry     `optional:"true"`

	Workers    []Worker     `group:"workers"`
	Groups     []Group      `group:"workers"`
	Middleware []Middleware `group:"workers"`
}

// newPool makes the pool, with its workers. It reports all errors in workers and configuration at once.
func (d *dependencies) newPool() (*Pool, error) {
	pool, err := NewPool(d.options()...)
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, w := range d.Workers {
		errs = append(errs, pool.Add(w))
	}
	for _, g := range d.Groups {
		errs = append(errs, pool.AddGroup(g))
	}
	if err := errors.Join(append(errs, pool.checkConfiguredNames())...); err != nil {
		if pool.slot != nil {
			pool.slot.free()
		}
		return nil, err
	}
	return pool, nil
}

func (d *dependencies) options() []PoolOption {
	opts := []PoolOption{
		WithConfig(d.Config), WithTracerProvider(d.TracerProvider), WithRegisterer(d.Registerer),
		WithPoolMiddleware(d.Middleware...),
	}
	if d.ConfigPointer != nil {
		opts = append(opts, WithConfig(*d.ConfigPointer))
	}
	if d.SDKTracerProvider != nil {
		opts = append(opts, WithTracerProvider(d.SDKTracerProvider))
	}
	if d.Registry != nil {
		opts = append(opts, WithRegisterer(d.Registry))
	}
	if d.LoggerPointer != nil {
		return append(opts, WithLogger(*d.LoggerPointer))
	}
	if !reflect.ValueOf(d.Logger).IsZero() {
		return append(opts, WithLogger(d.Logger))
	}
	return opts
}

// RunDig makes a pool of the container's workers, and runs it until ctx ends or an essential worker is
// done: see [Pool.Run]. It uses what [Module] uses, if the container has it.
func RunDig(ctx context.Context, c *dig.Container) error {
	var pool *Pool
	err := c.Invoke(func(d dependencies) (err error) {
		pool, err = d.newPool()
		return err
	})
	if err != nil {
		return err
	}
	return pool.Run(ctx)
}
