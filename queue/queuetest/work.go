//go:build !nosqlite

package queuetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// limit is how long WorkAll may take.
const limit = time.Minute

// WorkAll works all jobs that are due, and the jobs that they enqueue meanwhile if those are due, too. It returns when their
// ends are written. The test fails if that takes longer than a minute.
func (q *Queue) WorkAll() {
	q.tb.Helper()
	ctx, cancel := context.WithTimeoutCause(context.Background(), limit, errTooLong)
	defer cancel()
	for {
		due, err := q.due(ctx)
		if err == nil && due > 0 {
			err = q.work(ctx)
		}
		if err != nil {
			q.tb.Fatalf("queuetest: work all: %v; the jobs are:%s", err, q.list())
			return
		}
		if due == 0 {
			return
		}
	}
}

var errTooLong = fmt.Errorf("it takes longer than %v", limit)

// work lets the workers run until no job is due. When they rest, the ends of jobs are written.
func (q *Queue) work(ctx context.Context) error {
	for _, worker := range q.workers {
		if err := q.Pool.Resume(worker); err != nil {
			return err
		}
	}
	err := await(ctx, func() (bool, error) {
		due, err := q.due(ctx)
		return due == 0, err
	})
	return errors.Join(err, q.rest(ctx))
}

// rest waits until the workers do nothing. Jobs that run end before that.
func (q *Queue) rest(ctx context.Context) error {
	for _, worker := range q.workers {
		if err := q.Pool.Pause(worker); err != nil {
			return err
		}
	}
	return await(ctx, func() (bool, error) {
		for _, worker := range q.workers {
			if _, running, err := q.Pool.Replicas(worker); running > 0 || err != nil {
				return false, err
			}
		}
		return true, nil
	})
}

// due returns how many jobs are due and have not begun. Jobs that were enqueued for later, and are due now, begin at once
// and do not wait for the leader.
func (q *Queue) due(ctx context.Context) (jobs int, err error) {
	const promote = `UPDATE river_job SET state = 'available'
		WHERE state IN ('scheduled', 'retryable') AND scheduled_at <= datetime('now', 'subsec')`
	if _, err := q.DB.ExecContext(ctx, promote); err != nil {
		return 0, err
	}
	const count = `SELECT count(*) FROM river_job
		WHERE state = 'available' AND scheduled_at <= datetime('now', 'subsec') AND 'queue/' || queue IN (SELECT value FROM json_each(?))`
	workers, err := json.Marshal(q.workers)
	if err != nil {
		return 0, err
	}
	err = q.DB.QueryRowContext(ctx, count, string(workers)).Scan(&jobs)
	return jobs, err
}

// await looks until done says so. It looks less and less often.
func await(ctx context.Context, done func() (bool, error)) error {
	for begun := time.Now(); ; {
		ok, err := done()
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if ok || err != nil {
			return err
		}
		time.Sleep(max(time.Since(begun)/100, time.Millisecond))
	}
}
