package lifecycle

import (
	"math"
	"time"
)

// Policy has the settings of a worker that decide when it runs.
type Policy struct {
	MaxAttempts   int           // 0: no limit
	HealthyAfter  time.Duration // a run of this length resets the count of failures; 0: never
	FailureLimit  FailureLimit
	DeferredStart time.Duration

	Scheduled        bool // it runs at the ticks of a schedule
	StartImmediately bool // and once at its start
	FollowsWallClock bool // the schedule does, also when the clock is set
	MakesUp          bool // one run at once makes up for ticks that were missed
	CallsReady       bool // a run is ready once it says so
	ComesAfter       bool // its first run waits for other workers
}

// FailureLimit slows down a worker that fails too often: each failure counts 1, and the count halves every Decay. While
// it is above Threshold, the next attempt waits at least Pause. The zero value is no limit.
type FailureLimit struct {
	Threshold    int
	Decay, Pause time.Duration
}

// score is the decaying count of failures.
type score struct {
	count float64
	at    int64     // when the count was right, in nanoseconds since 1970
	until time.Time // no run before it, unless it is asked for; zero for none
}

// exceeded counts a failure at now, and tells whether the count is above the threshold.
func (l *FailureLimit) exceeded(s *score, now time.Time) bool {
	at := now.UnixNano()
	if since := at - s.at; s.at != 0 && since > 0 { // a clock that was set back decays nothing
		s.count *= math.Exp2(-float64(since) / float64(l.Decay))
	}
	s.count, s.at = s.count+1, at
	return s.count > float64(l.Threshold)
}

// Outcome tells how a run ended.
type Outcome uint8

// The outcomes.
const (
	Succeeded Outcome = iota // it returned nil
	Finished                 // it returned ErrDoNotRestart and nothing else
	GaveUp                   // it returned ErrDoNotRestart with a cause
	Skipped                  // it returned ErrSkip, with a schedule
	Obeyed                   // it returned the error of its own context, which had ended
	Stuck                    // its context ended as it was stuck
	Failed                   // any other error, a panic, a Goexit
)

// IsGood tells whether the run ended well.
func (o Outcome) IsGood() bool { return o == Succeeded || o == Finished }

// End is the end of a run.
type End struct {
	Outcome Outcome
	Ran     time.Duration
	// Asked tells that the run was asked to end, whatever was asked since.
	Asked bool
	// OwnError tells that a stuck run ended with an error of its own.
	OwnError bool
}

// Verdict is what follows from the end of a run.
type Verdict struct {
	Outcome Outcome
	// Status is how the run itself ended: Success, Error or Stopped, or Waiting if another attempt or tick follows.
	Status Status
	// Asked tells that the run was asked to end, so that its end is no failure.
	Asked bool
	// Retry tells that another attempt follows, and Tick that the next tick does.
	Retry, Tick bool
}

// IsFailure tells whether the run counts as failed.
func (v Verdict) IsFailure() bool {
	return v.Status != Stopped && v.Outcome != Skipped && !v.Outcome.IsGood()
}

// IsFinal tells whether the replica is done, and was not asked to end.
func (v Verdict) IsFinal() bool { return !v.Asked && v.Status.Done() }

// Ended takes the end of the run that Began began.
func (m *Machine) Ended(end End, now time.Time) Verdict {
	m.running = false
	asked := end.Asked || m.stopping || m.scaledDown || m.restart || m.held || m.groupStopped
	if m.restart && !m.stopping { // the restart is the next run
		m.restart, m.groupStopped = false, false
		m.forgetFailures()
	}
	outcome := end.Outcome
	if asked && end.OwnError {
		outcome = Failed
	}
	m.retrying = !asked && !outcome.IsGood() && outcome != Skipped
	v := Verdict{Outcome: outcome, Asked: asked}
	if asked {
		v.Status = m.askedEnd(outcome)
	} else {
		m.wasHeld = false // it was held, but not for long enough to end for it
		m.judge(&v, end.Ran, now)
	}
	m.count(v)
	m.status = v.Status
	if v.Status.Done() {
		m.plan = planNone
	}
	if asked && !m.stopping { // it was only to make room for something else
		m.runAtOnce()
		m.status = Waiting
	}
	return v
}

// askedEnd is the status of a run that was asked to end.
func (m *Machine) askedEnd(o Outcome) Status {
	switch o {
	case Succeeded:
		m.failures = 0
		return Success
	case Failed:
		return Error
	}
	return Stopped
}

// judge decides what follows from a run that ended by itself.
func (m *Machine) judge(v *Verdict, ran time.Duration, now time.Time) {
	switch o := v.Outcome; {
	case o == Succeeded && m.policy.Scheduled, o == Skipped:
		m.failures = 0
		v.Status, v.Tick = Waiting, true
		m.planTick()
	case o.IsGood():
		m.failures = 0
		v.Status = Success
	case o == GaveUp:
		v.Status = Error
	default:
		m.afterFailure(v, ran, now)
	}
}

// afterFailure counts a failed attempt, and decides whether there is another.
func (m *Machine) afterFailure(v *Verdict, ran time.Duration, now time.Time) {
	p := m.policy
	if p.HealthyAfter > 0 && ran >= p.HealthyAfter {
		m.failures = 0
	}
	if m.failures < math.MaxInt32 {
		m.failures++
	}
	earliest := now
	if p.FailureLimit != (FailureLimit{}) && p.FailureLimit.exceeded(m.needScore(), now) {
		m.score.until = now.Add(p.FailureLimit.Pause)
		earliest = m.score.until
	}
	v.Status = Waiting
	last := p.MaxAttempts > 0 && int(m.failures) >= p.MaxAttempts
	switch {
	case !last, v.Outcome == Stuck && p.MaxAttempts == 1 && !p.Scheduled: // the latter was ended to be run again
		v.Retry = true
		m.plan, m.question, m.due = planRetry, askBackoff, earliest
	case p.Scheduled:
		m.failures = 0 // the next tick has attempts of its own
		v.Tick = true
		m.planTick()
	default:
		v.Status = Error
	}
}

// needScore returns the score of the failure limit, and makes it if need be.
func (m *Machine) needScore() *score {
	if m.score == nil {
		m.score = new(score)
	}
	return m.score
}

// count adds the run's end to the counters.
func (m *Machine) count(v Verdict) {
	switch {
	case v.IsFailure():
		m.Failures++
		m.failing = true
	case v.Status != Stopped && v.Outcome.IsGood():
		m.Successes++
		m.failing = false
	}
}
