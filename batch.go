package workerfx

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

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
	b := &batcher[T]{ch: ch, maxSize: maxSize, maxDelay: maxDelay, fn: fn}
	return b.run
}

// batcher is the body of [Batch].
type batcher[T any] struct {
	ch       <-chan T
	maxSize  int
	maxDelay time.Duration
	fn       func(ctx context.Context, batch []T) error
	again    held[[]T]
}

func (b *batcher[T]) run(ctx context.Context) error {
	s := shiftOf(ctx)
	defer s.end()
	var batch []T
	defer func() {
		if len(batch) > 0 {
			b.again.put(batch)
			s.leaves(len(batch))
		}
	}()
	ctx = s.outliving()
	for open := true; open; {
		if again, ok := b.again.take(); ok {
			batch = again
		} else {
			batch, open = b.collect(s, batch)
		}
		if len(batch) > 0 {
			if ctx.Err() != nil { // nothing is handed out with a dead context
				return context.Cause(ctx)
			}
			s.began(len(batch))
			err := b.fn(ctx, slices.Clone(batch))               // what it does to its own is no matter
			if err != nil && s.failed(err) == ErrDoNotRestart { //nolint:errorlint // alone it says that all is well
				batch = nil
			}
			if err != nil {
				return err
			}
			s.succeeded()
			clear(batch) // what it holds must not outlive the batch
			batch = batch[:0]
		} else if open {
			return s.why()
		}
	}
	return nil
}

// collect receives a batch into the memory of the one before it. open is false once the channel is closed.
func (b *batcher[T]) collect(s *shift, before []T) (batch []T, open bool) {
	item, open, ok := receive(s, b.ch)
	if !ok {
		return nil, open
	}
	batch = slices.Grow(before, min(b.maxSize, 1+len(b.ch)))
	if batch, open = b.collectReady(append(batch, item)); !open || len(batch) == b.maxSize || b.maxDelay == 0 {
		return batch, open
	}
	s.watch.rest()
	defer s.watch.work()
	timer := time.NewTimer(b.maxDelay)
	defer timer.Stop()
	for open && len(batch) < b.maxSize {
		select {
		case item, open = <-b.ch:
			if open {
				batch, open = b.collectReady(append(batch, item))
			}
		case <-timer.C:
			return batch, open
		case <-s.stop:
			return batch, open
		case <-s.drain:
			return batch, open
		}
	}
	return batch, open
}

// collectReady adds to a batch what can be received without waiting.
func (b *batcher[T]) collectReady(batch []T) (_ []T, open bool) {
	for len(batch) < b.maxSize {
		select {
		case item, open := <-b.ch:
			if !open {
				return batch, false
			}
			batch = append(batch, item)
		default:
			return batch, true
		}
	}
	return batch, true
}
