package workerfx

import "time"

// WithFailureLimit slows the worker down while it fails too often. The default is no such limit.
func WithFailureLimit(limit FailureLimit) Option {
	return func(s *settings) { s.failureLimit = limit }
}

// FailureLimit slows down a worker that fails too often, even if it succeeds in between. Each failure adds 1 to a
// count, which halves every Decay. While the count is above Threshold, the next attempt waits at least Pause. The
// zero value is no limit. The model is that of github.com/thejerf/suture.
type FailureLimit struct {
	// Threshold is the highest count without a pause. It must be at least 1.
	Threshold int `json:"threshold,omitempty" yaml:"threshold,omitempty" mapstructure:"threshold,omitempty"`
	// Decay is the half-life of the count.
	Decay time.Duration `json:"decay,omitempty" yaml:"decay,omitempty" mapstructure:"decay,omitempty"`
	// Pause is the wait while the count is above Threshold.
	Pause time.Duration `json:"pause,omitempty" yaml:"pause,omitempty" mapstructure:"pause,omitempty"`
}

func (l FailureLimit) validate() error {
	if l == (FailureLimit{}) {
		return nil
	}
	var f flaws
	f.addIf(l.Threshold < 1, "threshold %d must be at least 1", l.Threshold)
	f.addIf(l.Decay <= 0, "decay %v must be positive", l.Decay)
	f.addIf(l.Pause <= 0, "pause %v must be positive", l.Pause)
	return f.err()
}
