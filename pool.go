package workerfx

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel/trace"
)

// Pool starts, watches and stops workers. [NewPool] makes one; under Fx, [Module] does and starts it
// with the app. All methods may be called from any goroutine at any time, also from within a worker.
type Pool struct {
	config     Config
	logger     zerolog.Logger // of runs
	journal    journal        // of the pool itself
	tracer     trace.Tracer
	generateID func() string // nil = xid

	generatorBroken atomic.Bool // it panicked or returned no ID: xid stands in for it
	middleware      []Middleware
	collector       *collector
	slot            *slot           // in the registry; nil without one
	buckets         []time.Duration // of the histogram of run times

	defaults         settings  // what options are applied to
	completeDefaults *settings // the settings of workers without options

	base     context.Context // of every run; set before the first one. It does not end
	patience context.Context // ends once Stop no longer waits; set with base
	giveUp   context.CancelCauseFunc

	readiness readiness // tells those who wait for it

	eventsReported atomic.Int64 // by the last Executions, as a hint for the next

	live      atomic.Int64  // replicas whose goroutine is neither done nor given up
	idle      chan struct{} // closed once the pool is stopped and live is 0
	premature chan struct{} // closed when an essential worker was done too early

	halting     atomic.Bool // it was asked to stop: no run may begin any more
	bounded     atomic.Bool // there is, or was, a worker with a stop timeout
	gaveUp      atomic.Bool // a replica outlasted its stop timeout
	saidStopped atomic.Bool // in the log

	mu         sync.Mutex // guards the fields below
	phase      phase
	startedAt  time.Time
	members    map[string]*member
	order      []*member  // members by name; nil if it must be made anew
	excluded   []string   // names that the configuration keeps out of this process
	stopBudget budget     // of the stop under way
	ordered    bool       // some worker comes after another, or did
	known      *directory // nil unless it is needed
	onFailure  func()     // called when premature is closed; nil for none
	failure    error      // why premature was closed
}

type phase uint8

const (
	phaseNew phase = iota
	phaseStarted
	phaseStopped // or stopping
)

// NewPool makes a pool without workers. It fails if the configuration is not valid, or if the registry
// has a pool of the same name already.
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
		config:     o.config,
		logger:     zerolog.Nop(),
		journal:    newJournal(o.logger, o.config.Name),
		tracer:     AnnotateTracerProvider(o.tracerProvider).Tracer(tracerName),
		generateID: o.generateID,
		middleware: o.middleware,
		buckets:    o.config.Metrics.Buckets,
		idle:       make(chan struct{}),
		premature:  make(chan struct{}),
		members:    make(map[string]*member),
	}
	if o.logger != nil {
		p.logger = p.journal.Logger
	}
	if len(p.buckets) == 0 {
		p.buckets = defaultBuckets
	}
	if err := p.setDefaults(); err != nil {
		return nil, err
	}
	p.collector = newCollector(p, p.config.Metrics, p.config.Name)
	if !isNil(o.registerer) {
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
	p.config.Defaults.apply(&p.defaults)
	complete := p.defaults
	complete.complete()
	p.completeDefaults = &complete
	if err := complete.validate("defaults"); err != nil {
		return fmt.Errorf("pool %q: %w", p.config.Name, err)
	}
	return nil
}

// Collector returns the pool's metrics, for a pool that was given no registerer.
func (p *Pool) Collector() prometheus.Collector { return p.collector }

// Start starts all workers and returns. Their contexts have the values of ctx, but do not end with it:
// they end with [Pool.Stop]. It fails with [ErrPoolStarted], with [ErrPoolStopped], if the configuration
// names a worker that is not there, or if ctx has ended.
func (p *Pool) Start(ctx context.Context) error {
	if ctx.Err() != nil {
		return fmt.Errorf("pool %q: start: %w", p.config.Name, context.Cause(ctx))
	}
	if err := p.checkConfiguredNames(); err != nil {
		return err
	}
	workers, excluded, err := p.launchAll(ctx)
	if err == nil {
		p.journal.poolStarted(workers, excluded) // without the lock: the log sink is the user's code
	}
	return err
}

// launchAll starts all workers, and returns how many and which were left out.
func (p *Pool) launchAll(ctx context.Context) (workers int, excluded []string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch p.phase {
	case phaseStarted:
		return 0, nil, ErrPoolStarted
	case phaseStopped:
		return 0, nil, ErrPoolStopped
	}
	if err := p.linkAll(); err != nil {
		return 0, nil, err
	}
	p.phase, p.startedAt = phaseStarted, time.Now()
	p.base = context.WithoutCancel(ctx)
	p.patience, p.giveUp = context.WithCancelCause(p.base)
	for _, m := range p.members {
		p.launch(m)
	}
	p.readiness.tell()
	return len(p.members), slices.Clone(p.excluded), nil
}

// checkConfiguredNames refuses a configuration that speaks of workers that are not there.
func (p *Pool) checkConfiguredNames() error {
	if len(p.config.Workers) == 0 && len(p.config.Only) == 0 && len(p.config.Except) == 0 {
		return nil
	}
	names := p.names()
	p.mu.Lock()
	names = append(names, p.excluded...)
	p.mu.Unlock()
	return p.config.checkNames(names)
}

// Run starts the pool, waits until ctx ends or an essential worker is done, and stops it. It returns
// nil after a clean stop, else the errors of the start, of the essential worker and of the stop,
// joined. The stop may take as long as [Config.StopTimeout] says.
func (p *Pool) Run(ctx context.Context) error {
	if ctx.Err() != nil {
		return p.Stop(context.WithoutCancel(ctx))
	}
	if err := p.Start(ctx); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
	case <-p.premature:
	}
	budget, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.stopTimeout())
	defer cancel()
	return errors.Join(p.prematureEnd(), p.Stop(budget))
}

func (p *Pool) stopTimeout() time.Duration {
	if p.config.StopTimeout > 0 {
		return p.config.StopTimeout
	}
	return defaultPoolStopTimeout
}

// hasStarted tells whether the pool was ever started.
func (p *Pool) hasStarted() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.base != nil
}

// hasStopped tells whether the pool was asked to stop and nothing of it runs any more.
func (p *Pool) hasStopped() bool {
	select {
	case <-p.idle:
		return true
	default:
		return false
	}
}
