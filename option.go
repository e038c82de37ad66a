package workerfx

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/workerfx/workerfx/internal/lifecycle"
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

// WithFailureLimit slows the worker down while it fails too often. The default is no such limit.
func WithFailureLimit(limit FailureLimit) Option {
	return func(s *settings) { s.failureLimit = limit }
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

const (
	defaultEvents       = 32
	defaultHealthyAfter = time.Minute
)

// settings are all options of a worker. They do not change after the worker was added: workers without options of their
// own share one copy.
type settings struct {
	policy  lifecycle.Policy // follows from the other settings: see resolve
	sources sources

	name          *string
	deferredStart time.Duration
	maxAttempts   int
	healthyAfter  *time.Duration
	failureLimit  FailureLimit
	backoff       Backoff
	backoffSet    bool
	stopTimeout   time.Duration
	runTimeout    time.Duration
	middleware    []Middleware
	essential     EssentialPolicy // empty for a worker that is not essential
	essentialErr  error
	events        int

	schedule         Schedule // nil for a worker that runs once
	scheduleErr      *badSchedule
	startImmediately bool
	jitter           float64
	missed           MissedPolicy

	heartbeat   time.Duration // 0 = none is expected
	stuckPolicy StuckPolicy

	strategy Strategy

	readiness bool
	after     []string // names of workers

	replicas, minReplicas, maxReplicas int // maxReplicas 0 = no limit
}

func defaultSettings() settings {
	return settings{maxAttempts: 1, events: defaultEvents, replicas: 1, missed: MissedSkip}
}

// apply applies options in their order.
func (s *settings) apply(opts []Option) error {
	for i, opt := range opts {
		if opt == nil {
			return fmt.Errorf("option %d is nil", i+1)
		}
		opt(s)
	}
	return nil
}

// resolve sets what depends on other settings: the policy, and the backoff if none was given.
func (s *settings) resolve() {
	endless := s.maxAttempts == 0
	_, isInterval := s.schedule.(interval)
	s.policy = lifecycle.Policy{
		MaxAttempts: s.maxAttempts, FailureLimit: lifecycle.FailureLimit(s.failureLimit), DeferredStart: s.deferredStart,
		Scheduled: s.schedule != nil, StartImmediately: s.startImmediately,
		FollowsWallClock: s.schedule != nil && !isInterval, MakesUp: s.missed == MissedRunOnce,
		CallsReady: s.readiness, ComesAfter: len(s.after) > 0,
	}
	switch {
	case s.healthyAfter != nil:
		s.policy.HealthyAfter = *s.healthyAfter
	case endless:
		s.policy.HealthyAfter = defaultHealthyAfter
	}
	switch {
	case s.backoffSet:
	case endless:
		s.backoff = ExponentialBackoff{}
	default:
		s.backoff = StaticBackoff{}
	}
}

// validate returns an error about all settings that are out of range.
func (s *settings) validate(worker string) error {
	var errs []error
	atLeast0 := func(field string, n int) {
		if n < 0 {
			errs = append(errs, badValue(worker, field, n, "must not be negative"))
		}
	}
	notNegative := func(field string, d time.Duration) {
		if d < 0 {
			errs = append(errs, badValue(worker, field, d, "must not be negative"))
		}
	}
	notNegative("deferred start", s.deferredStart)
	notNegative("healthy after", s.policy.HealthyAfter)
	notNegative("stop timeout", s.stopTimeout)
	notNegative("run timeout", s.runTimeout)
	atLeast0("max attempts", s.maxAttempts)
	atLeast0("events", s.events)
	s.validateSchedule(worker, &errs)
	s.validateReplicas(worker, &errs)
	s.validateHeartbeat(worker, &errs)
	s.validateEssential(worker, &errs)
	if s.strategy < OneForOne || s.strategy > RestForOne {
		errs = append(errs, badValue(worker, "strategy", int(s.strategy), "must be OneForOne, OneForAll or RestForOne"))
	}
	if slices.Contains(s.after, "") {
		errs = append(errs, badValue(worker, "after", `""`, "must be a worker's or a group's name"))
	}
	if err := checkBackoff(s.backoff); err != nil {
		errs = append(errs, badValue(worker, "backoff", fmt.Sprintf("%+v", s.backoff), err.Error()))
	}
	if err := s.failureLimit.validate(); err != nil {
		errs = append(errs, badValue(worker, "failure limit", fmt.Sprintf("%+v", s.failureLimit), err.Error()))
	}
	return errors.Join(errs...)
}

// validateOwner returns an error about settings that a child, or a worker outside of a group, cannot have.
func (s *settings) validateOwner(worker string, of owner) error {
	if of.parent != nil && len(s.after) > 0 {
		return badValue(worker, "after", s.after, "a child cannot come after others: it comes and goes with its parent")
	}
	inGroup := of.name != "" && of.parent == nil
	if !inGroup && (s.strategy == OneForAll || s.strategy == RestForOne) {
		return badValue(worker, "strategy", s.strategy, "is for workers of a Group, and this one is in none")
	}
	return nil
}
