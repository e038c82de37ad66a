package lifecycle

import "time"

// Stop lets no run begin any more.
func (m *Machine) Stop() { m.stopping = true }

// Pause lets no run begin until Resume. The run under way goes on.
func (m *Machine) Pause() { m.paused = true }

// Resume takes a pause back.
func (m *Machine) Resume() { m.paused = false }

// ScaleDown lets no run begin, and ends the replica's goroutine.
func (m *Machine) ScaleDown() { m.scaledDown = true }

// ScaleUp takes ScaleDown back. It tells whether the replica needs a new goroutine.
func (m *Machine) ScaleUp() (needsGoroutine bool) {
	needsGoroutine = m.scaledDown && m.exited && !m.stopping
	m.scaledDown = false
	if needsGoroutine {
		m.reset()
		if m.policy.Scheduled && m.Runs > 0 { // as after a pause
			m.planTick()
		}
	}
	return needsGoroutine
}

// Revive begins a new life of a replica that has exited. It tells whether it did: then the replica needs a goroutine.
func (m *Machine) Revive() bool {
	if !m.exited || m.stopping || m.scaledDown {
		return false
	}
	m.reset()
	if m.ticks != nil { // no tick was missed while it was done
		m.ticks.counted = zeroTime
	}
	return true
}

// Restart makes the next run begin at once and without failures. A run under way has to end for it. It has no effect
// on a replica that was scaled down, or that has exited: see Revive.
func (m *Machine) Restart() {
	if !m.exited && !m.scaledDown {
		m.restart = true
	}
}

// Trigger makes a waiting replica run now, and a running one with a schedule once more after its run. It tells whether
// it does.
func (m *Machine) Trigger() bool {
	waits := m.status == Waiting || m.status == Deferred || m.running && m.policy.Scheduled
	ok := waits && !m.exited && !(m.stopping || m.scaledDown || m.groupStopped || m.paused || m.held)
	m.trigger = m.trigger || ok
	return ok
}

// Reschedule takes a policy with another schedule. A replica that waits for a tick waits for that of the new schedule. It
// tells whether there was a schedule before.
func (m *Machine) Reschedule(policy *Policy, now time.Time) bool {
	if !m.policy.Scheduled {
		return false
	}
	m.policy, m.rescheduled = policy, true
	if m.ticks != nil {
		origin := later(now, m.ticks.origin)
		m.ticks = &ticks{origin: origin, counted: origin, covered: origin}
	}
	if m.plan == planTick && !m.running {
		m.planTick()
	}
	return true
}

// Hold makes the replica wait for another member of its group. A run under way has to end for it.
func (m *Machine) Hold() {
	if !m.exited {
		m.held, m.wasHeld = true, true
	}
}

// Release ends a hold. The replica starts again, after the workers that it comes after. Its backoff goes on only
// if its own failure still stands in the group.
func (m *Machine) Release(ownFailure bool) {
	if !m.held {
		return
	}
	m.held = false
	if m.running || m.exited {
		return
	}
	m.awaitsPredecessors = m.policy.ComesAfter
	switch {
	case m.plan == planTick:
		m.wasHeld = false
		m.planTick()
	case m.plan == planFirst && m.policy.Scheduled && !m.policy.StartImmediately:
		m.wasHeld = false
	case m.plan == planRetry && !ownFailure:
		m.runAtOnce()
	}
}

// StopGroup lets no run begin until Restart or Revive. A run under way has to end for it.
func (m *Machine) StopGroup() {
	if !m.exited {
		m.groupStopped, m.held = true, false
	}
}

// AwaitPredecessorsAgain makes the replica, which is about to run, wait for the workers that it comes after. It tells whether there
// are any.
func (m *Machine) AwaitPredecessorsAgain() bool {
	if !m.policy.ComesAfter {
		return false
	}
	m.awaitsPredecessors = true
	m.runAtOnce()
	return true
}

// reset begins a new life.
func (m *Machine) reset() {
	m.forgetFailures()
	m.restart, m.trigger, m.groupStopped, m.held, m.exited, m.deferred = false, false, false, false, false, false
	m.awaitsPredecessors = m.policy.ComesAfter
	m.status = Pending
	m.plan = planFirst
	m.question = askNothing
	if m.Runs > 0 {
		m.runAtOnce()
	}
}

// runAtOnce plans the next run for now.
func (m *Machine) runAtOnce() { m.plan, m.question, m.due = planRun, askNothing, zeroTime }

func (m *Machine) forgetFailures() { m.failures, m.score = 0, nil }
