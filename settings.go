package workerfx

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/workerfx/workerfx/internal/lifecycle"
)

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

// newSettings applies options on top of the pool's defaults. Without options it returns nil.
func newSettings(defaults settings, ofGroup, ofWorker []Option) (*settings, error) {
	if len(ofGroup) == 0 && len(ofWorker) == 0 {
		return nil, nil
	}
	s := defaults
	if err := s.applyFrom(SourceGroup, ofGroup); err != nil {
		return nil, err
	}
	return &s, s.applyFrom(SourceCode, ofWorker)
}

// finishSettings applies the configuration for the worker's name, and checks the settings. Workers without options and
// without such a configuration share the pool's defaults.
func finishSettings(p *Pool, name string, s *settings, of owner) (*settings, error) {
	overrides := p.config.overrides(name)
	if of.parent != nil { // the configuration of the parent is not for the child
		overrides = nil
		if override, ok := p.config.Workers[configuredName(of.parent, name)]; ok {
			overrides = []WorkerConfig{override}
		}
	}
	if s == nil {
		if len(overrides) == 0 {
			return p.sharedSettings, nil
		}
		copied := p.defaults
		s = &copied
	}
	if len(overrides) > 0 {
		before := *s
		for _, override := range overrides {
			override.apply(s)
		}
		s.noteSource(&before, SourceOverride)
	}
	s.resolve()
	return s, errors.Join(s.validate(name), s.validateOwner(name, of))
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

// addError collects an error about a setting: the field, its value, and why the value is bad.
type addError func(field string, value any, why string)

// validate returns an error about all settings that are out of range.
func (s *settings) validate(worker string) error {
	var errs []error
	add := func(field string, value any, why string) { errs = append(errs, badValue(worker, field, value, why)) }
	notNegative := func(field string, d time.Duration) {
		if d < 0 {
			add(field, d, "must not be negative")
		}
	}
	notNegative("deferred start", s.deferredStart)
	notNegative("healthy after", s.policy.HealthyAfter)
	notNegative("stop timeout", s.stopTimeout)
	notNegative("run timeout", s.runTimeout)
	if s.maxAttempts < 0 {
		add("max attempts", s.maxAttempts, "must not be negative")
	}
	if s.events < 0 {
		add("events", s.events, "must not be negative")
	}
	s.validateSchedule(add)
	s.validateReplicas(add)
	s.validateHeartbeat(add)
	s.validateEssential(add)
	if s.strategy < OneForOne || s.strategy > RestForOne {
		add("strategy", int(s.strategy), "must be OneForOne, OneForAll or RestForOne")
	}
	if slices.Contains(s.after, "") {
		add("after", `""`, "must be a worker's or a group's name")
	}
	if err := checkBackoff(s.backoff); err != nil {
		add("backoff", fmt.Sprintf("%+v", s.backoff), err.Error())
	}
	if err := s.failureLimit.validate(); err != nil {
		add("failure limit", fmt.Sprintf("%+v", s.failureLimit), err.Error())
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
