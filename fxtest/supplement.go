package fxtest

import (
	"log/slog"
	"reflect"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/fx"
	"go.uber.org/fx/fxevent"

	"github.com/workerfx/workerfx"
)

// supplement returns options that add what opts need, and replace what the test provides.
func supplement(opts []fx.Option, logs *logbook, tracers *sdktrace.TracerProvider) fx.Option {
	found := inspectApp(opts)
	var added []fx.Option
	if !found.provided["*workerfx.Pool"] {
		added = append(added, workerfx.Module)
	}
	for _, constructor := range []any{
		func() zerolog.Logger { return zerolog.New(logs) },
		func(l zerolog.Logger) *zerolog.Logger { return &l },
		func(l zerolog.Logger) *slog.Logger { return slog.New(zerolog.NewSlogHandler(l)) },
		func() *sdktrace.TracerProvider { return tracers },
		func(p *sdktrace.TracerProvider) trace.TracerProvider { return p },
		prometheus.NewRegistry,
		func(r *prometheus.Registry) prometheus.Registerer { return r },
		func(r *prometheus.Registry) prometheus.Gatherer { return r },
	} {
		made := reflect.TypeOf(constructor).Out(0).String()
		switch {
		case !found.provided[made]:
			added = append(added, fx.Provide(constructor))
		case !found.decorated[made]:
			added = append(added, fx.Decorate(constructor))
		}
	}
	return fx.Options(added...)
}

// newTracerProvider returns a provider that records every span. Environment variables about sampling have no effect.
func newTracerProvider(spans *tracetest.SpanRecorder) *sdktrace.TracerProvider {
	return sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.AlwaysSample()), sdktrace.WithSpanProcessor(spans))
}

// appTypes has the types that an app provides, and those that it decorates or replaces at the top level.
type appTypes struct {
	provided, decorated map[string]bool
}

// inspectApp finds the types of an app. It makes an app of opts that fails before it calls a constructor, as the same
// decorator is given twice. Before that, Fx tells the app's logger which types are provided and decorated.
func inspectApp(opts []fx.Option) appTypes {
	c := appTypes{provided: make(map[string]bool), decorated: make(map[string]bool)}
	decorator := fx.Decorate(func() appTypes { return c })
	fx.New(
		fx.Options(opts...),
		fx.WithLogger(func() fxevent.Logger { return c }),
		fx.Decorate(func() fxevent.Logger { return c }), // also for modules with a logger of their own
		decorator, decorator,
	)
	return c
}

// LogEvent notes the types that the event is about.
func (c appTypes) LogEvent(event fxevent.Event) {
	switch e := event.(type) {
	case *fxevent.Provided:
		if !e.Private {
			addAll(c.provided, e.OutputTypeNames...)
		}
	case *fxevent.Supplied:
		addAll(c.provided, e.TypeName)
	case *fxevent.Decorated:
		if e.ModuleName == "" {
			addAll(c.decorated, e.OutputTypeNames...)
		}
	case *fxevent.Replaced:
		if e.ModuleName == "" {
			addAll(c.decorated, e.OutputTypeNames...)
		}
	}
}

func addAll(set map[string]bool, names ...string) {
	for _, name := range names {
		set[name] = true
	}
}
