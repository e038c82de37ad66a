package queue

import (
	"context"
	"fmt"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/workerfx/workerfx/queue/internal/database"
)

// withDatabase calls do with the database, if it is open. Errors begin with what.
func (c *Client) withDatabase(ctx context.Context, what string, do func(db database.Database) error) error {
	err := c.ready(ctx)
	if err == nil {
		err = do(c.app.db)
	}
	if err != nil {
		return fmt.Errorf("queue: %s: %w", what, err)
	}
	return nil
}

// Job returns the report on a job. It fails with [ErrNoJob]. Completed and cancelled jobs are kept for a day,
// discarded jobs for a week.
func (c *Client) Job(ctx context.Context, id int64) (JobInfo, error) {
	var job JobInfo
	err := c.withDatabase(ctx, fmt.Sprintf("job %d", id), func(db database.Database) error {
		row, err := db.Job(ctx, id)
		if err == nil {
			job = infoOf(row)
		}
		return err
	})
	return job, err
}

// DeadLetters returns the jobs of all queues that were given up. The job that was enqueued last comes first. limit is
// their highest number, from 1 to 10,000.
func (c *Client) DeadLetters(ctx context.Context, limit int) ([]JobInfo, error) {
	if limit < 1 || limit > maxLimit {
		return nil, fmt.Errorf("queue: dead letters: limit %d: must be from 1 to %d", limit, maxLimit)
	}
	filter := JobFilter{States: []State{StateDiscarded, StateCancelled}, Limit: limit}
	return c.jobs(ctx, "dead letters", filter, river.SortOrderDesc)
}

// Jobs returns the jobs that a filter chooses, ordered by ID. To read all of them, page by page, set the filter's
// AfterID to the ID of the last job, until a page is empty.
func (c *Client) Jobs(ctx context.Context, filter JobFilter) ([]JobInfo, error) {
	if err := filter.validatePage(); err != nil {
		return nil, fmt.Errorf("queue: jobs: %w", err)
	}
	if filter.Limit == 0 {
		filter.Limit = defaultLimit
	}
	return c.jobs(ctx, "jobs", filter, river.SortOrderAsc)
}

func (c *Client) jobs(ctx context.Context, what string, filter JobFilter, order river.SortOrder) ([]JobInfo, error) {
	var rows []*rivertype.JobRow
	err := c.withDatabase(ctx, what, func(db database.Database) (err error) {
		rows, err = db.Jobs(ctx, filter.params(order))
		return err
	})
	if err != nil {
		return nil, err
	}
	jobs := make([]JobInfo, len(rows))
	for i, row := range rows {
		jobs[i] = infoOf(row)
	}
	return jobs, nil
}

// Requeue makes a dead letter available at once, with one more attempt if it has used up all attempts. It fails
// with [ErrNoJob] if there is no job with this ID, if the job was not given up, or if it is [Unique] and there is
// another such job now.
func (c *Client) Requeue(ctx context.Context, id int64) error {
	return c.withDatabase(ctx, fmt.Sprintf("requeue job %d", id), func(db database.Database) error { return db.Requeue(ctx, id) })
}

// Cancel gives a job up. A job that waits becomes a dead letter at once, with [StateCancelled]. A job that runs is
// not tried again if it fails, and its context ends, wherever it runs. Hooks are called for it if its context ended for
// that. Cancel fails with [ErrNoJob] if there is no job with this ID, or if the job is over and was not cancelled.
func (c *Client) Cancel(ctx context.Context, id int64) error {
	return c.withDatabase(ctx, fmt.Sprintf("cancel job %d", id), func(db database.Database) error { return db.Cancel(ctx, id) })
}

// Count is the number of jobs of a queue in a state.
type Count struct {
	Queue string
	State State
	Jobs  int
}

// Counts returns the numbers of jobs in the database, sorted by queue, then by state. Numbers of 0 are left out.
// The database reads all its jobs for it, also jobs that have ended.
func (c *Client) Counts(ctx context.Context) ([]Count, error) {
	var counts []Count
	err := c.withDatabase(ctx, "counts", func(db database.Database) error {
		found, err := db.Counts(ctx)
		if err != nil {
			return err
		}
		counts = make([]Count, len(found))
		for i, c := range found {
			counts[i] = Count{Queue: c.Queue, State: State(c.State), Jobs: c.Jobs}
		}
		return nil
	})
	return counts, err
}
