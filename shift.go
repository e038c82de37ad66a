package workerfx

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// shift is one run of a body that handles many jobs.
type shift struct {
	ctx     context.Context
	run     *runContext // nil outside of a pool
	stop    <-chan struct{}
	drain   <-chan struct{} // nil outside of a pool
	ties    *ties           // nil outside of a pool
	counts  *jobCounts
	watch   *watch // nil if no heartbeat is expected
	open    int64  // jobs handed out whose end is not counted yet
	release func()
}

// jobCounts are the jobs of one replica. Its own goroutine counts, others read.
type jobCounts struct{ succeeded, failed atomic.Int64 }

func shiftOf(ctx context.Context) *shift {
	s := &shift{ctx: ctx, run: runOf(ctx), stop: ctx.Done(), counts: new(jobCounts)}
	if s.run != nil {
		s.ties = s.run.tied()
		s.drain = s.run.heedDrain()
		s.counts = s.run.s.jobCounts()
		if s.run.s.heartbeat > 0 {
			s.watch = s.run.watch
		}
	}
	return s
}

// over tells whether the body is to end.
func (s *shift) over() bool {
	select {
	case <-s.stop:
		return true
	default:
	}
	return s.run != nil && s.ties.drained.Load()
}

// why is what the body returns when it ends because it is to.
func (s *shift) why() error {
	if err := context.Cause(s.ctx); err != nil {
		return err
	}
	return ErrStopping
}

// began notes that n jobs were handed out.
func (s *shift) began(n int) {
	s.open = int64(n)
	s.beat()
}

// beat is a heartbeat, where one is expected.
func (s *shift) beat() {
	if s.watch != nil {
		s.watch.touch()
	}
}

// succeeded counts those jobs as done.
func (s *shift) succeeded() {
	s.counts.succeeded.Add(s.open)
	s.open = 0
}

// failed passes on the error of a job. The job did well if that is just ErrDoNotRestart, and counts as
// neither if it skipped or obeyed.
func (s *shift) failed(err error) error {
	over := s.ctx.Err()
	switch {
	case err == ErrDoNotRestart: //nolint:errorlint // see above
		s.succeeded()
	case errors.Is(err, ErrSkip), over != nil && (errors.Is(err, over) || errors.Is(err, context.Cause(s.ctx))):
		s.open = 0
	}
	return err
}

// end counts the job that ended the run, if one did, and frees what outliving took.
func (s *shift) end() {
	s.counts.failed.Add(s.open)
	if s.run != nil {
		s.run.unheedDrain()
	}
	if s.release != nil {
		s.release()
	}
}

// shares notes where the body keeps what a failed attempt had in hand.
func (s *shift) shares(h hands) {
	if s.run != nil {
		s.ties.mu.Lock()
		defer s.ties.mu.Unlock()
		s.ties.hands = h
	}
}

// leaves notes that n items are in the body's hand for its next run.
func (s *shift) leaves(n int) {
	if s.run != nil {
		s.ties.mu.Lock()
		defer s.ties.mu.Unlock()
		s.ties.waiting = n
	}
}

// outliving returns the context of the jobs: that of the run, but it does not end with the order to
// stop. It ends when the run does, at the latest once nobody waits for the worker any more.
func (s *shift) outliving() context.Context {
	if s.run == nil {
		return context.WithoutCancel(s.ctx)
	}
	hard, cancel := context.WithCancelCause(s.run.s.pool.patience)
	stopTimer := func() {}
	if deadline, bounded := s.run.Deadline(); bounded { // of the run, also once it was asked to stop
		hard, stopTimer = context.WithDeadlineCause(hard, deadline, runTimeoutError(s.run.s.runTimeout))
	}
	unlink := context.AfterFunc(s.ctx, func() {
		if !errors.Is(context.Cause(s.ctx), ErrStopping) {
			cancel(context.Cause(s.ctx))
			return
		}
		if d, bounded := s.run.s.timeToStop(); bounded {
			timer := time.AfterFunc(d, func() { cancel(ErrStopping) })
			context.AfterFunc(hard, func() { timer.Stop() })
		}
	})
	s.release = func() {
		unlink()
		stopTimer()
		cancel(context.Canceled)
	}
	return &jobContext{Context: hard, values: s.ctx}
}

// jobContext has the values of a run and an end of its own.
type jobContext struct {
	context.Context

	values context.Context
}

func (c *jobContext) Value(key any) any {
	if key == cancelKey {
		return c.Context.Value(key)
	}
	return c.values.Value(key)
}

// leaving adds to an outcome that its run left items for the next one. Such a run did not just obey,
// whatever error it returned.
func (o outcome) leaving(items int) outcome {
	if o.err == nil {
		return o
	}
	if o.kind == obeyed {
		o.kind = failed
	}
	o.err = &itemsWaitError{error: o.err, text: fmt.Sprintf("%s (items that wait to be handed over again: %d)", o.text, items)}
	o.text = o.err.Error()
	return o
}

// itemsWaitError is the error of a run that left items in its body's hand.
type itemsWaitError struct {
	error

	text string
}

func (e *itemsWaitError) Error() string { return e.text }
func (e *itemsWaitError) Unwrap() error { return e.error }
