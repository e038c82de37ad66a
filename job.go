package workerfx

import (
	"context"
	"errors"
	"fmt"
	"reflect"
)

// Loop returns a body that calls job again and again until the worker is to stop; that ends the context
// of the job it is at, too. An error or a panic of a job ends the run, as a failed attempt; the next attempt goes on with the next job. Each job is
// counted. Scaled down or paused, the body ends after the job it is at. A nil job is an error of
// whatever the body is added to.
func Loop(job RunFunc) RunFunc {
	if job == nil {
		return badBody(errors.New("Loop: job is nil"))
	}
	return func(ctx context.Context) error {
		s := shiftOf(ctx)
		defer s.end()
		s.began(1) // one at a time: what ends the run is the end of one, too
		for !s.over() {
			if err := job(ctx); err != nil {
				return s.failed(err)
			}
			s.counts.succeeded.Add(1)
			s.beat()
		}
		s.began(0)
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
	b := &stream[T]{ch: ch, fn: fn, again: newHeld[T]()}
	return b.run
}

// stream is the body of [FromChannel].
type stream[T any] struct {
	ch    <-chan T
	fn    func(ctx context.Context, item T) error
	again held[T]
}

func (b *stream[T]) run(ctx context.Context) error {
	s := shiftOf(ctx)
	s.shares(&b.again)
	defer s.end()
	var item T
	inHand := false
	defer func() {
		if inHand {
			b.again.put(item)
			s.leaves(1)
		}
	}()
	ctx = s.outliving()
	for first := true; ; first = false {
		if item, inHand = b.again.takeFor(s, first); !inHand {
			var how receipt
			switch item, how = receive(s, b.ch, b.again.call); how {
			case channelClosed:
				return nil
			case shiftOver:
				b.again.passOn()
				return s.why()
			case itemHandedOver:
				continue
			}
			inHand = true
		}
		if ctx.Err() != nil { // nothing is handed out with a dead context
			return context.Cause(ctx)
		}
		s.began(1)
		if err := b.fn(ctx, item); err != nil {
			inHand = s.failed(err) != ErrDoNotRestart //nolint:errorlint // alone it says that all is well
			return err
		}
		inHand = false
		s.succeeded()
	}
}

// receipt is what came of waiting for an item.
type receipt uint8

const (
	itemReceived receipt = iota
	channelClosed
	shiftOver      // the worker is to stop
	itemHandedOver // there is one that another replica had in hand
)

// receive returns the next item, once there is one.
func receive[T any](s *shift, ch <-chan T, call <-chan struct{}) (item T, how receipt) {
	if s.over() {
		return item, shiftOver
	}
	select { // the common case, without a look at the other channels
	case item, open := <-ch:
		return item, receiptOf(open)
	default:
	}
	s.watch.rest()
	defer s.watch.work()
	select {
	case item, open := <-ch:
		return item, receiptOf(open)
	case <-call:
		return item, itemHandedOver
	case <-s.stop:
	case <-s.drain:
	}
	return item, shiftOver
}

func receiptOf(open bool) receipt {
	if open {
		return itemReceived
	}
	return channelClosed
}

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
