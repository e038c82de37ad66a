package workerfx

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// StuckPolicy says what happens to a run that is stuck.
type StuckPolicy int

const (
	// ReportStuck only reports the run. It is the default.
	ReportStuck StuckPolicy = iota
	// RestartStuck ends the run's context with a cause that wraps [ErrStuck]. When the run has ended, it counts as
	// a failed attempt and the worker is run again, also if it has only one attempt.
	RestartStuck
)

// WithHeartbeat makes a run stuck that does not call [Heartbeat] at least every d. [Pool.Health] reports a stuck
// run with an error that wraps [ErrStuck]. The run also has an event and the metric worker_stuck, and its stack is
// logged, once until it recovers. In bodies that handle jobs, such as [Loop], the end of a job is a heartbeat, and
// a wait for a job needs none. A run that goes on after its [WithRunTimeout] is reported as stuck, too; the policy
// is not for it. The default is 0: no heartbeat is expected. The default policy is
// [ReportStuck]. If more than one is given, the last one counts.
func WithHeartbeat(d time.Duration, policy ...StuckPolicy) Option {
	return func(s *settings) {
		s.heartbeat, s.stuckPolicy = d, ReportStuck
		for _, p := range policy {
			s.stuckPolicy = p
		}
	}
}

// Heartbeat says that the run that ctx belongs to makes progress: see [WithHeartbeat]. It costs little more than to
// read the clock, and may be called from many goroutines. Without WithHeartbeat and outside of a run it has no
// effect.
func Heartbeat(ctx context.Context) {
	if r := runOf(ctx); r != nil && r.watchdog != nil {
		r.watchdog.touch()
	}
}

// Standby says that the run that ctx belongs to waits for its turn, such as for a lock. Until end is called, the
// run is ready ([WithReadiness]) and needs no [Heartbeat]. Outside of a run it has no effect.
func Standby(ctx context.Context) (end func()) {
	r := runOf(ctx)
	if r == nil {
		return func() {}
	}
	mu := &r.replica.pool.mu
	mu.Lock()
	defer mu.Unlock()
	if r.over {
		return func() {}
	}
	r.watchdog.addIdle(1)
	r.part().standby++
	r.replica.changed()
	return sync.OnceFunc(func() {
		mu.Lock()
		defer mu.Unlock()
		r.parts.standby--
		r.watchdog.addIdle(-1)
	})
}

// watchdog notices when a run is stuck. Its methods may be called on nil, and do nothing then. The pool's lock guards the
// fields that are not atomic.
type watchdog struct {
	run   *run
	start time.Time

	touched atomic.Int64 // the last heartbeat, as time since start
	idle    atomic.Int32 // how many goroutines of the run wait for a job or a lock; no heartbeat is expected meanwhile
	alarm   atomic.Bool  // the run is stuck; set with the lock held

	timer    *time.Timer
	timedOut bool // the run's timeout has passed: a heartbeat does not help any more
}

// newWatchdog returns the watchdog of a run that begins, or nil if the worker has neither heartbeat nor run timeout.
func newWatchdog(r *run, now time.Time) *watchdog {
	if r.replica.heartbeat == 0 && r.replica.runTimeout == 0 {
		return nil
	}
	w := &watchdog{run: r, start: now}
	w.timer = time.AfterFunc(w.nextCheck(), w.check)
	return w
}

// forever means that nothing is due.
const forever = time.Duration(1<<63 - 1)

// touch records a heartbeat.
func (w *watchdog) touch() {
	w.touched.Store(int64(time.Since(w.start)))
	if w.alarm.Load() {
		w.clearAlarm()
	}
}

// beginIdle begins a time in which no heartbeat is expected: a goroutine of the run waits. endIdle ends that time.
func (w *watchdog) beginIdle() {
	if w != nil {
		w.touch()
		w.idle.Add(1)
	}
}

func (w *watchdog) endIdle() {
	if w != nil {
		w.touch()
		mu := &w.run.replica.pool.mu
		mu.Lock()
		defer mu.Unlock()
		w.addIdle(-1)
	}
}

// addIdle changes the number of goroutines of the run that wait. That is a heartbeat, too. The pool's lock is held.
func (w *watchdog) addIdle(change int32) {
	if w == nil {
		return
	}
	w.touched.Store(int64(time.Since(w.start)))
	if w.alarm.Load() {
		w.clearAlarmLocked()
	}
	w.idle.Add(change)
	if change < 0 && !w.run.over {
		w.timer.Reset(w.nextCheck())
	}
}

// end stops the watchdog, after the end of the run and its children. The pool's lock is held.
func (w *watchdog) end() {
	if w != nil {
		w.timer.Stop()
	}
}

// untilSilent is how long the run may still go on without a heartbeat.
func (w *watchdog) untilSilent() time.Duration {
	heartbeat := w.run.replica.heartbeat
	if heartbeat == 0 || w.idle.Load() > 0 || w.alarm.Load() || w.run.over {
		return forever
	}
	return time.Duration(w.touched.Load()) + heartbeat - time.Since(w.start)
}

// untilTimedOut is how long the run may still go on before its run timeout makes it stuck.
func (w *watchdog) untilTimedOut() time.Duration {
	timeout := w.run.replica.runTimeout
	if timeout == 0 || w.timedOut {
		return forever
	}
	grace := min(max(timeout/10, 100*time.Millisecond), time.Second) // the run's time to notice the end of its context
	return min(timeout-time.Since(w.start), forever-grace) + grace   // without overflow
}

// nextCheck is the time until the run may be stuck.
func (w *watchdog) nextCheck() time.Duration { return min(w.untilSilent(), w.untilTimedOut()) }

// check is called by the timer when the run may be stuck. It reports a run that is.
func (w *watchdog) check() {
	mu := &w.run.replica.pool.mu
	mu.Lock()
	silent, err := w.assess()
	mu.Unlock()
	if err == nil {
		return
	}
	stack := sharedStacks.Stack(w.run.id) // while it still hangs
	if !w.alarm.Load() {                  // a heartbeat has come meanwhile
		return
	}
	if silent && w.run.replica.stuckPolicy == RestartStuck {
		w.run.fail(err)
	}
	w.run.replica.pool.log.stuck(w.run, err, stack)
}

// assess returns an error if the run has become stuck, and whether that is because a heartbeat is missing. If the run was
// stuck before, it only updates the record. The pool's lock is held.
func (w *watchdog) assess() (silent bool, err error) {
	r := w.run.replica
	if !w.run.isCurrent() {
		return false, nil
	}
	since := w.start
	switch {
	case w.untilTimedOut() <= 0:
		w.timedOut = true
		err = fmt.Errorf("%w: still running after its run timeout of %v", ErrStuck, r.runTimeout)
	case w.untilSilent() <= 0:
		silent = true
		since = since.Add(time.Duration(w.touched.Load()))
		err = fmt.Errorf("%w: no heartbeat for %v", ErrStuck, r.heartbeat)
	}
	if err != nil {
		known := w.alarm.Swap(true)
		if !known {
			r.note(eventStuck, err.Error(), time.Now())
		}
		r.needHistory().stuck = &stuck{since: instantOf(since), err: err}
		if known {
			err = nil
		}
	}
	if next := w.nextCheck(); next < forever {
		w.timer.Reset(next)
	}
	return silent, err
}

// clearAlarm takes the alarm back after a heartbeat.
func (w *watchdog) clearAlarm() {
	mu := &w.run.replica.pool.mu
	mu.Lock()
	defer mu.Unlock()
	w.clearAlarmLocked()
}

// clearAlarmLocked takes the alarm back, unless the run has to end anyway. The pool's lock is held.
func (w *watchdog) clearAlarmLocked() {
	if !w.run.isCurrent() || w.timedOut || !w.alarm.Load() || w.run.Err() != nil {
		return
	}
	w.alarm.Store(false)
	w.run.replica.note(eventRecovered, "", time.Now())
	w.run.replica.needHistory().stuck = nil
	w.timer.Reset(w.nextCheck())
}

func (s *settings) validateHeartbeat(add addError) {
	if s.heartbeat < 0 {
		add("heartbeat", s.heartbeat, "must not be negative")
	}
	if s.stuckPolicy != ReportStuck && s.stuckPolicy != RestartStuck {
		add("heartbeat policy", int(s.stuckPolicy), "must be ReportStuck or RestartStuck")
	}
}
