package workerfx

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"sync/atomic"
	"time"
)

// Loop returns a body that calls job again and again until the worker is to stop. An error or a panic
// of a job ends the run, as a failed attempt; the next attempt goes on with the next job. Each job is
// counted. Scaled down or paused, the body ends after the job it is at. A nil job is an error of
// whatever the body is added to.
func Loop(job RunFunc) RunFunc {
	if job == nil {
		return badBody(errors.New("Loop: job is nil"))
	}
	return func(ctx context.Context) error {
		s := shiftOf(ctx)
		defer s.end()
		for !s.over() {
			s.began()
			if err := job(ctx); err != nil {
				return err
			}
			s.succeeded()
		}
		return s.why()
	}
}

// FromChannel returns a body that hands each item of ch to fn. It ends well when ch is closed. An error
// or a panic of fn ends the run, as a failed attempt, and the item is handed to fn again by the next one.
// When the worker stops, fn may finish the item it has: its context goes on to live until the worker's
// stop timeout, or the pool's stop, is over. Several replicas may share one body. Each item is counted. A
// nil ch or fn is an error of whatever the body is added to.
func FromChannel[T any](ch <-chan T, fn func(ctx context.Context, item T) error) RunFunc {
	switch {
	case ch == nil:
		return badBody(errors.New("FromChannel: channel is nil"))
	case fn == nil:
		return badBody(errors.New("FromChannel: function is nil"))
	}
	var again held[T]
	return func(ctx context.Context) error {
		s := shiftOf(ctx)
		defer s.end()
		var item T
		inHand := false
		defer func() {
			if inHand {
				again.put(item)
				s.leaves(1)
			}
		}()
		ctx = s.outliving()
		for {
			if item, inHand = again.take(); !inHand {
				var open bool
				if item, open, inHand = receive(s, ch); !inHand {
					return s.whyUnless(!open)
				}
			}
			s.began()
			if err := fn(ctx, item); err != nil {
				return err
			}
			inHand = false
			s.succeeded()
			if s.over() {
				return s.why()
			}
		}
	}
}

// receive returns the next item. ok is false if the channel is closed, then open is false too, or if
// the worker is to stop.
func receive[T any](s *shift, ch <-chan T) (item T, open, ok bool) {
	if s.over() {
		return item, true, false
	}
	select { // the common case, without a look at the channels of the end
	case item, open = <-ch:
		return item, open, open
	default:
	}
	select {
	case item, open = <-ch:
		return item, open, open
	case <-s.stop:
	case <-s.drain:
	}
	return item, true, false
}

// Batch returns a body that collects the items of ch and hands them to fn, at most maxSize at a time and
// at the latest maxDelay after the first of them came. What is ready is collected before it waits; a
// maxDelay of 0 waits for nothing. It ends well when ch is closed, after the last batch. A batch that
// failed or panicked is handed to fn again by the next attempt. When the worker stops, what was received
// is handed over, with a context that lives until the worker's stop timeout, or the pool's stop,
// is over. The slice is fn's to keep. Several replicas may share one body. Each item is counted. A nil ch
// or fn, a maxSize below 1 and a negative maxDelay are errors of whatever the body is added to.
func Batch[T any](ch <-chan T, maxSize int, maxDelay time.Duration, fn func(ctx context.Context, batch []T) error) RunFunc {
	switch {
	case ch == nil:
		return badBody(errors.New("Batch: channel is nil"))
	case fn == nil:
		return badBody(errors.New("Batch: function is nil"))
	case maxSize < 1:
		return badBody(fmt.Errorf("Batch: max size %d: must be at least 1", maxSize))
	case maxDelay < 0:
		return badBody(fmt.Errorf("Batch: max delay %v: must not be negative", maxDelay))
	}
	var again held[[]T]
	return func(ctx context.Context) error {
		s := shiftOf(ctx)
		defer s.end()
		var batch []T
		defer func() {
			if len(batch) > 0 {
				again.put(batch)
				s.leaves(len(batch))
			}
		}()
		ctx = s.outliving()
		for open := true; open; {
			var ok bool
			if batch, ok = again.take(); !ok {
				batch, open = collect(s, ch, maxSize, maxDelay)
			}
			if len(batch) > 0 {
				s.beganMany(len(batch))
				if err := fn(ctx, batch); err != nil {
					return err
				}
				s.succeeded()
				batch = nil
			}
			if open && s.over() {
				return s.why()
			}
		}
		return nil
	}
}

// collect receives a batch. open is false once the channel is closed.
func collect[T any](s *shift, ch <-chan T, maxSize int, maxDelay time.Duration) (batch []T, open bool) {
	item, open, ok := receive(s, ch)
	if !ok {
		return nil, open
	}
	batch = make([]T, 1, min(maxSize, 1+len(ch)))
	batch[0] = item
	var due <-chan time.Time
	for len(batch) < maxSize {
		select {
		case item, open = <-ch:
			if !open {
				return batch, false
			}
			batch = append(batch, item)
			continue
		default:
		}
		if maxDelay == 0 {
			return batch, true
		}
		if due == nil {
			timer := time.NewTimer(maxDelay)
			defer timer.Stop()
			due = timer.C
		}
		select {
		case item, open = <-ch:
			if !open {
				return batch, false
			}
			batch = append(batch, item)
		case <-due:
			return batch, true
		case <-s.stop:
			return batch, true
		case <-s.drain:
			return batch, true
		}
	}
	return batch, true
}

// held keeps what a failed attempt had in hand for the next one, of whichever replica.
type held[T any] struct {
	n     atomic.Int64
	mu    sync.Mutex // guards items
	items []T
}

func (h *held[T]) put(item T) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.items = append(h.items, item)
	h.n.Store(int64(len(h.items)))
}

// take returns what has been kept longest.
func (h *held[T]) take() (item T, ok bool) {
	if h.n.Load() == 0 {
		return item, false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.items) == 0 {
		return item, false
	}
	item = h.items[0]
	h.items = append([]T(nil), h.items[1:]...)
	h.n.Store(int64(len(h.items)))
	return item, true
}

// shift is one run of a body that handles many jobs.
type shift struct {
	ctx     context.Context
	run     *runContext // nil outside of a pool
	stop    <-chan struct{}
	drain   <-chan struct{} // nil outside of a pool
	counts  *jobCounts
	open    int64 // jobs handed out whose end is not counted yet
	release func()
}

// jobCounts are the jobs of one replica. Its own goroutine counts, others read.
type jobCounts struct{ succeeded, failed atomic.Int64 }

func shiftOf(ctx context.Context) *shift {
	s := &shift{ctx: ctx, run: runOf(ctx), stop: ctx.Done(), counts: new(jobCounts)}
	if s.run != nil {
		s.drain = s.run.heedDrain()
		s.counts = s.run.s.jobCounts()
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
	select {
	case <-s.drain:
		return true
	default:
		return false
	}
}

// why is what the body returns when it ends because it is to.
func (s *shift) why() error {
	if err := context.Cause(s.ctx); err != nil {
		return err
	}
	return ErrStopping
}

// whyUnless is why, or nil if there are no jobs left.
func (s *shift) whyUnless(exhausted bool) error {
	if exhausted {
		return nil
	}
	return s.why()
}

func (s *shift) began()          { s.open = 1 }
func (s *shift) beganMany(n int) { s.open = int64(n) }

func (s *shift) succeeded() {
	s.counts.succeeded.Add(s.open)
	s.open = 0
}

// end counts the job that ended the run, if one did, and frees what outliving took.
func (s *shift) end() {
	s.counts.failed.Add(s.open)
	if s.release != nil {
		s.release()
	}
}

// leaves notes that n items are in the body's hand for its next run.
func (s *shift) leaves(n int) {
	if s.run != nil {
		s.run.leaves(n)
	}
}

// outliving returns the context of the jobs: that of the run, but it does not end with the order to
// stop. It ends when the run does, at the latest once nobody waits for the worker any more.
func (s *shift) outliving() context.Context {
	if s.run == nil {
		return context.WithoutCancel(s.ctx)
	}
	hard, cancel := context.WithCancelCause(s.run.s.pool.patience)
	unlink := context.AfterFunc(s.ctx, func() {
		if d := s.run.s.stopTimeout; d > 0 && errors.Is(context.Cause(s.ctx), ErrStopping) {
			timer := time.AfterFunc(d, func() { cancel(ErrStopping) })
			context.AfterFunc(hard, func() { timer.Stop() })
			return
		}
		if !errors.Is(context.Cause(s.ctx), ErrStopping) {
			cancel(context.Cause(s.ctx)) // its run timeout passed
		}
	})
	s.release = func() {
		unlink()
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

// leaves notes how many items a body has in hand when its run ends.
func (c *runContext) leaves(n int) {
	t := c.tied()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.waiting = n
}

// itemsWait adds to the outcome of a failed run that items wait for the next one.
func (c *runContext) itemsWait(o outcome) outcome {
	t := c.ties.Load()
	if t == nil || o.err == nil {
		return o
	}
	t.mu.Lock()
	n := t.waiting
	t.mu.Unlock()
	if n > 0 {
		o.err = &itemsWaitError{error: o.err, items: n}
		o.text = fmt.Sprintf("%s (items that wait to be handed over again: %d)", o.text, n)
	}
	return o
}

// itemsWaitError is the error of a run that left items in its body's hand.
type itemsWaitError struct {
	error

	items int
}

func (e *itemsWaitError) Error() string {
	return fmt.Sprintf("%s (items that wait to be handed over again: %d)", e.error.Error(), e.items)
}

func (e *itemsWaitError) Unwrap() error { return e.error }

// badBody is a body that was built from bad input, which it could not return when it was built. Add
// finds the error; a body that somebody wrapped returns it from its first run.
//
//go:noinline
func badBody(err error) RunFunc {
	return func(context.Context) error { return fmt.Errorf("%w: %w", ErrDoNotRestart, err) }
}

var badBodyCode = reflect.ValueOf(badBody(nil)).Pointer()

// buildError returns the error of a body that was built from bad input, or nil.
func buildError(run RunFunc) error {
	if reflect.ValueOf(run).Pointer() != badBodyCode {
		return nil
	}
	joined, ok := run(context.Background()).(interface{ Unwrap() []error })
	if !ok {
		return nil
	}
	return joined.Unwrap()[1]
}
