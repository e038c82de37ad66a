package workerfx

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/fx"

	"github.com/workerfx/workerfx/internal/nilcheck"
)

// Module gives an Fx app a *[Pool] with the workers of [ProvideWorker] and [UseWorker]. The pool starts and stops
// with the app. The start waits for workers with [WithReadiness], within the app's start timeout.
//
// Any constructor may take the *Pool, also the constructor of a worker. The pool starts after everything that its workers
// need, and stops before it.
//
// Module needs nothing from the app. If the app provides them, it uses a [Config] or *Config; a zerolog.Logger or
// *zerolog.Logger, else a *slog.Logger; a trace.TracerProvider or *sdktrace.TracerProvider; a prometheus.Registerer or
// *prometheus.Registry. fx.Decorate and fx.Replace work on all of them, beside Module or around it.
//
// Values of type [Worker], [Group] and [Middleware] in the value group "workers" are taken, too, however they came there: an
// app may put them there without ProvideWorker. The type in the group must be one of these interfaces, or Middleware.
var Module = fx.Module("worker",
	fx.Provide(newAppPool),
	fx.Invoke(runAppPool),
)

// Params is what [New] needs. Only Lifecycle and Shutdowner are required. Of two fields for the same thing, the
// pointer (or the type of the SDK) wins.
type Params struct {
	fx.In

	Lifecycle  fx.Lifecycle
	Shutdowner fx.Shutdowner

	Config            Config                   `optional:"true"`
	ConfigPointer     *Config                  `optional:"true"`
	Logger            zerolog.Logger           `optional:"true"`
	LoggerPointer     *zerolog.Logger          `optional:"true"`
	Slog              *slog.Logger             `optional:"true"` // used if there is no other logger
	TracerProvider    trace.TracerProvider     `optional:"true"`
	SDKTracerProvider *sdktrace.TracerProvider `optional:"true"`
	Registerer        prometheus.Registerer    `optional:"true"`
	Registry          *prometheus.Registry     `optional:"true"`

	Workers    []Worker     `group:"workers"`
	Groups     []Group      `group:"workers"`
	Middleware []Middleware `group:"workers"`
}

// Result is what [New] provides.
type Result struct {
	fx.Out

	Pool *Pool
}

// New makes a pool with the workers of p, and appends its hooks to the lifecycle of p. It reports all errors in
// workers and configuration at once. An app with more than one pool calls New with Params of its own, and gives
// each pool a [Config] with its own Name.
func New(p Params) (Result, error) {
	if err := p.validate(); err != nil {
		return Result{}, err
	}
	pool, err := newAppPool(poolDependencies{
		Config: p.Config, ConfigPointer: p.ConfigPointer, Logger: p.Logger, LoggerPointer: p.LoggerPointer, Slog: p.Slog,
		TracerProvider: p.TracerProvider, SDKTracerProvider: p.SDKTracerProvider,
		Registerer: p.Registerer, Registry: p.Registry,
	}, p.Shutdowner)
	if err != nil {
		return Result{}, err
	}
	err = runAppPool(pool, workerDependencies{Workers: p.Workers, Groups: p.Groups, Middleware: p.Middleware}, p.Lifecycle)
	if err != nil {
		return Result{}, err
	}
	return Result{Pool: pool}, nil
}

// validate returns an error about required fields that are missing.
func (p *Params) validate() error {
	var f flaws
	f.addIf(nilcheck.IsNil(p.Lifecycle), "Lifecycle is nil")
	f.addIf(nilcheck.IsNil(p.Shutdowner), "Shutdowner is nil")
	if err := f.err(); err != nil {
		return fmt.Errorf("workerfx.New: params: %w", err)
	}
	return nil
}

// newAppPool makes a pool without workers, so that their constructors may take the pool. When an essential worker
// ends, the pool shuts down the app.
func newAppPool(d poolDependencies, shutdowner fx.Shutdowner) (*Pool, error) {
	pool, err := NewPool(d.options()...)
	if err != nil {
		return nil, err
	}
	pool.onPremature = func() {
		if err := shutdowner.Shutdown(fx.ExitCode(1)); err != nil {
			pool.log.Err(err).Msg("the app could not be told to shut down")
		}
	}
	return pool, nil
}

// runAppPool adds the workers to the pool, and lets it start and stop with the app.
func runAppPool(pool *Pool, workers workerDependencies, lifecycle fx.Lifecycle) error {
	if err := workers.addTo(pool); err != nil {
		return err
	}
	lifecycle.Append(fx.Hook{OnStart: pool.startReady, OnStop: func(ctx context.Context) error {
		ctx, cancel := withReserve(ctx) // Fx skips the other stop hooks when one has used up all the time
		defer cancel()
		return pool.Stop(ctx)
	}})
	return nil
}
