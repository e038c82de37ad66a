package workerfx

import (
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel/trace"
)

// PoolOption configures a [Pool]. If an option is given twice, the second one counts, but for [WithPoolMiddleware].
type PoolOption func(*poolOptions)

type poolOptions struct {
	config         Config
	logger         *zerolog.Logger
	slog           *slog.Logger // that logger writes to, if it is not nil
	tracerProvider trace.TracerProvider
	registerer     prometheus.Registerer
	generateID     func() string
	middleware     []Middleware
}

// WithConfig sets the pool's configuration. The default is the zero [Config].
func WithConfig(config Config) PoolOption {
	return func(o *poolOptions) { o.config = config }
}

// WithLogger sets the logger of the pool and of its workers' contexts. Without a logger, workers log nothing, and
// the pool writes only panics and failures that are not tried again, to stderr. See also [WithSlog].
func WithLogger(logger zerolog.Logger) PoolOption {
	return func(o *poolOptions) { o.logger, o.slog = &logger, nil }
}

// WithTracerProvider sets the provider of the workers' tracers. The default, also for nil, is the global provider.
// Spans get attributes: see [AnnotateTracerProvider].
func WithTracerProvider(provider trace.TracerProvider) PoolOption {
	return func(o *poolOptions) { o.tracerProvider = provider }
}

// WithRegisterer registers the pool's metrics. By default, also for nil, they are not registered: see [Pool.Collector].
func WithRegisterer(registerer prometheus.Registerer) PoolOption {
	return func(o *poolOptions) { o.registerer = registerer }
}

// WithIDGenerator sets the function that makes execution IDs. It is called once for each run, from many goroutines.
// The default makes an xid: 20 characters that sort by time. If the function panics or returns an empty ID, the
// pool logs that and uses the default from then on.
func WithIDGenerator(generate func() string) PoolOption {
	return func(o *poolOptions) { o.generateID = generate }
}

// WithPoolMiddleware wraps every worker of the pool, outside of the worker's own middleware. The first middleware is the
// outermost one. If the option is given more than once, later middleware is inside earlier middleware. A nil middleware is
// an error when a worker is added. The default is none.
func WithPoolMiddleware(mw ...Middleware) PoolOption {
	return func(o *poolOptions) { o.middleware = append(o.middleware, mw...) }
}
