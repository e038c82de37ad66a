package queue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/workerfx/workerfx"
)

// Client enqueues jobs and manages jobs. [Module] provides it. All methods may be called from any goroutine,
// between the app's start and its stop. In constructors they fail with [ErrNotStarted]. Inside of a [HandlerTx] on
// SQLite, only EnqueueTx and EnqueueBatchTx work, as SQLite has one transaction at a time.
type Client struct{ app *appQueue }

// Enqueue adds a job in a transaction of its own. Inside of a [HandlerTx] on SQLite it fails: use EnqueueTx there.
func (c *Client) Enqueue(ctx context.Context, args Args, opts ...EnqueueOption) (Enqueued, error) {
	return one(c.EnqueueBatch(ctx, NewEntry(args, opts...)))
}

// EnqueueTx adds a job as a part of a transaction of the queue's database: a *[sql.Tx], or on PostgreSQL also a
// [pgx.Tx]. On PostgreSQL, a *[sql.Tx] may be of pgx's driver "pgx", also through gorm, bun, ent or sqlx. While a
// transaction is open on SQLite, all other calls wait for it. A transaction that is nil or has ended is an error.
func (c *Client) EnqueueTx(ctx context.Context, tx any, args Args, opts ...EnqueueOption) (Enqueued, error) {
	return one(c.EnqueueBatchTx(ctx, tx, NewEntry(args, opts...)))
}

// EnqueueBatch adds many jobs, or none if there is an error. It returns the result of each, in order. Without jobs
// it does nothing.
func (c *Client) EnqueueBatch(ctx context.Context, jobs ...Entry) ([]Enqueued, error) {
	if err := c.checkNotInTx(ctx); err != nil {
		return nil, fmt.Errorf("queue: enqueue: %w: use EnqueueTx", err)
	}
	return c.enqueue(ctx, jobs, c.app.db.Insert)
}

// ready returns an error if the database is not open.
func (c *Client) ready(ctx context.Context) error {
	if !c.app.opened.Load() {
		return ErrNotStarted
	}
	return c.checkNotInTx(ctx)
}

// checkNotInTx returns an error if a call would wait for the transaction in which it is made.
func (c *Client) checkNotInTx(ctx context.Context) error {
	if at, ok := ctx.Value(currentKey{}).(*current); ok && at.tx != nil && !c.app.db.Shared() {
		return errors.New("the handler's transaction is open, and SQLite has one at a time")
	}
	return nil
}

// EnqueueBatchTx is [Client.EnqueueBatch] within a transaction: see EnqueueTx.
func (c *Client) EnqueueBatchTx(ctx context.Context, tx any, jobs ...Entry) ([]Enqueued, error) {
	return c.enqueue(ctx, jobs, func(ctx context.Context, params []river.InsertManyParams) ([]*rivertype.JobInsertResult, error) {
		return c.app.db.InsertTx(ctx, tx, params)
	})
}

type inserter func(context.Context, []river.InsertManyParams) ([]*rivertype.JobInsertResult, error)

func (c *Client) enqueue(ctx context.Context, jobs []Entry, insert inserter) ([]Enqueued, error) {
	if len(jobs) == 0 {
		return nil, nil
	}
	metadata, err := metadataOf(ctx)
	if err != nil {
		return nil, fmt.Errorf("queue: enqueue: %w", err)
	}
	params := make([]river.InsertManyParams, len(jobs))
	for i, job := range jobs {
		if params[i], err = job.params("queue: enqueue", metadata); err != nil {
			return nil, err
		}
	}
	if !c.app.opened.Load() {
		return nil, fmt.Errorf("queue: enqueue %q: %w", params[0].Args.Kind(), ErrNotStarted)
	}
	results, err := insert(ctx, params)
	if err != nil {
		return nil, fmt.Errorf("queue: enqueue %q: %w", params[0].Args.Kind(), err)
	}
	added := make([]Enqueued, len(results))
	for i, r := range results {
		added[i] = Enqueued{ID: r.Job.ID, Duplicate: r.UniqueSkippedAsDuplicate}
	}
	return added, nil
}

func one(added []Enqueued, err error) (Enqueued, error) {
	if err != nil {
		return Enqueued{}, err
	}
	return added[0], nil
}

// drainPause is how often Drain looks.
const drainPause = 10 * time.Millisecond

// Drain waits until the queues that this process works have nothing to do: no job runs, here or elsewhere, and no
// job is due. It also waits for jobs that other jobs enqueue meanwhile. It does not wait for jobs and attempts that
// are due later. It fails if this process works no queue, in a handler, and when ctx ends.
func (c *Client) Drain(ctx context.Context) error {
	queues := c.app.queueNames()
	if len(queues) == 0 {
		return errors.New("queue: drain: this process works no queue")
	}
	if job, ok := CtxJob(ctx); ok {
		return fmt.Errorf("queue: drain: called by the handler of job %d, it would wait for itself", job.ID)
	}
	for {
		if !c.app.opened.Load() {
			return fmt.Errorf("queue: drain: %w", ErrNotStarted)
		}
		due, err := c.app.db.Due(ctx, queues)
		if err != nil {
			return fmt.Errorf("queue: drain: %w", err)
		}
		if !due {
			return nil
		}
		if workerfx.Wait(ctx, drainPause); ctx.Err() != nil {
			return fmt.Errorf("queue: drain: there still are jobs: %w", context.Cause(ctx))
		}
	}
}
