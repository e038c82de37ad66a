package workerfx

import (
	"context"
	"fmt"
	"runtime/pprof"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel/attribute"

	"github.com/workerfx/workerfx/internal/idle"
)

// run is one run of a replica, and its context. It is the only layer that a run adds to the context of the pool: it
// answers for the keys of zerolog, pprof and context itself. Most of its parts are made when they are first needed.
type run struct {
	replica  *replica
	id       string
	attempt  int
	labels   any       // the value for the key of pprof
	watchdog *watchdog // nil if the worker has neither heartbeat nor run timeout
	awaited  bool      // others may wait for its begin
	called   bool      // the call of Run was begun; only the replica's goroutine uses it
	over     bool      // guarded by the pool's lock

	// Made when they are first needed.
	telemetry  atomic.Pointer[telemetry]
	life       atomic.Pointer[lifetime]
	goroutines atomic.Pointer[runGoroutines] // its fields are guarded by the pool's lock
	parts      *parts                        // guarded by the pool's lock, and so are its fields
}

// parts are the parts of a run that few runs have.
type parts struct {
	children map[string]*entry // by their short names

	drain          chan struct{} // closed when the run has to finish, or is over; nil unless someone listens
	drainClosed    bool
	drained        atomic.Bool // the run was asked to finish; jobs read it without the lock
	endsAfterJob   bool        // the run's body handles jobs, and ends between two of them when it is drained
	calledDraining bool        // the worker called Draining
	drainTimer     *time.Timer // ends the context of a run that has time to finish; nil if it has none
	drainDeadline  time.Time   // when drainTimer ends the context

	ready   bool // the run called Ready
	standby int  // how many calls of Standby have not ended

	unhandled int          // items that the run left for the next attempt
	bodies    []redelivery // of the bodies in the run that keep items
}

// part returns the run's parts, and makes them if need be. The pool's lock is held.
func (r *run) part() *parts {
	if r.parts == nil {
		r.parts = new(parts)
	}
	return r.parts
}

// lifetime is the context inside of a run, which ends the run. It is made when it is first needed: see run.life.
type lifetime struct {
	context.Context

	end context.CancelCauseFunc
}

// Runs that end before someone needs their lifetime share these two. To make a lifetime costs more than the rest of a run
// that fails at once.
var endedLife, stoppedLife = endedWith(context.Canceled), endedWith(ErrStopping)

func endedWith(cause error) *lifetime {
	ctx, end := context.WithCancelCause(context.Background())
	end(cause)
	return &lifetime{ctx, end}
}

// begin starts the run timeout and the watchdog. The pool's lock is held.
func (r *run) begin(now time.Time) {
	if r.replica.runTimeout > 0 {
		r.life.Store(r.newLifetime().limit(r.replica.runTimeout))
	}
	r.watchdog = newWatchdog(r, now)
}

func (r *run) newLifetime() *lifetime {
	ctx, end := context.WithCancelCause(r.replica.base())
	return &lifetime{ctx, end}
}

// limit returns the lifetime with a timeout.
func (l *lifetime) limit(d time.Duration) *lifetime {
	ctx, stopTimer := context.WithTimeoutCause(l.Context, d, runTimeoutError(d))
	return &lifetime{ctx, func(cause error) {
		l.end(cause)
		stopTimer()
	}}
}

// lifetime returns the context that ends, and makes it if need be.
func (r *run) lifetime() *lifetime {
	if life := r.life.Load(); life != nil {
		return life
	}
	r.life.CompareAndSwap(nil, r.newLifetime())
	return r.life.Load()
}

// end ends the run, and waits until its children have ended. It returns how many items the run left for the next
// attempt, and whether it waited. The pool's lock is held, but it is free during the wait.
func (r *run) end() (unhandled int, waited bool) {
	r.over = true
	if p := r.parts; p != nil {
		p.closeDrain()
		if p.drainTimer != nil {
			p.drainTimer.Stop()
		}
		if waited = len(p.children) > 0; waited {
			r.endChildren()
		}
		unhandled = p.unhandled
	}
	r.watchdog.end() // last, as the run may outlast its timeout while it waits for a child
	return unhandled, waited
}

// isCurrent tells whether the run goes on, or waits for its children. The pool's lock is held.
func (r *run) isCurrent() bool { return r.replica.run == r && r.replica.machine.IsRunning() }

// cancel ends the context because the worker stops.
func (r *run) cancel() { r.cancelAs(stoppedLife, ErrStopping) }

// fail ends the context because the run is stuck.
func (r *run) fail(cause error) { r.lifetime().end(cause) }

func (r *run) cancelAs(life *lifetime, cause error) {
	if !r.life.CompareAndSwap(nil, life) {
		r.life.Load().end(cause)
	}
}

// Deadline returns the end of the run timeout, if there is one.
func (r *run) Deadline() (time.Time, bool) {
	if life := r.life.Load(); life != nil {
		return life.Deadline()
	}
	return time.Time{}, false
}

// Done is closed when the run is over or has to stop.
func (r *run) Done() <-chan struct{} { return r.lifetime().Done() }

// Err is nil until Done is closed.
func (r *run) Err() error {
	if life := r.life.Load(); life != nil {
		return life.Err()
	}
	return nil
}

type runKey struct{}

// The keys under which zerolog, pprof and package context keep their values. They are private to these packages. A run
// answers for them itself, as a layer of context for each would cost every run an allocation and a longer search.
var (
	loggerKey = keyAskedFor(func(ctx context.Context) { zerolog.Ctx(ctx) })
	labelsKey = keyAskedFor(func(ctx context.Context) { pprof.Label(ctx, "") })
	cancelKey = keyAskedFor(func(ctx context.Context) { _ = context.Cause(ctx) })
)

// Value answers for the keys of the run. It passes other keys on to the context of the pool or of the parent.
func (r *run) Value(key any) any {
	switch key {
	case runKey{}:
		return r
	case jobKey{}: // a child has no part in a job of its parent
		return nil
	case loggerKey:
		return &r.ownTelemetry().logger
	case labelsKey:
		return r.labels
	case cancelKey:
		return r.lifetime().Value(key)
	case idle.Key{}:
		return r
	}
	return r.replica.value(key)
}

// telemetry is what names a run in logs and traces.
type telemetry struct {
	logger     zerolog.Logger
	attributes [2]attribute.KeyValue // of spans
}

// ownTelemetry returns the run's telemetry, and makes it if need be.
func (r *run) ownTelemetry() *telemetry {
	if t := r.telemetry.Load(); t != nil {
		return t
	}
	r.telemetry.CompareAndSwap(nil, &telemetry{
		logger:     r.replica.loggerOf(r.id).Logger(),
		attributes: spanAttributes(r.replica.name, r.id),
	})
	return r.telemetry.Load()
}

// loggerOf returns the logger of a run or of a job with this execution ID.
func (r *replica) loggerOf(id string) zerolog.Context {
	return r.pool.logger.With().Str(fieldWorker, r.name).Str(fieldExecutionID, id)
}

// runOf returns the run that ctx belongs to, or nil.
func runOf(ctx context.Context) *run {
	r, _ := ctx.Value(runKey{}).(*run)
	return r
}

// keyAskedFor returns the key that ask looks up in a context. The key is private to another package.
func keyAskedFor(ask func(context.Context)) any {
	probe := &keyProbe{Context: context.Background()}
	ask(probe)
	return probe.key
}

type keyProbe struct {
	context.Context

	key any
}

// Err makes the probe a context that has ended, so that context.Cause looks for a cause.
func (*keyProbe) Err() error { return context.Canceled }

func (p *keyProbe) Value(key any) any {
	p.key = key
	return nil
}

// labelsOf returns the pprof labels of a run, as the value for their key in a context.
func labelsOf(worker, id string) any {
	return pprof.WithLabels(context.Background(), pprof.Labels(fieldWorker, worker, fieldExecutionID, id)).Value(labelsKey)
}

// hasTimedOut tells whether the run's context ended because of [WithRunTimeout].
func (r *run) hasTimedOut() bool {
	_, timedOut := context.Cause(r).(runTimeoutError) //nolint:errorlint // errors.As would call the user's code
	return timedOut
}

// runTimeoutError is the cause of a context that ended because of [WithRunTimeout].
type runTimeoutError time.Duration

func (e runTimeoutError) Error() string {
	return fmt.Sprintf("run timeout of %v passed", time.Duration(e))
}
func (runTimeoutError) Unwrap() error { return context.DeadlineExceeded }
