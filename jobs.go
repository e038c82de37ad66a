package workerfx

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"
)

// jobLoop is one run of a body that handles many jobs.
type jobLoop struct {
	ctx      context.Context
	run      *run // nil outside of a pool
	stop     <-chan struct{}
	drain    <-chan struct{} // nil outside of a pool
	parts    *parts          // nil outside of a pool
	counts   *jobCounts
	watchdog *watchdog // nil if no heartbeat is expected
	open     int64     // jobs that began and are not counted yet
	release  func()    // frees what jobContext took; nil for nothing
}

// jobCounts counts the jobs of one replica. The goroutine of the run writes, others read.
type jobCounts struct{ succeeded, failed atomic.Int64 }

func newJobLoop(ctx context.Context) *jobLoop {
	l := &jobLoop{ctx: ctx, run: runOf(ctx), stop: ctx.Done(), counts: new(jobCounts)}
	if l.run == nil {
		return l
	}
	r := l.run.replica
	r.pool.mu.Lock()
	defer r.pool.mu.Unlock()
	l.drain = l.run.listen(func(p *parts) { p.endsAfterJob, p.unhandled = true, 0 })
	l.parts = l.run.part()
	l.counts = jobCountsOf(r)
	if r.heartbeat > 0 {
		l.watchdog = l.run.watchdog
	}
	return l
}

// jobCountsOf returns where the jobs of a replica's body are counted. The pool's lock is held.
func jobCountsOf(r *replica) *jobCounts {
	h := r.needHistory()
	if h.jobs == nil {
		h.jobs = new(jobCounts)
	}
	return h.jobs
}

// replica is the replica of the run, or nil outside of a pool.
func (l *jobLoop) replica() *replica {
	if l.run == nil {
		return nil
	}
	return l.run.replica
}

// over tells whether the body has to end.
func (l *jobLoop) over() bool {
	select {
	case <-l.stop:
		return true
	default:
	}
	return l.parts != nil && l.parts.drained.Load()
}

// endError is what a body returns that ends because it has to.
func (l *jobLoop) endError() error {
	if err := context.Cause(l.ctx); err != nil {
		return err
	}
	return ErrStopping
}

// began notes that n jobs begin.
func (l *jobLoop) began(n int) {
	l.open = int64(n)
	l.beat()
}

// beat is a heartbeat, where one is expected.
func (l *jobLoop) beat() {
	if l.watchdog != nil {
		l.watchdog.touch()
	}
}

// succeeded counts the open jobs as done.
func (l *jobLoop) succeeded() {
	l.counts.succeeded.Add(l.open)
	l.open = 0
}

// failed returns the error of a job. The job succeeded if that is the bare ErrDoNotRestart. It does not count if it
// skipped or obeyed.
func (l *jobLoop) failed(err error) error {
	switch {
	case err == ErrDoNotRestart: //nolint:errorlint // see above
		l.succeeded()
	case errors.Is(err, ErrSkip), isEndOf(l.ctx, err):
		l.open = 0
	}
	return err
}

// end counts the job that ended the run, if one did, and frees what jobContext took. Middleware around the body may
// go on: it learns from its context that it has to end.
func (l *jobLoop) end() {
	l.counts.failed.Add(l.open)
	if l.run != nil {
		var effects sideEffects
		mu := &l.run.replica.pool.mu
		mu.Lock()
		l.parts.endsAfterJob = false
		if l.parts.drained.Load() && !l.parts.calledDraining && !l.run.over {
			l.run.stop(&effects)
		}
		mu.Unlock()
		effects.perform()
	}
	if l.release != nil {
		l.release()
	}
}

// keep sets where the body keeps the items that a failed attempt leaves.
func (l *jobLoop) keep(d redelivery) {
	if l.run != nil {
		mu := &l.run.replica.pool.mu
		mu.Lock()
		defer mu.Unlock()
		l.run.replica.entry.first.needHistory().items = d
		if !slices.Contains(l.parts.bodies, d) {
			l.parts.bodies = append(l.parts.bodies, d)
		}
	}
}

// leaveUnhandled notes that n items are left for the next attempt.
func (l *jobLoop) leaveUnhandled(n int) {
	if l.run != nil {
		mu := &l.run.replica.pool.mu
		mu.Lock()
		defer mu.Unlock()
		l.parts.unhandled = n
	}
}

// jobContext returns the context of the jobs. It is that of the run, but it does not end when the worker is asked
// to stop. It ends with the run, and at the latest when no one waits for the worker any more.
func (l *jobLoop) jobContext() context.Context {
	if l.run == nil {
		return context.WithoutCancel(l.ctx)
	}
	r := l.run.replica
	hard, cancel := context.WithCancelCause(r.pool.jobsCtx)
	stopTimer := func() {}
	if end, bounded := l.run.Deadline(); bounded {
		hard, stopTimer = context.WithDeadlineCause(hard, end, runTimeoutError(r.runTimeout))
	}
	unlink := context.AfterFunc(l.ctx, func() {
		if context.Cause(l.ctx) != ErrStopping { //nolint:errorlint // errors.Is would call the user's code
			cancel(context.Cause(l.ctx))
			return
		}
		if d, bounded := timeToStop(r); bounded {
			timer := time.AfterFunc(d, func() { cancel(ErrStopping) })
			context.AfterFunc(hard, func() { timer.Stop() })
		}
	})
	l.release = func() {
		unlink()
		stopTimer()
		cancel(context.Canceled)
	}
	return &outlivingContext{Context: hard, values: l.ctx}
}

// outlivingContext has the values of a run and an end of its own.
type outlivingContext struct {
	context.Context

	values context.Context
}

func (c *outlivingContext) Value(key any) any {
	if key == cancelKey {
		return c.Context.Value(key)
	}
	return c.values.Value(key)
}

// timeToStop is how long the jobs of a run that was asked to end may go on: a little less than others wait for it. If the
// pool stops and the worker has no stop timeout, there is no limit here: the pool ends the jobs.
func timeToStop(r *replica) (d time.Duration, bounded bool) {
	r.pool.mu.Lock()
	defer r.pool.mu.Unlock()
	switch {
	case r.stopTimeout > 0:
		return stopTimeLeft(r, time.Now()) - reserve(r.stopTimeout), true
	case r.pool.phase == phaseStopped:
		return 0, false
	}
	d = r.pool.config.stopTimeout()
	return d - reserve(d), true
}
