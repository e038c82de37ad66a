package workerfx

import (
	"context"
	"errors"
)

// FromChannel returns a body that calls fn with each item of ch. When ch is closed, the run ends with success. An
// error or a panic of fn ends the run as a failed attempt, and the next attempt calls fn with the same item again.
// When the worker stops, fn may finish its current item: its context lives on until the worker's stop timeout, or
// the pool's stop, is over. Several replicas may share one body. Each item is counted as a job. A nil ch or fn is
// an error when the worker is added.
func FromChannel[T any](ch <-chan T, fn func(ctx context.Context, item T) error) RunFunc {
	switch {
	case ch == nil:
		return badBody(errors.New("FromChannel: channel is nil"))
	case fn == nil:
		return badBody(errors.New("FromChannel: function is nil"))
	}
	b := &stream[T]{ch: ch, fn: fn, unhandled: newUnhandled(func(T) int { return 1 })}
	return b.run
}

// stream is the body of [FromChannel].
type stream[T any] struct {
	ch        <-chan T
	fn        func(ctx context.Context, item T) error
	unhandled unhandledItems[T]
}

func (b *stream[T]) run(ctx context.Context) error {
	l := newJobLoop(ctx)
	l.keep(&b.unhandled)
	defer l.end()
	var item T
	hasItem := false
	defer func() {
		if hasItem {
			b.unhandled.put(l, item)
			l.leaveUnhandled(1)
		}
	}()
	ctx = l.jobContext()
	for first := true; ; first = false {
		if item, hasItem = b.unhandled.take(l, first); !hasItem {
			var how receipt
			switch item, how = receive(l, b.ch, b.unhandled.wake); how {
			case channelClosed:
				if b.unhandled.hasFree(l) {
					continue
				}
				return nil
			case mustEnd:
				b.unhandled.wakeIfAny()
				return l.endError()
			case itemHandedOver:
				continue
			}
			hasItem = true
		}
		if ctx.Err() != nil { // fn is never called with a context that has ended
			return context.Cause(ctx)
		}
		l.began(1)
		if err := b.fn(ctx, item); err != nil {
			hasItem = l.failed(err) != ErrDoNotRestart //nolint:errorlint // the bare sentinel means success
			return err
		}
		hasItem = false
		l.succeeded()
	}
}

// receipt is the result of a wait for an item.
type receipt uint8

const (
	itemReceived receipt = iota
	channelClosed
	mustEnd        // the worker has to stop
	itemHandedOver // a replica that has ended left an item
)

// receive waits for the next item.
func receive[T any](l *jobLoop, ch <-chan T, call <-chan struct{}) (item T, how receipt) {
	if l.over() {
		return item, mustEnd
	}
	select { // the common case, without a look at the other channels
	case item, open := <-ch:
		return item, receiptOf(open)
	default:
	}
	l.watchdog.beginIdle()
	defer l.watchdog.endIdle()
	select {
	case item, open := <-ch:
		return item, receiptOf(open)
	case <-call:
		return item, itemHandedOver
	case <-l.stop:
	case <-l.drain:
	}
	return item, mustEnd
}

func receiptOf(open bool) receipt {
	if open {
		return itemReceived
	}
	return channelClosed
}
