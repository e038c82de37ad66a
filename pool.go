package workerfx

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/xid"
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

	eventsReported atomic.Int64 // by the last Executions, as a hint for the next

	live      atomic.Int64  // replicas whose goroutine is neither done nor given up
	idle      chan struct{} // closed once the pool is stopped and live is 0
	premature chan struct{} // closed when an essential worker was done too early

	bounded     atomic.Bool // there is, or was, a worker with a stop timeout
	gaveUp      atomic.Bool // a replica outlasted its stop timeout
	saidStopped atomic.Bool // in the log

	mu        sync.Mutex // guards the fields below
	phase     phase
	members   map[string]*member
	order     []*member // members by name; nil if it must be made anew
	excluded  []string  // names that the configuration keeps out of this process
	onFailure func()    // called when premature is closed; nil for none
	failure   error     // why premature was closed
}

type phase uint8

const (
	phaseNew phase = iota
	phaseStarted
	phaseStopped // or stopping
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

// Add adds a worker: before Start it is registered, after Start it runs at once. Options given here win
// over those attached to w. A worker that the configuration keeps out of this process is checked and
// left out. It fails with [ErrDuplicateWorker], with [ErrPoolStopped], or because of a setting that is
// out of range.
func (p *Pool) Add(w Worker, opts ...Option) error {
	m, err := p.newMember(place{}, w, opts)
	if err != nil {
		return err
	}
	return p.join([]*member{m})
}

// AddGroup adds all workers of a group, or none if there is an error in one. See [Pool.Add].
func (p *Pool) AddGroup(g Group, opts ...Option) error {
	members, err := p.newGroup(g, opts)
	if err != nil {
		return err
	}
	return p.join(members)
}

// join makes members part of the pool, all or none.
func (p *Pool) join(members []*member) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.phase == phaseStopped {
		return fmt.Errorf("worker %q: %w", members[0].name, ErrPoolStopped)
	}
	for i, m := range members {
		same := func(o *member) bool { return o.name == m.name }
		if p.members[m.name] != nil || slices.ContainsFunc(members[:i], same) {
			return fmt.Errorf("worker %q: %w; WithName gives it another", m.name, ErrDuplicateWorker)
		}
	}
	for _, m := range members {
		if m.parent == nil && p.config.excludes(m.name) {
			p.excluded = append(p.excluded, m.name)
			continue
		}
		p.members[m.name] = m
		p.order = nil
		if m.stopTimeout > 0 {
			p.bounded.Store(true)
		}
		if p.phase == phaseStarted {
			p.launch(m)
		}
	}
	return nil
}

// launch starts a member's replicas. p.mu is held.
func (p *Pool) launch(m *member) {
	for s := range m.replicas() {
		p.live.Add(1)
		if m.wanted == 0 {
			s.orders.retired = true
		}
		go s.supervise()
	}
}

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
	p.mu.Lock()
	defer p.mu.Unlock()
	switch p.phase {
	case phaseStarted:
		return ErrPoolStarted
	case phaseStopped:
		return ErrPoolStopped
	}
	p.phase = phaseStarted
	p.base = context.WithoutCancel(ctx)
	p.patience, p.giveUp = context.WithCancelCause(p.base)
	for _, m := range p.members {
		p.launch(m)
	}
	p.journal.poolStarted(len(p.members), p.excluded)
	return nil
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

// essentialDone stops the pool if all replicas of an essential worker are done. It does not wait.
func (p *Pool) essentialDone(m *member, err error) {
	for s := range m.replicas() {
		if !s.isDoneByItself() {
			return
		}
	}
	p.mu.Lock()
	if p.phase != phaseStarted || p.failure != nil {
		p.mu.Unlock()
		return
	}
	p.failure = fmt.Errorf("worker %q: %w", m.name, errors.Join(ErrExitedPrematurely, err))
	failure, onFailure := p.failure, p.onFailure
	close(p.premature)
	p.mu.Unlock()

	p.journal.essentialEnded(m.name, failure)
	p.requestStop()
	if onFailure != nil {
		onFailure()
	}
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

// prematureEnd is why an essential worker stopped the pool, or nil.
func (p *Pool) prematureEnd() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.failure
}

// Executions reports on every replica of every worker, sorted by name, then replica.
func (p *Pool) Executions() []Execution {
	members := p.sorted()
	executions := make([]Execution, len(members))
	events := make([]Event, 0, p.eventsReported.Load())
	n := 0
	for _, m := range members {
		for s := range m.replicas() {
			if n == len(executions) {
				executions = append(executions, Execution{})
			}
			events = s.execution(&executions[n], events)
			n++
		}
	}
	p.eventsReported.Store(int64(len(events)))
	return executions[:n]
}

// Execution reports on replica 0 of a worker. It fails with [ErrUnknownWorker].
func (p *Pool) Execution(name string) (Execution, error) {
	m, err := p.member(name)
	if err != nil {
		return Execution{}, err
	}
	var e Execution
	m.first.execution(&e, nil)
	return e, nil
}

// member returns the worker of that name.
func (p *Pool) member(name string) (*member, error) {
	p.mu.Lock()
	m := p.members[name]
	p.mu.Unlock()
	if m == nil {
		return nil, fmt.Errorf("worker %q: %w%s", cut(name, maxName), ErrUnknownWorker, didYouMean(cut(name, maxName), p.names()))
	}
	return m, nil
}

// all returns the members in no order.
func (p *Pool) all() []*member {
	p.mu.Lock()
	defer p.mu.Unlock()
	members := make([]*member, 0, len(p.members))
	for _, m := range p.members {
		members = append(members, m)
	}
	return members
}

// sorted returns the members by name. The slice is shared: it is not to be changed.
func (p *Pool) sorted() []*member {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.order == nil && len(p.members) > 0 {
		p.order = make([]*member, 0, len(p.members))
		for _, m := range p.members {
			p.order = append(p.order, m)
		}
		slices.SortFunc(p.order, func(a, b *member) int { return strings.Compare(a.name, b.name) })
	}
	return p.order
}

func (p *Pool) names() []string {
	members := p.sorted()
	names := make([]string, len(members))
	for i, m := range members {
		names[i] = m.name
	}
	return names
}

// newID makes an execution ID.
func (p *Pool) newID(now time.Time) string {
	if p.generateID == nil || p.generatorBroken.Load() {
		return xid.NewWithTime(now).String()
	}
	return p.customID(now)
}

// customID asks the user's generator. One that panics, ends the goroutine or returns no ID is not asked again.
func (p *Pool) customID(now time.Time) (id string) {
	answered := false
	defer func() {
		if answered {
			return
		}
		p.generatorBroken.Store(true)
		id = xid.NewWithTime(now).String()
		p.journal.brokenGenerator(recover())
	}()
	id = cut(p.generateID(), maxName)
	answered = id != ""
	return id
}
