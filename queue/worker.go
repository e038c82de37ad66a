package queue

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/queue/internal/database"
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

// defaults are the default options of workers of queues. A queue is worked while the app runs, also if its database
// fails.
var defaults = []workerfx.Option{
	workerfx.WithMaxAttempts(0),
	workerfx.WithReadiness(), // its client has started
	workerfx.WithBackoff(workerfx.ExponentialBackoff{Initial: 100 * time.Millisecond, Max: 10 * time.Second, Jitter: 0.5}),
	workerfx.WithHealthyAfter(10 * time.Second),
}

// queueWorker is the worker of one queue. Each run of each replica has a River client of its own.
type queueWorker struct {
	app   *appQueue
	name  string
	slots int

	failing atomic.Bool // the database could not be used, and the log has said so
}

// run works the queue until it has to stop.
//
//	take the lock --> start a client --+--> told to finish --> stop it, wait for its jobs --> give the lock back
//	                                   |                          | no more time: cancel them
//	                                   +--> the session is over --> cancel the jobs, fail: the next run takes a new lock
//
// The session is over when the lock is lost, or when the database refuses to work. It watches over the client, so the
// client needs no heartbeat. A heartbeat is expected again when the session is over: handlers may not return.
func (q *queueWorker) run(ctx context.Context) error {
	finish := workerfx.Draining(ctx)
	session, err := q.join(ctx, finish)
	if err != nil {
		return err
	}
	defer session.Leave()
	run := newQueueRun(ctx, q, session)
	defer run.goroutines.end()
	config, err := run.riverConfig(q)
	if err != nil {
		return fmt.Errorf("queue %q: %w", q.name, err)
	}
	client, err := q.app.db.NewClient(config, session, run.stacks)
	if err != nil {
		return fmt.Errorf("queue %q: %w", q.name, err)
	}
	base, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	if err := client.Start(base); err != nil {
		return fmt.Errorf("queue %q: start its client: %w", q.name, err)
	}
	workerfx.Ready(ctx)
	defer run.keepSweeping(ctx)()
	endStandby := workerfx.Standby(ctx)
	select {
	case <-finish:
		waitForJobs(ctx, session.Alive, client)
	case <-ctx.Done(): // such as after its run timeout: nobody asked it to finish
		waitForJobs(ctx, session.Alive, client)
	case <-session.Alive.Done():
	}
	endStandby()
	if err := context.Cause(session.Alive); err != nil {
		q.failing.Store(true)
		cancel(err)                                    // the cause that handlers see
		_ = client.StopAndCancel(context.Background()) // it waits until they have returned
		return fmt.Errorf("queue %q: %w", q.name, err)
	}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	return workerfx.ErrStopping
}

// waitForJobs waits until the jobs of a client have ended, and cancels them when ctx ends. It returns when alive ends.
func waitForJobs(ctx, alive context.Context, client database.Client) {
	limit, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(alive, cancel)()
	if client.Stop(limit) != nil && alive.Err() == nil {
		_ = client.StopAndCancel(alive) // it waits until they have returned
	}
}
