package workerfx

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// StuckPolicy says what becomes of a run that is stuck.
type StuckPolicy int

const (
	// ReportStuck leaves the run alone. It is the default.
	ReportStuck StuckPolicy = iota
	// RestartStuck ends the run's context with a cause that wraps [ErrStuck], and runs the worker again once
	// the run has ended. It counts as a failed attempt; a worker whose limit is one attempt has another all the same.
	RestartStuck
)

// WithHeartbeat expects each run to call [Heartbeat] at least every d. A run that does not is stuck: it shows
// in [Pool.Health] (an error that wraps [ErrStuck]), as an event, in the metric worker_stuck, and is logged with its
// stack, once until it recovers. In bodies that handle jobs, such as [Loop], the end of a job is a heartbeat, and nothing
// is expected while they wait for one. The default, 0, expects none. A run that goes on after its [WithRunTimeout]
// passed is stuck, too, in all but the policy.
func WithHeartbeat(d time.Duration, policy ...StuckPolicy) Option {
	return func(s *settings) {
		s.heartbeat, s.stuckPolicy = d, ReportStuck
		for _, p := range policy {
			s.stuckPolicy = p
		}
	}
}

// Heartbeat is a sign of life of the run that ctx belongs to: see [WithHeartbeat]. It costs little more than
// looking at the clock, and may be called from many goroutines. It has no effect elsewhere.
func Heartbeat(ctx context.Context) {
	if run := runOf(ctx); run != nil && run.watch != nil {
		run.watch.touch()
	}
}

// Standby says that the run that ctx belongs to waits for its turn, for a lock perhaps: until end is called,
// it counts as ready ([WithReadiness]) and needs no [Heartbeat]. Outside of a run it has no effect.
func Standby(ctx context.Context) (end func()) {
	run := runOf(ctx)
	if run == nil {
		return func() {}
	}
	t := run.tied()
	if t == noTies { // it is over
		return func() {}
	}
	run.watch.rest()
	t.standby.Add(1)
	run.s.changed()
	return sync.OnceFunc(func() {
		t.standby.Add(-1)
		run.watch.work()
	})
}

// watch looks after a run that is to give signs of life, or to end in time. A nil watch does not.
type watch struct {
	run   *runContext
	start time.Time

	touched atomic.Int64 // the last sign of life, as time since start
	resting atomic.Int32 // how many in the run wait for something to do

	alarm atomic.Bool // the run is stuck; set with mu held

	mu    sync.Mutex // guards the fields below
	timer *time.Timer
	over  bool // so is the run
	late  bool // its timeout passed, which no sign of life mends
}

// newWatch returns a watch over a run that begins, or nil if nothing is expected of it.
func newWatch(run *runContext, now time.Time) *watch {
	if run.s.heartbeat == 0 && run.s.runTimeout == 0 {
		return nil
	}
	w := &watch{run: run, start: now}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer = time.AfterFunc(w.nextLook(), w.look)
	return w
}

// forever is longer than any watch waits.
const forever = time.Duration(1<<63 - 1)

// touch is a sign of life.
func (w *watch) touch() {
	w.touched.Store(int64(time.Since(w.start)))
	if w.alarm.Load() {
		w.recover()
	}
}

// rest begins, and work ends, a time in which no sign of life is expected.
func (w *watch) rest() {
	if w != nil {
		w.touch()
		w.resting.Add(1)
	}
}

func (w *watch) work() {
	if w == nil {
		return
	}
	w.touch()
	w.resting.Add(-1)
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.over {
		w.timer.Reset(w.nextLook())
	}
}

// end is called when the run is over.
func (w *watch) end() {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.over = true
	w.timer.Stop()
}

// silenceLeft is how long the run may go on without a sign of life, or forever. w.mu is held.
func (w *watch) silenceLeft() time.Duration {
	if w.run.s.heartbeat == 0 || w.resting.Load() > 0 || w.alarm.Load() {
		return forever
	}
	return time.Duration(w.touched.Load()) + w.run.s.heartbeat - time.Since(w.start)
}

// timeLeft is how long the run may go on at all, or forever. w.mu is held.
func (w *watch) timeLeft() time.Duration {
	timeout := w.run.s.runTimeout
	if timeout == 0 || w.late {
		return forever
	}
	grace := min(max(timeout/10, 100*time.Millisecond), time.Second) // to heed the end of its context
	return min(timeout-time.Since(w.start), forever-grace) + grace   // which may be too long to count
}

// nextLook is when the run may be stuck. w.mu is held.
func (w *watch) nextLook() time.Duration { return min(w.silenceLeft(), w.timeLeft()) }

// look is called when the run may be stuck.
func (w *watch) look() {
	silent, err := w.assess()
	if err == nil {
		return
	}
	stack := sharedStacks.of(w.run.id) // while it still hangs
	if silent && w.run.s.stuckPolicy == RestartStuck {
		w.run.fail(err)
	}
	w.run.s.pool.journal.stuck(w.run, err, stack) // without the lock: the log sink is the user's code
}

// assess returns an error if the run has become stuck, and whether that is for want of a heartbeat. One that
// is stuck already may be so for another reason now, which only its report tells.
func (w *watch) assess() (silent bool, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over {
		return false, nil
	}
	since := w.start
	switch {
	case w.timeLeft() <= 0:
		w.late = true
		err = fmt.Errorf("%w: still running after its run timeout of %v", ErrStuck, w.run.s.runTimeout)
	case w.silenceLeft() <= 0:
		silent = true
		since = since.Add(time.Duration(w.touched.Load()))
		err = fmt.Errorf("%w: no heartbeat for %v", ErrStuck, w.run.s.heartbeat)
	}
	if err != nil {
		known := w.alarm.Swap(true)
		w.run.reportStuck(since, err, known)
		if known {
			err = nil
		}
	}
	if next := w.nextLook(); next < forever {
		w.timer.Reset(next)
	}
	return silent, err
}

// recover reports that the run is not stuck any more.
func (w *watch) recover() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over || w.late || !w.alarm.Load() || w.run.Err() != nil {
		return
	}
	w.alarm.Store(false)
	w.run.reportRecovered()
	w.timer.Reset(w.nextLook())
}

// orHung returns the outcome of a run whose context ended because it was stuck: however it ended then, with
// an error of its own or with none, it did not do what it was for and is to be run again. What it returns to
// say that there is to be no other run still says so.
func (o outcome) orHung(run *runContext) outcome {
	life := run.life.Load()
	if life == nil || o.kind != succeeded && o.kind != obeyed && o.kind != failed {
		return o
	}
	cause := context.Cause(life)
	if !errors.Is(cause, ErrStuck) {
		return o
	}
	o.broke = o.kind == failed
	o.kind = hung
	if o.err == nil || o.err == cause { //nolint:errorlint // to open the error is to call the user's code
		o.err, o.text = cause, cause.Error()
		return o
	}
	o.err = &hungError{cause, o.err, fmt.Sprintf("%v; then it ended with: %s", cause, o.text)}
	o.text = o.err.Error()
	return o
}

// whenAsked returns the outcome of a run that was asked to end as well: then an error of its own counts as any
// other does, which nobody may overlook.
func (o outcome) whenAsked() outcome {
	if o.broke {
		o.kind = failed
	}
	return o
}

// hungError is the error of a run that was stuck and ended with an error of its own.
type hungError struct {
	cause, err error
	text       string
}

func (e *hungError) Error() string   { return e.text }
func (e *hungError) Unwrap() []error { return []error{e.cause, e.err} }

func (s *settings) validateHeartbeat(worker string, errs *[]error) {
	if s.heartbeat < 0 {
		*errs = append(*errs, badValue(worker, "heartbeat", s.heartbeat, "must not be negative"))
	}
	if s.stuckPolicy != ReportStuck && s.stuckPolicy != RestartStuck {
		*errs = append(*errs, badValue(worker, "heartbeat policy", int(s.stuckPolicy), "must be ReportStuck or RestartStuck"))
	}
}
