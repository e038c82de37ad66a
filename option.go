package workerfx

import (
	"slices"
	"time"
)

// Option configures one worker, or all workers of a [Group]. A value that is out of range is an error when the worker is
// added to a pool. The error names the worker, the field and the value.
type Option func(*settings)

// WithName names the worker, or the group. It wins over the worker's own Name.
func WithName(name string) Option {
	return func(s *settings) { s.name = &name }
}

// WithDeferredStart delays the first run until d after the pool's start, or after its own start if the worker or the replica
// is added later. The default is 0.
func WithDeferredStart(d time.Duration) Option {
	return func(s *settings) { s.deferredStart = d }
}

// WithMaxAttempts sets after how many failed runs in a row the worker is not run again. The default is 1: a worker that
// fails is not run again. 0 is no limit. A success resets the count; see also [WithHealthyAfter].
func WithMaxAttempts(n int) Option {
	return func(s *settings) { s.maxAttempts = n }
}

// WithBackoff sets the wait between attempts. The default is the zero [ExponentialBackoff] for a worker without a
// limit of attempts, and no wait for a worker with a limit.
func WithBackoff(b Backoff) Option {
	return func(s *settings) { s.backoff, s.backoffSet = b, true }
}

// WithHealthyAfter resets the count of failures before a failure of a run that lasted d or longer. 0 turns it off. The
// default is a minute for a worker without a limit of attempts, and off for a worker with a limit.
func WithHealthyAfter(d time.Duration) Option {
	return func(s *settings) { s.healthyAfter = &d }
}

// WithStopTimeout limits how long a stop waits for this worker, from the moment in which it asks the worker to stop. The
// default, 0, is no limit but the context of [Pool.Stop].
func WithStopTimeout(d time.Duration) Option {
	return func(s *settings) { s.stopTimeout = d }
}

// WithRunTimeout ends the context of each run after d, with [context.DeadlineExceeded]. A run that ends for that
// reason has failed. The default, 0, is no timeout.
func WithRunTimeout(d time.Duration) Option {
	return func(s *settings) { s.runTimeout = d }
}

// WithMiddleware wraps the worker's runs. The first middleware is the outermost one, inside the pool's middleware. If the
// option is given more than once, later middleware is inside earlier middleware. The default is none.
func WithMiddleware(mw ...Middleware) Option {
	return func(s *settings) { s.middleware = append(slices.Clip(s.middleware), mw...) }
}

// WithEvents sets how many of the most recent events the worker's report keeps. The default is 32; 0 keeps none.
func WithEvents(n int) Option {
	return func(s *settings) { s.events = n }
}
