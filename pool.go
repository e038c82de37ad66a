package workerfx

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel/trace"

	"github.com/workerfx/workerfx/internal/nilcheck"
	"github.com/workerfx/workerfx/internal/order"
)

// Pool starts, watches and stops workers. [NewPool] makes a pool. Under Fx, [Module] makes it, and starts and stops
// it with the app. All methods may be called from any goroutine at any time, also from a worker.
type Pool struct {
	// Set before the pool starts, and not changed later.
	config         Config
	logger         zerolog.Logger // of runs
	slog           *slog.Logger   // of runs, in apps that use log/slog; else nil
	log            poolLog        // of the pool itself
	tracer         trace.Tracer
	ids            idGenerator
	middleware     []Middleware
	collector      *collector
	slot           *slot           // in the registry; nil without one
	buckets        []time.Duration // of the histogram of run times
	defaults       settings        // what options are applied to
	sharedSettings *settings       // of all workers without options

	// Set by Start, before the first run.
	baseCtx    context.Context // of every run; it does not end; nil before Start
	startCtx   context.Context // that Start got; runs ask it for values, as baseCtx allocates for each
	jobsCtx    context.Context // of jobs that may live on after their run's context; it ends at the end of Stop
	cancelJobs context.CancelCauseFunc

	stopped      chan struct{} // closed when the pool is stopped and has no goroutine to wait for any more
	premature    chan struct{} // closed when an essential worker has ended, and the pool stops for that
	stopReturned chan struct{} // closed when a call of Stop has returned

	eventsReported atomic.Int64 // by the last call of Executions, as a hint for the next

	// mu guards the fields below and all that changes in the pool's workers: entries, replicas with their machines and
	// records, groups, and the parts of runs. No user code runs and nothing waits while it is held.
	mu           sync.Mutex
	phase        phase
	startedAt    time.Time
	entries      map[string]*entry
	byName       []*entry        // the entries by name; nil after a change
	excluded     map[string]bool // the names of workers that the configuration excludes from this process
	order        *order.Graph[*entry]
	goroutines   int      // of replicas, that Stop waits for
	abandoned    bool     // a replica outlasted its stop timeout
	stopLogged   bool     // it was logged that the pool has stopped
	stopDeadline deadline // of the stop under way
	stopError    error    // what the first call of Stop returned
	stopFailures []error  // of workers that failed while the pool stopped
	onPremature  func()   // called when premature is closed; nil for none
	prematureErr error    // why premature was closed
	readiness    readiness

	subscriptions      []*Subscription
	subscriptionsEnded bool
}

type phase uint8

const (
	phaseNew phase = iota
	phaseStarted
	phaseStopped // or stopping
)

// NewPool makes a pool without workers. It fails if the configuration is not valid, or if the registry already has
// a pool of the same name that has not stopped. Nil options are left out.
func NewPool(opts ...PoolOption) (*Pool, error) {
	var o poolOptions
	for _, opt := range opts {
		if opt != nil {
			opt(&o)
		}
	}
	if err := o.config.validate(); err != nil {
		return nil, err
	}
	p := &Pool{
		config:       o.config,
		log:          newPoolLog(o.logger, o.config.Name),
		tracer:       AnnotateTracerProvider(o.tracerProvider).Tracer(tracerName),
		ids:          idGenerator{custom: o.generateID},
		middleware:   o.middleware,
		buckets:      o.config.Metrics.Buckets,
		stopped:      make(chan struct{}),
		premature:    make(chan struct{}),
		stopReturned: make(chan struct{}),
		entries:      make(map[string]*entry),
		excluded:     make(map[string]bool),
	}
	p.useLoggers(&o)
	if len(p.buckets) == 0 {
		p.buckets = defaultBuckets
	}
	if err := p.setDefaults(); err != nil {
		return nil, err
	}
	p.collector = newCollector(p, p.config.Metrics, p.config.Name)
	if !nilcheck.IsNil(o.registerer) {
		var err error
		if p.slot, err = register(o.registerer, p.collector, p.config); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// setDefaults applies the configuration's defaults for all workers.
func (p *Pool) setDefaults() error {
	p.defaults = defaultSettings()
	documented := p.defaults
	p.config.Defaults.apply(&p.defaults)
	p.defaults.noteSource(&documented, SourceDefaults)
	shared := p.defaults
	shared.resolve()
	p.sharedSettings = &shared
	if err := shared.validate("defaults"); err != nil {
		return fmt.Errorf("%s: %w", p.config.poolTitle(), err)
	}
	return nil
}

// Collector returns the pool's metrics, for a pool that was given no registerer.
func (p *Pool) Collector() prometheus.Collector { return p.collector }

// Name returns [Config.Name].
func (p *Pool) Name() string { return p.config.Name }

// Start starts all workers and returns. The contexts of runs have the values of ctx, but do not end with it: they
// end at [Pool.Stop]. Start fails with [ErrPoolStarted], with [ErrPoolStopped], if the configuration names an
// unknown worker, or if ctx has ended.
func (p *Pool) Start(ctx context.Context) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%s: start: %w", p.config.poolTitle(), context.Cause(ctx))
	}
	return p.start(ctx)
}

// start is Start, also if ctx has ended.
func (p *Pool) start(ctx context.Context) error {
	if err := p.checkConfig(); err != nil {
		return err
	}
	starting, err := p.prepareStart(ctx)
	if err != nil {
		return err
	}
	workers := 0
	for _, r := range starting { // without the lock: each goroutine wants it at once
		r.launch(p.startedAt)
		if r.index == 0 {
			workers++
		}
	}
	p.log.poolStarted(workers, p.Excluded())
	return nil
}

// prepareStart prepares the start of all workers, and returns their replicas.
func (p *Pool) prepareStart(ctx context.Context) (starting []*replica, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch p.phase {
	case phaseStarted:
		return nil, ErrPoolStarted
	case phaseStopped:
		return nil, ErrPoolStopped
	}
	if err := orderAll(p); err != nil {
		return nil, err
	}
	p.phase, p.startedAt = phaseStarted, time.Now()
	p.baseCtx, p.startCtx = context.WithoutCancel(ctx), ctx
	p.jobsCtx, p.cancelJobs = context.WithCancelCause(p.baseCtx)
	starting = make([]*replica, 0, len(p.entries))
	for _, e := range p.entries {
		starting = e.prepareStart(starting)
	}
	p.readiness.changed()
	return starting, nil
}

// wasStarted tells whether Start has begun, also if the pool has stopped since. The pool's lock is held.
func (p *Pool) wasStarted() bool { return p.baseCtx != nil }

// checkConfig returns an error if the configuration names workers that are neither in the pool nor among others, or if a
// duration seems to have no unit.
func (p *Pool) checkConfig(others ...string) error {
	if len(p.config.Workers) == 0 && len(p.config.Only) == 0 && len(p.config.Except) == 0 {
		return p.config.checkUnits()
	}
	names := append(p.names(), others...)
	p.mu.Lock()
	names = slices.AppendSeq(names, maps.Keys(p.excluded))
	p.mu.Unlock()
	return errors.Join(p.config.checkNames(names), p.config.checkUnits())
}

// Run starts the pool, waits until ctx ends, an essential worker ends or [Pool.Stop] was called elsewhere, and
// stops the pool. It returns nil after a clean stop. Else it returns the errors of the start, of the essential
// worker, of workers that failed while they stopped, and of the stop, joined. The stop may take
// [Config.StopTimeout].
func (p *Pool) Run(ctx context.Context) error {
	if ctx.Err() != nil {
		return p.stopInTime(ctx)
	}
	if err := p.start(ctx); err != nil { // a context that has ended by now stops it again
		return err
	}
	select {
	case <-p.stopReturned:
		return p.endOfRun(p.stopResult())
	case <-ctx.Done():
	case <-p.premature:
	}
	return p.endOfRun(p.stopInTime(ctx))
}

// stopInTime stops the pool within [Config.StopTimeout], also if ctx has ended.
func (p *Pool) stopInTime(ctx context.Context) error {
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.config.stopTimeout())
	defer cancel()
	return p.Stop(bounded)
}

// endOfRun is the result of Run after a stop.
func (p *Pool) endOfRun(stop error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return errors.Join(p.prematureErr, errors.Join(p.stopFailures...), stop)
}

// stopResult is the result of the first call of Stop.
func (p *Pool) stopResult() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stopError
}

// hasStopped tells whether the pool was stopped and no worker runs any more.
func (p *Pool) hasStopped() bool {
	select {
	case <-p.stopped:
		return true
	default:
		return false
	}
}
