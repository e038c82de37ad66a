package workerfx

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// Backoff says how long to wait before a failed worker's next attempt. Duration is given the number of
// attempts that failed in a row: 1 after the first failure; for 0 it returns 0. It may be called from
// many goroutines at once. If it also has a method Validate() error, that is asked first. A backoff that panics or returns a negative duration is replaced by the
// default one, with an error in the log.
type Backoff interface {
	Duration(attempt int) time.Duration
}

// StaticBackoff waits the same time before every attempt. Its zero value does not wait at all.
type StaticBackoff struct {
	Sleep time.Duration
}

// Duration returns Sleep, or 0 for attempt 0.
func (b StaticBackoff) Duration(attempt int) time.Duration {
	if attempt <= 0 {
		return 0
	}
	return b.Sleep
}

// The defaults of [ExponentialBackoff].
const (
	defaultBackoffInitial    = time.Second
	defaultBackoffMax        = time.Minute
	defaultBackoffMultiplier = 2
)

// ExponentialBackoff waits Initial after the first failure and Multiplier times longer after each
// further one, up to Max. Its zero value, the default of workers that restart without end, waits
// 1s, 2s, 4s and so on up to a minute.
type ExponentialBackoff struct {
	// Initial is the wait after the first failure; 0 means 1s.
	Initial time.Duration `json:"initial,omitempty" yaml:"initial,omitempty" mapstructure:"initial,omitempty"`
	// Max is the longest wait; 0 means a minute, or Initial if that is longer.
	Max time.Duration `json:"max,omitempty" yaml:"max,omitempty" mapstructure:"max,omitempty"`
	// Multiplier is the growth from one wait to the next, at least 1; 0 means 2.
	Multiplier float64 `json:"multiplier,omitempty" yaml:"multiplier,omitempty" mapstructure:"multiplier,omitempty"`
	// Jitter is the fraction of each wait, from 0 to 1, that chance may take off it: with 0.5 a wait
	// of 8s becomes one between 4s and 8s. 0, the default, leaves every wait as it is.
	Jitter float64 `json:"jitter,omitempty" yaml:"jitter,omitempty" mapstructure:"jitter,omitempty"`
}

// Duration returns the wait after that many failures in a row, or 0 for attempt 0.
func (b ExponentialBackoff) Duration(attempt int) time.Duration {
	if attempt <= 0 {
		return 0
	}
	b = b.withDefaults()
	wait := b.Max
	if exact := float64(b.Initial) * math.Pow(b.Multiplier, float64(attempt-1)); exact < float64(b.Max) { // false if it overflowed
		wait = time.Duration(exact)
	}
	if b.Jitter > 0 {
		wait -= time.Duration(float64(wait) * min(b.Jitter, 1) * rand.Float64())
	}
	return max(wait, 0)
}

func (b ExponentialBackoff) withDefaults() ExponentialBackoff {
	if b.Initial == 0 {
		b.Initial = defaultBackoffInitial
	}
	if b.Max == 0 {
		b.Max = max(defaultBackoffMax, b.Initial)
	}
	if b.Multiplier == 0 {
		b.Multiplier = defaultBackoffMultiplier
	}
	return b
}

// Validate says which field is out of range. It is asked when a worker is added.
func (b ExponentialBackoff) Validate() error {
	switch {
	case b.Initial < 0:
		return fmt.Errorf("initial %v must not be negative", b.Initial)
	case b.Max < 0:
		return fmt.Errorf("max %v must not be negative", b.Max)
	case b.Max != 0 && b.Initial > b.Max:
		return fmt.Errorf("initial %v is above max %v", b.Initial, b.Max)
	case b.Multiplier != 0 && !(b.Multiplier >= 1) || math.IsInf(b.Multiplier, 0):
		return fmt.Errorf("multiplier %v must be a number of at least 1", b.Multiplier)
	case !(b.Jitter >= 0 && b.Jitter <= 1):
		return fmt.Errorf("jitter %v must be between 0 and 1", b.Jitter)
	}
	return nil
}

// Validate says whether Sleep is out of range. It is asked when a worker is added.
func (b StaticBackoff) Validate() error {
	if b.Sleep < 0 {
		return fmt.Errorf("sleep %v must not be negative", b.Sleep)
	}
	return nil
}

// checkBackoff refuses a backoff that is nil or knows that it is not valid.
func checkBackoff(b Backoff) error {
	if isNil(b) {
		return errors.New("backoff is nil")
	}
	if b, ok := b.(interface{ Validate() error }); ok {
		return b.Validate()
	}
	return nil
}

// Wait sleeps for d or until ctx ends, whichever comes first. It returns at once if d is not positive.
func Wait(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// FailureLimit slows down a worker that fails too often, whether or not it succeeds in between: each
// failure counts 1 and the count halves every Decay. While it is above Threshold the worker's next
// attempt waits at least Pause. The zero value is no limit. It is suture's model of failures.
type FailureLimit struct {
	// Threshold is the count that may be reached, at least 1.
	Threshold int `json:"threshold,omitempty" yaml:"threshold,omitempty" mapstructure:"threshold,omitempty"`
	// Decay is the half-life of the count.
	Decay time.Duration `json:"decay,omitempty" yaml:"decay,omitempty" mapstructure:"decay,omitempty"`
	// Pause is the wait while the count is above Threshold.
	Pause time.Duration `json:"pause,omitempty" yaml:"pause,omitempty" mapstructure:"pause,omitempty"`
}

func (l FailureLimit) validate() error {
	switch {
	case l == (FailureLimit{}):
		return nil
	case l.Threshold < 1:
		return fmt.Errorf("threshold %d must be at least 1", l.Threshold)
	case l.Decay <= 0:
		return fmt.Errorf("decay %v must be positive", l.Decay)
	case l.Pause <= 0:
		return fmt.Errorf("pause %v must be positive", l.Pause)
	}
	return nil
}
