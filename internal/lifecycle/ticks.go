package lifecycle

import "time"

var zeroTime time.Time

const (
	// maxSetBack is how far back a clock may be set without past ticks coming again: the three hours of cron.
	maxSetBack = 3 * time.Hour
	// longestSleep bounds how late a schedule that follows the wall clock sees that the clock was set.
	longestSleep = 5 * time.Minute
)

// ticks are where a replica is in its schedule.
type ticks struct {
	origin   time.Time // of an interval's grid; no tick comes before
	last     time.Time // the tick that was taken last
	upcoming time.Time // the tick that the replica waits for
	counted  time.Time // missed ticks are counted up to here

	looked  time.Time // when Next was asked last
	covered time.Time // the last run began then, and made up for all ticks before
	makesUp bool      // the next run makes up for missed ticks, and is no tick itself
}

// question is what has to be asked before it is known when the next run is due.
type question uint8

const (
	askNothing question = iota
	askBackoff
	askSchedule
)

// Question is what to ask the user's code, which the machine does not call itself.
type Question struct {
	// Failures is for how many failures in a row to ask the backoff. If it is 0, the schedule is to be asked.
	Failures int
	// Rescheduled tells that the schedule is a new one, which has not been asked yet.
	Rescheduled bool
	// Origin is where an interval's grid begins.
	Origin time.Time
	// From is the time after which the next tick comes.
	From time.Time
	// MissedSince is the time after which ticks up to From were missed; zero if none can have been.
	MissedSince time.Time
	// MakeUpSince is the time after which a tick up to From is made up for; zero if none is.
	MakeUpSince time.Time
}

// Tick is the answer of a schedule.
type Tick struct {
	At     time.Time // by the schedule; zero if no tick follows
	Due    time.Time // with jitter
	Missed int64     // ticks, since the last answer
	MakeUp bool      // there was a tick since MakeUpSince
}

// Question stores in q, which is zero, what to ask at now. It is for a machine that IsAsking.
func (m *Machine) Question(now time.Time, q *Question) {
	if m.question == askBackoff {
		q.Failures = int(m.failures)
		return
	}
	t := m.schedule(now)
	q.Rescheduled, m.rescheduled = m.rescheduled, false
	q.Origin, q.From, q.MissedSince = t.origin, later(now, t.origin), later(t.last, t.counted)
	if m.policy.FollowsWallClock && wasSetBack(t.last, now) {
		q.From = t.last
	}
	if m.policy.MakesUp && !q.MissedSince.IsZero() {
		q.MakeUpSince = later(q.MissedSince, t.covered)
	}
}

// wasSetBack tells whether the wall clock was set back since a tick, and not too far.
func wasSetBack(last, now time.Time) bool {
	back := setBack(last, now)
	return back > 0 && back <= maxSetBack
}

// setBack returns how far the wall clock was set back since a time, at least. It is zero if there is no such time.
func setBack(since, now time.Time) time.Duration {
	if since.IsZero() {
		return 0
	}
	return since.Round(0).Sub(now.Round(0))
}

// takesTick tells whether a run that begins is the run of the tick that the replica waits for. A command may begin a run before
// its time. That run is the run of the tick if the tick has come, and only jitter delays it.
func (m *Machine) takesTick() bool {
	t := m.ticks
	return !t.makesUp && (!m.restart && !m.trigger || !t.looked.Before(t.upcoming))
}

// AnswerBackoff takes the backoff's answer, counted from the end of the run.
func (m *Machine) AnswerBackoff(ended time.Time, backoff time.Duration) {
	if m.question == askBackoff {
		m.question = askNothing
		m.due = later(m.due, ended.Add(backoff))
	}
}

// AnswerTick takes the schedule's answer to a question. A run that makes up for missed ticks stays due if the schedule is asked
// again before it, such as after a pause.
func (m *Machine) AnswerTick(q *Question, tick *Tick) {
	t := m.schedule(q.From)
	t.makesUp = t.makesUp || tick.MakeUp
	if tick.At.IsZero() && !t.makesUp {
		m.AnswerNone(tick.Missed, false)
		return
	}
	m.MissedTicks += tick.Missed
	t.counted = q.From
	if m.question == askSchedule {
		m.question = askNothing
		t.upcoming = tick.At
		if !t.makesUp {
			m.due = later(m.due, m.clock(tick.Due))
		}
	}
}

// AnswerNone takes the answer that no tick follows, after a number of missed ticks. The replica is done, unless Trigger was
// called meanwhile: then it runs once more, and asks again. It failed if its schedule is broken.
func (m *Machine) AnswerNone(missed int64, broken bool) {
	if m.trigger && !broken {
		return
	}
	m.MissedTicks += missed
	if m.question != askSchedule {
		return
	}
	m.question, m.plan, m.status = askNothing, planNone, Success
	if broken {
		m.status, m.failing = Error, true
	}
}

// Due returns the time of the next run. It is zero if the run is due at once, or if the time is not known yet.
func (m *Machine) Due() time.Time { return m.due }

// planTick plans a run at the next tick, but not before the pause of the failure limit is over.
func (m *Machine) planTick() {
	m.plan, m.question, m.due = planTick, askSchedule, zeroTime
	if m.score != nil {
		m.due = m.score.until
	}
}

// schedule returns the replica's place in its schedule.
func (m *Machine) schedule(now time.Time) *ticks {
	if m.ticks == nil {
		m.ticks = &ticks{origin: now}
	}
	return m.ticks
}

// sleep returns how long to sleep until the next run.
func (m *Machine) sleep(now time.Time) time.Duration {
	d := m.due.Sub(now)
	if m.policy.FollowsWallClock {
		d = min(d, longestSleep)
	}
	return d
}

// clock returns a time to compare with: without its monotonic reading it follows the wall clock.
func (m *Machine) clock(t time.Time) time.Time {
	if m.policy.FollowsWallClock {
		return t.Round(0)
	}
	return t
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// NextRun returns the time of the next run of a waiting replica. It is zero if the replica does not wait, or if the time
// is not known.
func (m *Machine) NextRun() time.Time {
	if m.status != Waiting && m.status != Deferred || m.held || m.awaitsGroup || m.question != askNothing {
		return zeroTime
	}
	return m.due
}
