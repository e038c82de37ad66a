package workerfx

import (
	"context"
	"errors"
	"log/slog"
	"reflect"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/dig"

	"github.com/workerfx/workerfx/internal/constructor"
)

// ProvideDig is [ProvideWorker] for an app that uses dig without Fx.
func ProvideDig(c *dig.Container, fn any, opts ...Option) error {
	made, err := inspectWorker("workerfx.ProvideDig", fn)
	if err != nil {
		return err
	}
	t := reflect.TypeOf(fn)
	if t.Kind() != reflect.Func {
		return made.Errorf("%v is for Fx, want a constructor", t)
	}
	withOptions := constructor.Convert(made, func(made any) (Group, error) {
		g, _ := made.(Group)
		return &groupWithOptions{g, opts}, nil
	})
	if made.Result.Implements(workerType) {
		withOptions = constructor.Convert(made, func(made any) (Worker, error) {
			w, _ := made.(Worker)
			return With(w, opts...), nil
		})
	}
	return c.Provide(withOptions, dig.Group("workers"), dig.LocationForPC(reflect.ValueOf(fn).Pointer()))
}

// poolDependencies are the dependencies of a pool. Of two fields for the same thing, the pointer (or the type of
// the SDK) wins. Slog is used if there is no other logger.
type poolDependencies struct {
	dig.In

	Config            Config                   `optional:"true"`
	ConfigPointer     *Config                  `optional:"true"`
	Logger            zerolog.Logger           `optional:"true"`
	LoggerPointer     *zerolog.Logger          `optional:"true"`
	Slog              *slog.Logger             `optional:"true"`
	TracerProvider    trace.TracerProvider     `optional:"true"`
	SDKTracerProvider *sdktrace.TracerProvider `optional:"true"`
	Registerer        prometheus.Registerer    `optional:"true"`
	Registry          *prometheus.Registry     `optional:"true"`
}

// workerDependencies are the workers, groups and middleware of a container.
type workerDependencies struct {
	dig.In

	Workers    []Worker     `group:"workers"`
	Groups     []Group      `group:"workers"`
	Middleware []Middleware `group:"workers"`
}

// addTo adds the workers to a pool that has not started. It reports all errors in workers and configuration at once.
func (d *workerDependencies) addTo(pool *Pool) error {
	errs := []error{useMiddleware(pool, d.Middleware)}
	var refused []string // that the configuration names them is no error of its own
	for _, w := range d.Workers {
		if err := pool.Add(w); err != nil {
			errs, refused = append(errs, err), append(refused, intendedName(unwrapWorker(w)))
		}
	}
	for _, g := range d.Groups {
		if err := pool.AddGroup(g); err != nil {
			errs, refused = append(errs, err), append(refused, intendedName(unwrapGroup(g, nil)))
		}
	}
	err := errors.Join(append(errs, pool.checkConfig(refused...))...)
	if err != nil && pool.slot != nil {
		pool.slot.free()
	}
	return err
}

func (d *poolDependencies) options() []PoolOption {
	opts := []PoolOption{
		WithConfig(d.Config), WithTracerProvider(d.TracerProvider), WithRegisterer(d.Registerer),
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
	if d.Slog != nil {
		return append(opts, WithSlog(d.Slog))
	}
	return opts
}

// RunDig makes a pool with the workers of a container, and runs it: see [Pool.Run]. It uses the same dependencies
// as [Module], if the container has them.
func RunDig(ctx context.Context, c *dig.Container) error {
	var pool *Pool
	err := c.Invoke(func(d poolDependencies, workers workerDependencies) (err error) {
		if pool, err = NewPool(d.options()...); err != nil {
			return err
		}
		return workers.addTo(pool)
	})
	if err != nil {
		return err
	}
	return pool.Run(ctx)
}
