package main

import (
	"context"
	"sync"
	"time"

	"github.com/workerfx/workerfx"
)

// drainer is a stream whose consumer takes several items in hand, and finishes them when it is to stop.
type drainer struct {
	*stream

	mu   sync.Mutex // guards kept
	kept []int64    // items that a run left to the next
}

const mostInHand = 5

func newDrain(u *unit) []post {
	const most = 3
	d := &drainer{stream: newStream(u)}
	d.body = d.consume
	return d.posts(most, workerfx.WithReplicas(1+u.below(2)), workerfx.WithReplicaLimits(1, most))
}

// consume handles items a handful at a time.
func (d *drainer) consume(ctx context.Context) error {
	draining := workerfx.Draining(ctx)
	for {
		hand := d.take(ctx, draining)
		if len(hand) == 0 {
			return ctx.Err()
		}
		if err := d.finish(ctx, draining, hand); err != nil {
			return err
		}
	}
}

// take takes what another run left, or else some items from the channel. There are none if there will be none, or
// if the run is to finish.
func (d *drainer) take(ctx context.Context, draining <-chan struct{}) (hand []int64) {
	if ctx.Err() != nil || isClosed(draining) {
		return nil
	}
	d.mu.Lock()
	hand, d.kept = d.kept, nil
	d.mu.Unlock()
	if len(hand) > 0 {
		return hand
	}
	timer := time.NewTimer(d.unit.between(50*time.Millisecond, 500*time.Millisecond))
	defer timer.Stop()
	var enough <-chan time.Time // nil until there is something in hand
	for len(hand) < mostInHand {
		select {
		case item, ok := <-d.items:
			if !ok {
				return hand
			}
			hand, enough = append(hand, item), timer.C
		case <-draining:
			return hand
		case <-ctx.Done():
			return hand
		case <-enough:
			return hand
		}
	}
	return hand
}

// finish handles what is in hand. What a failure leaves is kept for the next run.
func (d *drainer) finish(ctx context.Context, draining <-chan struct{}, hand []int64) error {
	drained := false
	defer func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.kept = append(d.kept, hand...)
	}()
	for len(hand) > 0 {
		if !drained && ctx.Err() == nil && isClosed(draining) {
			drained = true
			d.unit.drains.inHand.Add(int64(len(hand)))
		}
		if !drained && ctx.Err() == nil {
			if err := d.unit.mishap(ctx, d.unit.dice, 100); err != nil {
				return err
			}
		}
		workerfx.Wait(ctx, d.unit.between(20*time.Millisecond, 80*time.Millisecond))
		if ctx.Err() != nil {
			hand = d.cutShort(ctx, hand)
			return ctx.Err()
		}
		d.wasHandled(hand[0])
		if hand = hand[1:]; drained {
			d.unit.drains.finished.Add(1)
		}
	}
	return nil
}

// cutShort says what becomes of items when the run's context ends before they are finished: a command may do that,
// and they are kept. Nothing else may, and they are lost.
func (d *drainer) cutShort(ctx context.Context, hand []int64) (kept []int64) {
	if d.unit.tracker.of(workerfx.CtxWorkerName(ctx)).isCommanded() {
		return hand
	}
	d.unit.drains.cut.manyf(int64(len(hand)), "%s: %d items in hand: %v", d.name, len(hand), context.Cause(ctx))
	return nil
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
