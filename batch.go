package workerfx

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Batch returns a body that collects items of ch and calls fn with them: with at most maxSize items, and at most
// maxDelay after the first of them came. With a maxDelay of 0 a batch has the items that are ready. When ch is
// closed, the run ends with success after the last batch. If fn fails or panics, the next attempt calls fn with the
// same batch again. When the worker stops, fn still gets all received items, with a context that lives on until the
// worker's stop timeout, or the pool's stop, is over. fn may keep the slice. Several replicas may share one body.
// Each item is counted as a job. A nil ch or fn, a maxSize below 1 and a negative maxDelay are errors when the
// worker is added.
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
	b := &batcher[T]{ch: ch, maxSize: maxSize, maxDelay: maxDelay, fn: fn, unhandled: newUnhandled(func(batch []T) int { return len(batch) })}
	return b.run
}

// batcher is the body of [Batch].
type batcher[T any] struct {
	ch        <-chan T
	maxSize   int
	maxDelay  time.Duration
	fn        func(ctx context.Context, batch []T) error
	unhandled unhandledItems[[]T]
}

func (b *batcher[T]) run(ctx context.Context) error {
	l := newJobLoop(ctx)
	l.keep(&b.unhandled)
	defer l.end()
	var batch []T
	defer func() {
		if len(batch) > 0 {
			b.unhandled.put(l, batch)
			l.leaveUnhandled(len(batch))
		}
	}()
	ctx = l.jobContext()
	for first := true; ; first = false {
		how := itemReceived
		if again, ok := b.unhandled.take(l, first); ok {
			batch = again
		} else {
			batch, how = b.collect(l, batch)
		}
		if len(batch) > 0 {
			var err error
			if batch, err = b.flush(ctx, l, batch); err != nil {
				return err
			}
		}
		switch how {
		case channelClosed:
			if b.unhandled.hasFree(l) {
				continue
			}
			return nil
		case mustEnd:
			b.unhandled.wakeIfAny()
			return l.endError()
		}
	}
}

// flush calls fn with a copy of the batch. It returns the batch if fn failed, and else its empty memory.
func (b *batcher[T]) flush(ctx context.Context, l *jobLoop, batch []T) (left []T, err error) {
	if ctx.Err() != nil { // fn is never called with a context that has ended
		return batch, context.Cause(ctx)
	}
	l.began(len(batch))
	if err := b.fn(ctx, slices.Clone(batch)); err != nil { // fn may keep and change its copy
		if l.failed(err) == ErrDoNotRestart { //nolint:errorlint // the bare sentinel means success
			batch = nil
		}
		return batch, err
	}
	l.succeeded()
	clear(batch) // so that the items can be freed
	return batch[:0], nil
}

// collect receives a batch into the memory of the one before it.
func (b *batcher[T]) collect(l *jobLoop, before []T) (batch []T, how receipt) {
	item, how := receive(l, b.ch, b.unhandled.wake)
	if how != itemReceived {
		return nil, how
	}
	batch = slices.Grow(before, min(b.maxSize, 1+len(b.ch)))
	batch, open := b.collectReady(append(batch, item))
	if open && len(batch) < b.maxSize && b.maxDelay > 0 {
		batch, open = b.collectMore(l, batch)
	}
	return batch, receiptOf(open)
}

// collectMore waits for more items, for maxDelay at most.
func (b *batcher[T]) collectMore(l *jobLoop, batch []T) (_ []T, open bool) {
	l.watchdog.beginIdle()
	defer l.watchdog.endIdle()
	timer := time.NewTimer(b.maxDelay)
	defer timer.Stop()
	for open = true; open && len(batch) < b.maxSize; {
		select {
		case item, more := <-b.ch:
			if open = more; more {
				batch, open = b.collectReady(append(batch, item))
			}
		case <-timer.C:
			return batch, open
		case <-l.stop:
			return batch, open
		case <-l.drain:
			return batch, open
		}
	}
	return batch, open
}

// collectReady adds the items that can be received without a wait.
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
