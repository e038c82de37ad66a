package queue

import (
	"context"
	"fmt"
	"time"

	"github.com/workerfx/workerfx"
)

// group is the group of the workers of an app's queues. Their names are "queue/" and the name of the queue.
type group struct {
	app    *appQueue
	queues []queueConfig
}

const groupName = "queue"

// Name is the name of the group.
func (*group) Name() string { return groupName }

// Workers makes a worker of each queue.
func (g *group) Workers() []workerfx.Worker {
	workers := make([]workerfx.Worker, len(g.queues))
	for i, q := range g.queues {
		w := &queueWorker{app: g.app, name: q.name, slots: q.slots}
		workers[i] = workerfx.With(workerfx.NewWorker(q.name, w.run), q.options...)
	}
	return workers
}

// defaults are the default options of workers of queues: a queue is worked while the app runs, whatever happens to
// its database.
var defaults = []workerfx.Option{
	workerfx.WithMaxAttempts(0),
	workerfx.WithReadiness(), // its client has started
	workerfx.WithBackoff(workerfx.ExponentialBackoff{Initial: 100 * time.Millisecond, Max: 10 * time.Second, Jitter: 0.5}),
	workerfx.WithHealthyAfter(10 * time.Second),
}

// queueWorker is the worker of one queue. Each run of it, of each replica, is a River client of its own.
type queueWorker struct {
	app   *appQueue
	name  string
	slots int
}

// run works the queue until it has to stop.
//
//	take the lock --> start a client --+--> told to finish --> stop it, wait for its jobs --> give the lock back
//	                                   |                          | no more time: cancel them
//	                                   +--> the lock is lost --> cancel the jobs, fail: the next run takes a new lock
func (q *queueWorker) run(ctx context.Context) error {
	finish := workerfx.Draining(ctx)
	joined, err := q.join(ctx, finish)
	if err != nil {
		return err
	}
	defer joined.leave()
	e := newRiverAdapter(ctx, q, joined)
	defer e.handlerGoroutines.end()
	config, err := q.app.riverConfig(q, e)
	if err != nil {
		return fmt.Errorf("queue %q: %w", q.name, err)
	}
	working, err := q.app.db.newClient(config, joined, e.stacks)
	if err != nil {
		return fmt.Errorf("queue %q: %w", q.name, err)
	}
	base, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	if err := working.Start(base); err != nil {
		return fmt.Errorf("queue %q: start its client: %w", q.name, err)
	}
	workerfx.Ready(ctx)
	defer q.keepSweeping(ctx, joined, e.worker)()
	select {
	case <-finish:
		wait(ctx, joined.alive, working)
	case <-joined.alive.Done():
	}
	if joined.alive.Err() != nil {
		cancel(ErrLockLost)                             // the cause that handlers see
		_ = working.StopAndCancel(context.Background()) // it waits until they have returned
		return fmt.Errorf("queue %q: %w", q.name, context.Cause(joined.alive))
	}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	return workerfx.ErrStopping
}

// join takes the lock of a new client. It fails when the run is told to finish.
func (q *queueWorker) join(ctx context.Context, finish <-chan struct{}) (*session, error) {
	joining, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-finish:
			cancel(workerfx.ErrStopping)
		case <-joining.Done():
		}
	}()
	joined, err := q.app.db.join(joining, newClientID())
	switch {
	case err == nil:
		return joined, nil
	case joining.Err() != nil:
		return nil, context.Cause(joining)
	}
	return nil, fmt.Errorf("queue %q: %w", q.name, err)
}

// wait waits until the jobs of a client have ended, and cancels them when ctx ends. It returns when alive ends.
func wait(ctx, alive context.Context, working client) {
	waitLimit, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(alive, cancel)()
	if working.Stop(waitLimit) != nil && alive.Err() == nil {
		_ = working.StopAndCancel(alive) // it waits until they have returned
	}
}

// keepSweeping frees jobs of processes that are gone, at once and then every second, until end is called.
func (q *queueWorker) keepSweeping(ctx context.Context, joined *session, worker string) (end func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	log := q.app.log.With().Str("worker", worker).Logger()
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			q.app.sweepNow(ctx, joined, &log)
			workerfx.Wait(ctx, sweepEvery)
		}
	}()
	return func() {
		cancel()
		<-done
	}
}
