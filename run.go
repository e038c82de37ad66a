package workerfx

import (
	"context"
	"fmt"
	"runtime/pprof"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
)

// runContext is the context of one run, and the only layer that the run adds to its pool's context. It
// knows the keys that zerolog, pprof and context itself look for and answers for them, so that none of
// them costs a layer of its own; what a run never asks for is never made.
type runContext struct {
	s       *supervisor
	id      string
	attempt int
	labels  any    // what pprof keeps in a context
	watch   *watch // nil if nothing is expected of the run

	// Made when first asked for:
	logger atomic.Pointer[zerolog.Logger]
	life   atomic.Pointer[lifetime]
	ties   atomic.Pointer[ties]
}

// lifetime is the part of a run's context that ends.
type lifetime struct {
	context.Context

	end context.CancelCauseFunc
}

// ended is the lifetime of runs that ended before anybody asked for it, asked of those that were asked
// to stop.
var ended, asked = endedWith(context.Canceled), endedWith(ErrStopping)

func endedWith(cause error) *lifetime {
	ctx, end := context.WithCancelCause(context.Background())
	end(cause)
	return &lifetime{ctx, end}
}

// newRun returns the context of a replica's next run.
func newRun(s *supervisor, now time.Time) *runContext {
	id := s.pool.newID(now)
	run := &runContext{s: s, id: id, attempt: s.history.failures + 1}
	if s.runTimeout > 0 {
		run.life.Store(run.newLifetime().limit(s.runTimeout))
	}
	run.watch = newWatch(run, now)
	return run
}

func (c *runContext) newLifetime() *lifetime {
	ctx, end := context.WithCancelCause(c.s.base())
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
func (c *runContext) lifetime() *lifetime {
	if life := c.life.Load(); life != nil {
		return life
	}
	c.life.CompareAndSwap(nil, c.newLifetime())
	return c.life.Load()
}

// end ends the context because the run is over, and waits until the run's children have ended too. It
// returns how many items the run's body left in hand.
func (c *runContext) end() (items int) {
	c.endAs(ended, context.Canceled)
	defer c.watch.end() // it may outlast its timeout while it waits for a child
	if c.ties.CompareAndSwap(nil, noTies) {
		return 0
	}
	c.watch.rest()
	return c.cutTies()
}

// stop ends the context because the worker is to stop.
func (c *runContext) stop() {
	c.endAs(asked, ErrStopping)
	if t := c.ties.Load(); t != nil { // those that come later see that the context has ended
		c.drain()
	}
}

// fail ends the context because of what is wrong with the run.
func (c *runContext) fail(cause error) { c.lifetime().end(cause) }

func (c *runContext) endAs(life *lifetime, cause error) {
	if !c.life.CompareAndSwap(nil, life) {
		c.life.Load().end(cause)
	}
}

// Deadline is there if the worker has a run timeout.
func (c *runContext) Deadline() (time.Time, bool) {
	if life := c.life.Load(); life != nil {
		return life.Deadline()
	}
	return time.Time{}, false
}

// Done is closed when the run is over, or asked to stop.
func (c *runContext) Done() <-chan struct{} { return c.lifetime().Done() }

// Err is nil until Done is closed.
func (c *runContext) Err() error {
	if life := c.life.Load(); life != nil {
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

// Value answers for the run's own keys, and hands on all others.
func (c *runContext) Value(key any) any {
	switch key {
	case runKey{}:
		return c
	case jobKey{}: // not that of the parent, whose child the run may be
		return nil
	case loggerKey:
		return c.ctxLogger()
	case labelsKey:
		return c.labels
	case cancelKey:
		return c.lifetime().Value(key)
	}
	return c.s.value(key)
}

func (c *runContext) ctxLogger() *zerolog.Logger {
	if logger := c.logger.Load(); logger != nil {
		return logger
	}
	logger := c.s.pool.logger.With().Str(fieldWorker, c.s.name).Str(fieldExecutionID, c.id).Logger()
	c.logger.CompareAndSwap(nil, &logger)
	return c.logger.Load()
}

// runOf returns the run that ctx belongs to, or nil.
func runOf(ctx context.Context) *runContext {
	run, _ := ctx.Value(runKey{}).(*runContext)
	return run
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
func (c *runContext) label() {
	labels := pprof.Labels(fieldWorker, c.s.name, fieldExecutionID, c.id)
	c.labels = pprof.WithLabels(context.Background(), labels).Value(labelsKey)
	pprof.SetGoroutineLabels(c)
}

// runTimeoutError is the cause of a context that ended because of [WithRunTimeout].
type runTimeoutError time.Duration

func (e runTimeoutError) Error() string {
	return fmt.Sprintf("run timeout of %v passed", time.Duration(e))
}
func (runTimeoutError) Unwrap() error { return context.DeadlineExceeded }
