package workerfx

import (
	"fmt"
	"math"
	"time"
)

// outcome tells how a run ended, before anybody decided what follows from it.
type outcome struct {
	kind     outcomeKind
	panicked bool
	broke    bool // it is hung, and had an error of its own
	err      error
	text     string // of err
}

type outcomeKind uint8

const (
	notRun    outcomeKind = iota // there was no run: the replica is new, or was asked to stop before its run began
	succeeded                    // nil
	finished                     // ErrDoNotRestart and nothing else
	gaveUp                       // ErrDoNotRestart around a cause
	skipped                      // ErrSkip, of a worker with a schedule
	obeyed                       // the error or the cause of its own context, which had ended
	hung                         // any of the two around this, or nil, after its context had ended as it was stuck
	failed                       // any other error, a panic, a Goexit
)

// isGood tells whether the run did what it was for.
func (o outcome) isGood() bool { return o.kind == succeeded || o.kind == finished }

// policy is what of a worker's settings decides whether it runs again.
type policy struct {
	maxAttempts  int           // 0 = no limit
	healthyAfter time.Duration // 0 = attempts are counted until a success
	failureLimit FailureLimit
	scheduled    bool // a tick that is over is followed by the next
}

// history is what a policy remembers of a replica's failures.
type history struct {
	failures int     // in a row
	score    float64 // all failures, decaying
	scoredAt int64   // when score was right, in nanoseconds since 1970
}

// step is what a replica does next.
type step struct {
	status Status        // what it is until then
	done   bool          // nothing: its life is over
	retry  bool          // wait as its backoff says for that many failures
	tick   bool          // wait for the schedule's next tick
	held   bool          // look at what others asked for before it runs
	pause  time.Duration // wait at least so long
	missed int64         // ticks, before the next
	err    error         // why it is done, if no run's error says so
}

// next decides what follows from a run that ended at now after running for ran, and keeps h up to
// date. It is the outcome table of the package documentation, and depends on nothing else.
func (p *policy) next(o outcomeKind, ran time.Duration, h *history, stopping bool, now time.Time) step {
	switch o {
	case succeeded:
		h.failures = 0
		if p.scheduled && !stopping {
			return step{status: StatusWaiting, tick: true}
		}
		return step{status: StatusSuccess, done: true}
	case finished, gaveUp, obeyed, hung, skipped:
		if stopping {
			return step{status: StatusStopped, done: true}
		}
	case failed:
		if stopping {
			return step{status: StatusError, done: true}
		}
	}
	switch o {
	case finished:
		return step{status: StatusSuccess, done: true}
	case gaveUp:
		return step{status: StatusError, done: true}
	case skipped:
		h.failures = 0
		return step{status: StatusWaiting, tick: true}
	}
	return p.afterFailure(o, ran, h, now)
}

// afterFailure counts a failed attempt and says whether there is another.
func (p *policy) afterFailure(o outcomeKind, ran time.Duration, h *history, now time.Time) step {
	if p.healthyAfter > 0 && ran >= p.healthyAfter {
		h.failures = 0
	}
	if h.failures < math.MaxInt {
		h.failures++
	}
	next := step{status: StatusWaiting, retry: true}
	if p.failureLimit != (FailureLimit{}) && p.failureLimit.exceededBy(h, now) {
		next.pause = p.failureLimit.Pause
	}
	if p.maxAttempts > 0 && h.failures >= p.maxAttempts {
		if o == hung && p.maxAttempts == 1 && !p.scheduled {
			return next // it was ended to be run again
		}
		if p.scheduled {
			h.failures = 0 // the next tick has attempts of its own
			return step{status: StatusWaiting, tick: true, pause: next.pause}
		}
		return step{status: StatusError, done: true}
	}
	return next
}

// FailureLimit slows down a worker that fails too often, whether or not it succeeds in between: each
// failure counts 1 and the count halves every Decay. While it is above Threshold the worker's next
// attempt waits at least Pause. The zero value is no limit. It is suture's model of failures.
type FailureLimit struct {
	// Threshold is the count that may be reached, at least 1.
	Threshold int `json:"threshold" yaml:"threshold" mapstructure:"threshold"`
	// Decay is the half-life of the count.
	Decay time.Duration `json:"decay" yaml:"decay" mapstructure:"decay"`
	// Pause is the wait while the count is above Threshold.
	Pause time.Duration `json:"pause" yaml:"pause" mapstructure:"pause"`
}

// exceededBy counts a failure at now, and tells whether the count is above the threshold.
func (l *FailureLimit) exceededBy(h *history, now time.Time) bool {
	at := now.UnixNano()
	if since := at - h.scoredAt; h.scoredAt != 0 && since > 0 { // a clock that was set back decays nothing
		h.score *= math.Exp2(-float64(since) / float64(l.Decay))
	}
	h.score, h.scoredAt = h.score+1, at
	return h.score > float64(l.Threshold)
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
