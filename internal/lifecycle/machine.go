package lifecycle

import "time"

// Status is what a replica does, or how it ended.
type Status uint8

// The statuses.
const (
	Pending Status = iota
	Deferred
	Running
	Waiting
	Paused
	Success
	Error
	Stopped
)

// Done tells whether the status is that of a replica that has ended.
func (s Status) Done() bool { return s >= Success }

// Action is what the caller has to do next.
type Action uint8

// The actions.
const (
	Undecided Action = iota // the caller has to ask: it has not yet, or a new life began and needs new facts
	Run                     // begin a run: see Began
	Sleep                   // for the time Step.For, or until a command or a change of the facts
	Wait                    // for a command or a change of the facts
	Ask                     // the user's schedule or backoff: see Question
	Exit                    // end the replica's goroutine
)

// Step is the answer to Next.
type Step struct {
	Do     Action
	Status Status
	// For is how long a sleep takes.
	For time.Duration
	// HeldBy is what keeps the replica from its next run.
	HeldBy HeldBy
	// Deferred and Resumed tell that a deferred start began, or that a pause ended, with this step.
	Deferred, Resumed bool
	// StopGroup tells that the replica failed for good, as members of its group did not stop in time. The caller stops
	// the group.
	StopGroup bool
}

// HeldBy is what keeps a replica from its next run, beside time and commands.
type HeldBy uint8

// What may keep a replica.
const (
	Nothing     HeldBy = iota
	Group              // another member of its group failed, or has not stopped since the replica failed
	Predecessor        // a worker that it comes after is not ready
)

// Facts are what the caller knows of other replicas.
type Facts struct {
	// GroupRuns tells that members of the group still run although this replica, which failed, waits for them. They must
	// have stopped within GroupStopsIn.
	GroupRuns    bool
	GroupStopsIn time.Duration
	// PredecessorsReady tells whether all workers that the replica comes after are ready.
	PredecessorsReady bool
}

// Counts are the counters of a replica.
type Counts struct {
	Runs, Restarts, Successes, Failures, MissedTicks int64
}

// Machine is the state of one replica. The zero value needs a policy: see New. It is not safe for concurrent use.
type Machine struct {
	policy *Policy
	ticks  *ticks // nil without a schedule, or before the first step

	due   time.Time // of the next run; zero: at once
	score *score    // of the failure limit; nil while it is 0

	Counts

	failures int32 // in a row; no more are counted than fit
	status   Status
	plan     plan
	question question

	// Commands that hold until they are taken back or carried out.
	stopping, paused, scaledDown, groupStopped, held, restart, trigger bool

	running            bool
	exited             bool // its goroutine has ended
	deferred           bool // its first run is deferred
	awaitsPredecessors bool // the next run waits for the workers that it comes after
	awaitsGroup        bool // it failed, and members of its group still run
	wasHeld            bool // it was held, and has not run since
	failing            bool // its last failure stands: no run has succeeded since
	rescheduled        bool // the schedule is a new one, which has not been asked yet
	retrying           bool // the last run failed by itself
}

// plan is what the next run is for.
type plan uint8

const (
	planFirst plan = iota // nothing was planned yet
	planRun               // a run when it is due
	planRetry             // the next attempt after a failure
	planTick              // the next tick of the schedule
	planNone              // no run: the replica is done
)

// New returns the machine of a replica that has not begun.
func New(policy *Policy) Machine {
	return Machine{policy: policy, awaitsPredecessors: policy.ComesAfter}
}

// Next says what to do next, if no run is under way. It is the table of the package documentation.
func (m *Machine) Next(now time.Time, f Facts) (step Step) {
	step.Deferred, step.Resumed = m.planFirstRun(now), m.endPause()
	if m.plan == planTick && m.policy.FollowsWallClock && setBack(m.ticks.looked, now) > maxSetBack {
		m.planTick()
	}
	m.awaitsGroup = false
	if m.ticks != nil {
		m.ticks.looked = now
	}
	m.decide(&step, now, f)
	m.status = step.Status
	return step
}

// decide fills in the step. It does not return one, so that the stack of the goroutine need not grow for it: a hundred
// thousand goroutines may come here at once.
func (m *Machine) decide(step *Step, now time.Time, f Facts) {
	switch {
	case m.plan == planNone:
		m.exit(step, m.status)
	case m.stopping:
		m.plan = planNone
		m.exit(step, Stopped)
	case m.scaledDown:
		m.exited = true
		step.Do, step.Status = Exit, Paused
	case m.groupStopped:
		m.exit(step, Stopped)
	case m.paused:
		step.Do, step.Status = Wait, Paused
	case m.held:
		step.Do, step.Status, step.HeldBy = Wait, Waiting, Group
	case f.GroupRuns && f.GroupStopsIn > 0:
		m.awaitsGroup = true
		step.Do, step.Status, step.HeldBy, step.For = Sleep, m.waitingStatus(), Group, f.GroupStopsIn
	case f.GroupRuns:
		m.failForGroup(step)
	case m.awaitsPredecessors && !f.PredecessorsReady:
		step.Do, step.Status, step.HeldBy = Wait, Pending, Predecessor
	case m.restart, m.trigger:
		step.Do, step.Status = Run, m.statusBeforeRun()
	case m.question != askNothing:
		step.Do, step.Status = Ask, m.statusBeforeRun()
	case now.Before(m.due):
		step.Do, step.Status, step.For = Sleep, m.waitingStatus(), m.sleep(now)
	default:
		step.Do, step.Status = Run, m.statusBeforeRun()
	}
}

// exit ends the replica's goroutine, unless a restart was asked for: that begins a new life. The caller looks again then, as
// the facts are those of the old life.
func (m *Machine) exit(step *Step, status Status) {
	if m.restart && !m.stopping {
		m.reset()
		step.Do, step.Status = Undecided, m.status
		return
	}
	m.exited = true
	step.Do, step.Status = Exit, status
}

// failForGroup makes the replica fail for good, as members of its group did not stop.
func (m *Machine) failForGroup(step *Step) {
	m.plan, m.failing = planNone, true
	step.StopGroup = true
	m.exit(step, Error)
}

// statusBeforeRun is the status of a replica that is about to run, or to ask. A replica that has not begun is still pending.
func (m *Machine) statusBeforeRun() Status {
	if m.status == Pending {
		return Pending
	}
	return m.waitingStatus()
}

// waitingStatus is the status while the replica waits for its time.
func (m *Machine) waitingStatus() Status {
	if m.deferred {
		return Deferred
	}
	return Waiting
}

// planFirstRun plans the first run, and tells whether it is deferred.
func (m *Machine) planFirstRun(now time.Time) bool {
	if m.plan != planFirst || m.stopping {
		return false
	}
	p := m.policy
	m.plan = planRun
	m.deferred = p.DeferredStart > 0
	if m.deferred {
		m.due = now.Add(p.DeferredStart)
		m.status = Deferred
	}
	if p.Scheduled {
		m.ticks = &ticks{origin: now.Add(p.DeferredStart)}
		if !p.StartImmediately {
			m.planTick()
		}
	}
	return m.deferred
}

// endPause makes a paused replica wait again if it may. A schedule goes on with its next tick.
func (m *Machine) endPause() bool {
	if m.status != Paused || m.paused || m.scaledDown || m.stopping || m.groupStopped {
		return false
	}
	m.status = m.waitingStatus()
	if m.plan == planTick {
		m.planTick()
	}
	return true
}

// Start tells how a run begins.
type Start struct {
	Attempt   int
	Triggered bool // Trigger was called for it
}

// Began takes the begin of the run that Next has just called for. Nothing may come between the two.
func (m *Machine) Began() (start Start) {
	switch {
	case m.restart:
		m.forgetFailures()
	case m.trigger:
		start.Triggered = true
	}
	if m.plan == planTick && m.takesTick() {
		m.ticks.last = m.ticks.upcoming
	}
	if m.ticks != nil {
		if m.ticks.counted.IsZero() { // the run began before the schedule was asked
			m.ticks.counted = later(m.ticks.looked, m.ticks.origin)
		}
		m.ticks.covered, m.ticks.makesUp = m.ticks.looked, false
	}
	if m.score != nil {
		m.score.until = zeroTime
	}
	m.restart, m.trigger, m.awaitsPredecessors, m.wasHeld, m.deferred = false, false, false, false, false
	m.running, m.status, m.question = true, Running, askNothing
	m.Runs++
	if m.retrying && m.failures > 0 {
		m.Restarts++
	}
	start.Attempt = int(m.failures) + 1
	return start
}

// Status is the status to show.
func (m *Machine) Status() Status { return m.status }

// IsRunning tells whether a run is under way.
func (m *Machine) IsRunning() bool { return m.running }

// HasExited tells whether Next answered Exit, and nothing began a new life since.
func (m *Machine) HasExited() bool { return m.exited }

// IsStopping tells whether Stop was called.
func (m *Machine) IsStopping() bool { return m.stopping }

// IsScaledDown tells whether the replica was scaled down.
func (m *Machine) IsScaledDown() bool { return m.scaledDown }

// IsHeld tells whether the replica waits for another member of its group.
func (m *Machine) IsHeld() bool { return m.held }

// AwaitsPredecessors tells whether the next run waits for the workers that the replica comes after.
func (m *Machine) AwaitsPredecessors() bool { return m.awaitsPredecessors }

// IsAsking tells whether the user's schedule or backoff has to be asked: see Question. The schedule need not be asked before
// a run that was asked for.
func (m *Machine) IsAsking() bool {
	return m.question == askBackoff || m.question == askSchedule && !m.trigger && !m.restart
}

// HasFailed tells whether no run follows as the last attempt failed, or as the group failed.
func (m *Machine) HasFailed() bool { return m.status == Error || m.status == Stopped && !m.stopping }

// IsReady tells whether the replica can do its work now, as far as anybody expects it to. calledReady tells whether its run
// called Ready.
func (m *Machine) IsReady(calledReady bool) bool {
	p := m.policy
	switch {
	case m.scaledDown, m.status == Paused, m.status == Success:
		return true
	case m.HasFailed(), m.status == Pending, m.wasHeld:
		return false
	case p.CallsReady && m.running && calledReady:
		return true
	case p.Scheduled && !p.StartImmediately:
		return !p.CallsReady || !m.failing
	case !p.CallsReady:
		return m.Runs > 0
	}
	return p.Scheduled && m.Successes > 0 && !m.failing
}
