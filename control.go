package workerfx

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/workerfx/workerfx/internal/lifecycle"
	"github.com/workerfx/workerfx/internal/nilcheck"
	"github.com/workerfx/workerfx/internal/text"
)

// Pause lets no run of the worker begin until [Pool.Resume]. The current runs go on. A body that handles many jobs
// in one run, such as [Loop], ends after its current job. Pause does not wait. It fails with [ErrUnknownWorker],
// [ErrNotStarted] or [ErrPoolStopped], as all commands do.
func (p *Pool) Pause(name string) error {
	return command(p, "pause", name, func(e *entry) error {
		e.paused = true
		for r := range e.replicas() {
			r.machine.Pause()
			if r.machine.IsRunning() {
				r.run.drain()
			} else {
				r.wake()
			}
		}
		return nil
	})
}

// Resume ends a pause. A schedule goes on with its next tick.
func (p *Pool) Resume(name string) error {
	return command(p, "resume", name, func(e *entry) error {
		if e.wanted == 0 {
			return errNoReplicas
		}
		e.paused = false
		for r := range e.replicas() {
			r.machine.Resume()
			r.wake()
		}
		return nil
	})
}

// Trigger runs a worker now that waits for its next tick, its next attempt or its deferred start. A worker with a
// schedule that is running runs once more after its run. The schedule does not move. Trigger fails if the worker is
// paused or done.
func (p *Pool) Trigger(name string) error {
	return command(p, "trigger", name, func(e *entry) error {
		triggered := false
		for r := range e.replicas() {
			if r.machine.Trigger() {
				triggered = true
				r.wake()
			}
		}
		if !triggered {
			return noWait(e.first.machine.Status())
		}
		return nil
	})
}

// noWait says why there is no wait to end.
func noWait(status lifecycle.Status) error {
	switch {
	case status.Done():
		return fmt.Errorf("it has ended (%v), there is no wait to end: Restart runs it again", Status(status))
	case status == lifecycle.Running:
		return errors.New("it is running already, there is no wait to end")
	}
	return fmt.Errorf("it is %v, there is no wait to end", Status(status))
}

// Reschedule gives a worker with a schedule another one, from its next wait on. The current runs go on. A replica that waits
// for a tick waits for the next tick of the new schedule instead. A worker that is done, such as after a panic of its
// schedule, stays so until [Pool.Restart]. Reschedule fails if the worker has no schedule, or if the new one is nil, and for
// the reasons of all commands.
func (p *Pool) Reschedule(name string, schedule Schedule) error {
	return command(p, "reschedule", name, func(e *entry) error {
		switch {
		case nilcheck.IsNil(schedule):
			return errors.New("the schedule is nil")
		case !e.policy.Scheduled:
			return errors.New("it has no schedule: begin with WithInterval, WithCron or WithSchedule")
		}
		changed := *e.settings
		changed.schedule = schedule
		changed.noteSource(e.settings, SourceCommand)
		changed.resolve()
		e.rescheduled = &changed
		now := time.Now()
		for r := range e.replicas() {
			r.machine.Reschedule(&changed.policy, now)
			r.wake()
		}
		return nil
	})
}

// Restart ends the worker's current runs and begins new ones, with a count of failures of 0. A worker that is done
// runs again. Restart waits until the old runs have ended: a worker must not call it for itself. If they do not end within
// the stop timeout (15s if there is none), a *[StopError] names them. The new runs begin when the old ones have ended.
// Replicas that were scaled down do not restart.
func (p *Pool) Restart(name string) error {
	var worker *entry
	var ending []runEnding
	var effects sideEffects
	err := command(p, "restart", name, func(e *entry) error {
		if e.wanted == 0 {
			return errNoReplicas
		}
		worker = e
		for r := range e.replicas() {
			if over := restart(r, &effects); over != nil {
				ending = append(ending, runEnding{straggler{r, r.runID()}, over})
			}
		}
		return nil
	})
	effects.perform()
	if err != nil {
		return err
	}
	ctx, cancel := boundedStop(context.Background(), worker)
	defer cancel()
	if stop := stopErrorAbout(awaitAll(ctx, ending)); stop != nil {
		return fmt.Errorf("worker %q: restart: %w", name, stop)
	}
	return nil
}

// restart ends a replica's run or its wait, and makes it run again. It returns a channel that is closed when the
// current run is over, or nil if there is no run. The pool's lock is held.
func restart(r *replica, effects *sideEffects) (over <-chan struct{}) {
	if r.machine.IsScaledDown() {
		return nil
	}
	r.note(eventRestarted, "", time.Now())
	if r.machine.HasExited() {
		r.revive()
		return nil
	}
	r.machine.Restart()
	if !r.machine.IsRunning() {
		r.wake()
		return nil
	}
	r.run.stop(effects)
	if r.runOver == nil {
		r.runOver = make(chan struct{})
	}
	return r.runOver
}

// runEnding is a run that was asked to end.
type runEnding struct {
	straggler

	over <-chan struct{}
}

// awaitAll waits for the end of runs. It returns the replicas whose run is not over when ctx ends.
func awaitAll(ctx context.Context, ending []runEnding) (stuck []straggler) {
	for _, e := range ending {
		select {
		case <-e.over:
			continue
		case <-ctx.Done():
		}
		select {
		case <-e.over:
		default:
			stuck = append(stuck, e.straggler)
		}
	}
	return stuck
}

// Note adds an event to the report of a worker's first replica, such as "restarted by alice", and writes it to the log.
// With an empty name it only writes to the log. The event's message begins with [EventNoted]; a long text is cut. Note
// changes nothing else, and may be called before the pool's start and after its stop. It fails with [ErrUnknownWorker].
func (p *Pool) Note(name, message string) error {
	message = text.Cut(message, text.MaxText)
	if name != "" {
		e, err := findEntry(p, name)
		if err != nil {
			return err
		}
		p.mu.Lock()
		e.first.note(eventNoted, message, time.Now())
		p.mu.Unlock()
	}
	p.log.noted(name, message)
	return nil
}

// command carries out a command for a worker of a pool that is started, with the pool's lock held.
func command(p *Pool, call, name string, do func(*entry) error) error {
	e, err := findEntry(p, name)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.phase == phaseNew:
		err = ErrNotStarted
	case p.phase == phaseStopped:
		err = ErrPoolStopped
	case e.removed:
		err = errRemoved
	default:
		err = do(e)
	}
	if err != nil {
		return fmt.Errorf("worker %q: %s: %w", name, call, err)
	}
	return nil
}

// errNoReplicas answers commands that need a replica.
var errNoReplicas = fmt.Errorf("it is scaled down to no replica: scale it up")

// errRemoved answers commands for a worker that was removed and has not ended yet.
var errRemoved = fmt.Errorf("%w, it was removed", ErrUnknownWorker)
