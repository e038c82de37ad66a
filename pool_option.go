package workerfx

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel/trace"
)

// PoolOption configures a [Pool].
type PoolOption func(*poolOptions)

type poolOptions struct {
	config         Config
	logger         *zerolog.Logger
	tracerProvider trace.TracerProvider
	registerer     prometheus.Registerer
	generateID     func() string
	middleware     []Middleware
}

// WithConfig sets the pool's configuration. The default is the zero [Config].
func WithConfig(config Config) PoolOption {
	return func(o *poolOptions) { o.config = config }
}

// WithLogger sets the logger of the pool and of its workers' contexts. Without one, workers log nothing
// and the pool only writes failures, to stderr.
func WithLogger(logger zerolog.Logger) PoolOption {
	return func(o *poolOptions) { o.logger = &logger }
}

// WithTracerProvider sets where the tracers of workers come from. The default, also for nil, is the
// global provider. See [AnnotateTracerProvider] for what is done to it.
func WithTracerProvider(provider trace.TracerProvider) PoolOption {
	return func(o *poolOptions) { o.tracerProvider = provider }
}

// WithRegisterer registers the pool's metrics. The default, also for nil, is to register them nowhere.
func WithRegisterer(registerer prometheus.Registerer) PoolOption {
	return func(o *poolOptions) { o.registerer = registerer }
}

// WithIDGenerator sets what makes execution IDs. It is called from many goroutines, once for each run.
// The default makes an xid: 20 characters that sort by time. It also stands in for a generator that
// panics or returns an empty ID.
func WithIDGenerator(generate func() string) PoolOption {
	return func(o *poolOptions) { o.generateID = generate }
}

// WithPoolMiddleware wraps every worker of the pool, outside of the worker's own middleware.
func WithPoolMiddleware(mw ...Middleware) PoolOption {
	return func(o *poolOptions) { o.middleware = append(o.middleware, mw...) }
}
