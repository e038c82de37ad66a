package main

import (
	"context"
	"time"

	"github.com/workerfx/workerfx"
)

// stream is a producer, a channel and the body of a consumer, which may have replicas.
type stream struct {
	*itemCounts

	unit  *unit
	name  string
	items chan int64
	body  workerfx.RunFunc
}

func newStream(u *unit) *stream {
	s := &stream{itemCounts: newItemCounts(), unit: u, name: u.name, items: make(chan int64, 16)}
	u.streams = append(u.streams, s)
	return s
}

// posts are the stream's workers: its producer and its consumer.
func (s *stream) posts(most int, options ...workerfx.Option) []post {
	return []post{
		{role: "-producer", run: workerfx.Loop(s.produce), options: restless()},
		{run: s.body, most: most, options: restless(options...)},
	}
}

// produce sends the next item.
func (s *stream) produce(ctx context.Context) error {
	if err := s.unit.mishap(ctx, s.unit.dice, 100); err != nil {
		return err
	}
	select {
	case s.items <- s.next():
		s.wasSent()
	case <-ctx.Done():
		return ctx.Err()
	}
	workerfx.Wait(ctx, s.unit.between(50*time.Millisecond, 250*time.Millisecond))
	return nil
}

// handle handles items well, or fails before or after some work.
func (s *stream) handle(ctx context.Context, items ...int64) error {
	if s.unit.oneIn(20) {
		workerfx.Wait(ctx, s.unit.between(0, 20*time.Millisecond))
	}
	if err := s.unit.mishap(ctx, s.unit.dice, 100); err != nil {
		return err
	}
	s.wasHandled(items...)
	s.unit.tracker.of(workerfx.CtxWorkerName(ctx)).jobs.Add(int64(len(items)))
	return nil
}

func (s *stream) handleOne(ctx context.Context, item int64) error { return s.handle(ctx, item) }

func (s *stream) handleBatch(ctx context.Context, items []int64) error {
	return s.handle(ctx, items...)
}

// newItems makes a stream whose items are handled one by one.
func newItems(u *unit) []post {
	s := newStream(u)
	s.body = workerfx.FromChannel(s.items, s.handleOne)
	return s.posts(1)
}

// newBatches makes a stream whose items are handled in batches.
func newBatches(u *unit) []post {
	s := newStream(u)
	s.body = workerfx.Batch(s.items, 10, 500*time.Millisecond, s.handleBatch)
	return s.posts(1)
}

// newElastic makes a stream with a consumer that the operator scales.
func newElastic(u *unit) []post {
	const most = 6
	s := newStream(u)
	if s.body = workerfx.FromChannel(s.items, s.handleOne); u.oneIn(2) {
		s.body = workerfx.Batch(s.items, 10, 100*time.Millisecond, s.handleBatch)
	}
	return s.posts(most, workerfx.WithReplicas(1+u.below(most)), workerfx.WithReplicaLimits(1, most))
}

// newAutoscaled makes a stream with a consumer that is scaled by how many items wait.
func newAutoscaled(u *unit) []post {
	const most = 4
	s := newStream(u)
	s.body = workerfx.FromChannel(s.items, s.handleOne)
	scaler := &workerfx.Autoscaler{
		Worker:   u.name,
		Demand:   func(context.Context) (float64, error) { return float64(len(s.items)), nil },
		Every:    time.Second,
		CoolDown: 2 * time.Second,
	}
	return append(s.posts(most, workerfx.WithReplicaLimits(1, most)),
		post{role: "-autoscaler", run: scaler.Run, options: restless()})
}
