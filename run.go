package workerfx

import (
	"context"
	"fmt"
	"runtime/pprof"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
)

// run is one run of a replica, and its context: the only layer that the run adds to its pool's context. It
// knows the keys that zerolog, pprof and context itself look for and answers for them, so that none of
// them costs a layer of its own; what a run never asks for is never made.
type run struct {
	replica  *replica
	id       string
	attempt  int
	labels   any       // what pprof keeps in a context
	watchdog *watchdog // nil if nothing is expected of the run
	over     bool      // guarded by the pool's lock

	// Made when first asked for:
	logger atomic.Pointer[zerolog.Logger]
	life   atomic.Pointer[lifetime]
	parts  *parts // guarded by the pool's lock, and so are its fields
}

// parts are what a run has beside its context. Few runs have any.
type parts struct {
	children map[string]*entry // by their short names

	drain       chan struct{} // closed when the run is to finish, or is over; nil unless somebody listens
	drainClosed bool
	drained     atomic.Bool // the run was asked to finish; jobs read it without the lock
	endsByJob   bool        // the run's body handles jobs, and ends between two of them when it is drained
	listens     bool        // the worker called Draining
	cut         *time.Timer // ends the context of a run that was given time to finish; nil if none was
	cutAt       time.Time   // when it does

	ready   bool // the run called Ready
	standby int  // how many in it wait for their turn to work

	redelivery redelivery // the items that the body's attempts share; nil if it handles no items
	unhandled  int        // items that the run left for the next attempt
}

// part returns the run's parts, and makes them if need be. The pool's lock is held.
func (r *run) part() *parts {
	if r.parts == nil {
		r.parts = new(parts)
	}
	return r.parts
}

// lifetime is the part of a run's context that ends.
type lifetime struct {
	context.Context

	end context.CancelCauseFunc
}

// Runs that end before anybody asks for their lifetime share these two. A lifetime of its own costs more than all the rest
// of a run that fails at once.
var endedLife, stoppedLife = endedWith(context.Canceled), endedWith(ErrStopping)

func endedWith(cause error) *lifetime {
	ctx, end := context.WithCancelCause(context.Background())
	end(cause)
	return &lifetime{ctx, end}
}

func newRun(r *replica, id string) *run {
	return &run{replica: r, id: id}
}

// begin starts the clocks of the run. The pool's lock is held.
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

// limit returns the lifetime with an end after d.
func (l *lifetime) limit(d time.Duration) *lifetime {
	ctx, stopTimer := context.WithTimeoutCause(l.Context, d, runTimeoutError(d))
	return &lifetime{ctx, func(cause error) {
		l.end(cause)
		stopTimer()
	}}
}

// lifetime returns the part of the context that ends, and makes it if need be.
func (r *run) lifetime() *lifetime {
	if life := r.life.Load(); life != nil {
		return life
	}
	r.life.CompareAndSwap(nil, r.newLifetime())
	return r.life.Load()
}

// end waits until the run's children have ended too. It returns how many items the run left for the next attempt. The
// pool's lock is held, but not while it waits.
func (r *run) end() (unhandled int) {
	r.over = true
	if p := r.parts; p != nil {
		p.closeDrain()
		if p.cut != nil {
			p.cut.Stop()
		}
		if len(p.children) > 0 {
			r.endChildren()
		}
		unhandled = p.unhandled
	}
	r.watchdog.end() // not earlier: while it waits for a child, the run may outlast its timeout
	return unhandled
}

// isCurrent tells whether the run goes on, or still waits for its children. The pool's lock is held.
func (r *run) isCurrent() bool { return r.replica.run == r && r.replica.machine.IsRunning() }

// cancel ends the context because the worker is to stop.
func (r *run) cancel() { r.cancelAs(stoppedLife, ErrStopping) }

// fail ends the context because of what is wrong with the run.
func (r *run) fail(cause error) { r.lifetime().end(cause) }

func (r *run) cancelAs(life *lifetime, cause error) {
	if !r.life.CompareAndSwap(nil, life) {
		r.life.Load().end(cause)
	}
}

// Deadline is there if the worker has a run timeout.
func (r *run) Deadline() (time.Time, bool) {
	if life := r.life.Load(); life != nil {
		return life.Deadline()
	}
	return time.Time{}, false
}

// Done is closed when the run is over, or asked to stop.
func (r *run) Done() <-chan struct{} { return r.lifetime().Done() }

// Err is nil until Done is closed.
func (r *run) Err() error {
	if life := r.life.Load(); life != nil {
		return life.Err()
	}
	return nil
}

type runKey struct{}

var (
	loggerKey = keyAskedFor(func(ctx context.Context) { zerolog.Ctx(ctx) })
	labelsKey = keyAskedFor(func(ctx context.Context) { pprof.Label(ctx, "") })
	cancelKey = keyAskedFor(func(ctx context.Context) { _ = context.Cause(ctx) })
)

// Value answers for the run's own keys, and passes all others on.
func (r *run) Value(key any) any {
	switch key {
	case runKey{}:
		return r
	case jobKey{}: // not that of the parent, whose child the run may be
		return nil
	case loggerKey:
		return r.ctxLogger()
	case labelsKey:
		return r.labels
	case cancelKey:
		return r.lifetime().Value(key)
	}
	return r.replica.value(key)
}

func (r *run) ctxLogger() *zerolog.Logger {
	if logger := r.logger.Load(); logger != nil {
		return logger
	}
	logger := r.replica.pool.logger.With().Str(fieldWorker, r.replica.name).Str(fieldExecutionID, r.id).Logger()
	r.logger.CompareAndSwap(nil, &logger)
	return r.logger.Load()
}

// runOf returns the run that ctx belongs to, or nil.
func runOf(ctx context.Context) *run {
	r, _ := ctx.Value(runKey{}).(*run)
	return r
}

// keyAskedFor returns the key, private to another package, that ask looks up in a context.
func keyAskedFor(ask func(context.Context)) any {
	probe := &keyProbe{Context: context.Background()}
	ask(probe)
	return probe.key
}

type keyProbe struct {
	context.Context

	key any
}

// Err makes the probe one that has ended, so that those who look for a cause do.
func (*keyProbe) Err() error { return context.Canceled }

func (p *keyProbe) Value(key any) any {
	p.key = key
	return nil
}

// label gives the run's labels to its context and to the goroutine, which is the caller's.
func (r *run) label() {
	labels := pprof.Labels(fieldWorker, r.replica.name, fieldExecutionID, r.id)
	r.labels = pprof.WithLabels(context.Background(), labels).Value(labelsKey)
	pprof.SetGoroutineLabels(r)
}

// runTimeoutError is the cause of a context that ended because of [WithRunTimeout].
type runTimeoutError time.Duration

func (e runTimeoutError) Error() string {
	return fmt.Sprintf("run timeout of %v passed", time.Duration(e))
}
func (runTimeoutError) Unwrap() error { return context.DeadlineExceeded }
