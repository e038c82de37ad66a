package workerfx

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/workerfx/workerfx/internal/nilcheck"
	"github.com/workerfx/workerfx/internal/safecall"
)

// Backoff says how long to wait before the next attempt of a failed worker. Duration gets the number of attempts that
// failed in a row, which is 1 after the first failure. For 0 it returns 0. It may be called from many goroutines at once.
// If a Backoff has a method Validate() error, the pool calls it when the worker is added. If Duration panics or returns a
// negative duration, the pool logs that and uses the zero [ExponentialBackoff] instead.
type Backoff interface {
	Duration(attempt int) time.Duration
}

// StaticBackoff waits the same time before every attempt. Its zero value does not wait.
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

// ExponentialBackoff waits Initial after the first failure. After each further failure it waits Multiplier times longer,
// up to Max. The zero value waits 1s, 2s, 4s and so on, up to a minute. It is the default of workers without a limit of
// attempts.
type ExponentialBackoff struct {
	// Initial is the wait after the first failure; 0 means 1s.
	Initial time.Duration `json:"initial,omitempty" yaml:"initial,omitempty" mapstructure:"initial,omitempty"`
	// Max is the longest wait; 0 means a minute, or Initial if that is longer.
	Max time.Duration `json:"max,omitempty" yaml:"max,omitempty" mapstructure:"max,omitempty"`
	// Multiplier is the growth from one wait to the next, at least 1; 0 means 2.
	Multiplier float64 `json:"multiplier,omitempty" yaml:"multiplier,omitempty" mapstructure:"multiplier,omitempty"`
	// Jitter shortens each wait by a random part of it: by at most this fraction, from 0 to 1. With 0.5 a wait of 8s
	// becomes a wait between 4s and 8s. The default is 0: no jitter.
	Jitter float64 `json:"jitter,omitempty" yaml:"jitter,omitempty" mapstructure:"jitter,omitempty"`
}

// Duration returns the wait after this number of failures in a row, and 0 for 0.
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
	b.Initial = cmp.Or(b.Initial, defaultBackoffInitial)
	b.Max = cmp.Or(b.Max, max(defaultBackoffMax, b.Initial))
	b.Multiplier = cmp.Or(b.Multiplier, defaultBackoffMultiplier)
	return b
}

// Validate returns an error if a field is out of range. The pool calls it when a worker is added.
func (b ExponentialBackoff) Validate() error {
	var f flaws
	f.addIf(b.Initial < 0, "initial %v must not be negative", b.Initial)
	f.addIf(b.Max < 0, "max %v must not be negative", b.Max)
	f.addIf(b.Max > 0 && b.Initial > b.Max, "initial %v is above max %v", b.Initial, b.Max)
	f.addIf(b.Multiplier != 0 && !(b.Multiplier >= 1) || math.IsInf(b.Multiplier, 0), "multiplier %v must be a number of at least 1", b.Multiplier)
	f.addIf(!(b.Jitter >= 0 && b.Jitter <= 1), "jitter %v must be between 0 and 1", b.Jitter)
	return f.err()
}

// Validate returns an error if Sleep is negative. The pool calls it when a worker is added.
func (b StaticBackoff) Validate() error {
	if b.Sleep < 0 {
		return fmt.Errorf("sleep %v must not be negative", b.Sleep)
	}
	return nil
}

// checkBackoff returns an error if a backoff is nil or not valid.
func checkBackoff(b Backoff) error {
	if nilcheck.IsNil(b) {
		return errors.New("backoff is nil")
	}
	return safecall.Validate(b)
}

// Wait waits for d, or until ctx ends if that is earlier. It returns at once if d is not positive.
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
