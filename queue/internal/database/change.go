package database

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/rivertype"
)

// Change is a change of many jobs.
type Change int

// The changes of many jobs.
const (
	Requeue Change = iota // makes dead letters available at once, as [Store.Requeue] does
	Cancel                // gives jobs up, as [Store.Cancel] does
	Delete                // deletes jobs that do not run
)

// Selection chooses jobs to change. Empty Kinds and Queues choose all of them. States are never empty.
type Selection struct {
	States, Kinds, Queues []string
	AfterID               int64
	Limit                 int // the highest number of changed jobs; 0 is no limit
}

// Changed is a job that was changed, with its state after the change.
type Changed struct {
	ID    int64
	Queue string
	State string
}

// Changes are the SQL statements of a database that change many jobs.
type Changes[TTx any] struct {
	// Choose has the parameters states, kinds, queues, ID before the first, last ID and limit. It returns the IDs of
	// jobs, in order, as JSON in one row.
	Choose string
	// Statements have the parameters IDs and states. They change the jobs with these IDs that are in one of these
	// states, and return [Changed] jobs.
	Statements map[Change]string
	// List returns a list in the form of a parameter.
	List func(list any) any
	// Query calls a statement.
	Query func(ctx context.Context, tx TTx, statement string, args ...any) ([]Changed, error)
}

const (
	// maxChosen is the largest number of IDs that are read at once.
	maxChosen = 50_000
	// batchSize is the largest number of jobs that are changed in one transaction. It takes some hundredths of a second.
	batchSize = 1000
	// maxDeadlocks is how often a batch is tried again after a deadlock.
	maxDeadlocks = 5
)

// ChangeAll changes the jobs of a selection that exist when it is called, ordered by ID. It returns how many were
// changed, also with an error. It uses many short transactions, and stops between two of them when ctx ends.
func (s *Store[TTx]) ChangeAll(ctx context.Context, change Change, selection *Selection) (changed int64, err error) {
	var last int64
	if err := s.driver.GetExecutor().QueryRow(ctx, `SELECT coalesce(max(id), 0) FROM river_job`).Scan(&last); err != nil {
		return 0, withCause(ctx, err)
	}
	for after := selection.AfterID; ; {
		limit := maxChosen
		if selection.Limit > 0 {
			limit = int(min(int64(limit), int64(selection.Limit)-changed))
		}
		ids, err := s.choose(ctx, selection, after, last, limit)
		if err != nil || len(ids) == 0 {
			return changed, err
		}
		n, err := s.ChangeThese(ctx, change, ids, selection.States)
		changed += n
		if err != nil || selection.Limit > 0 && changed == int64(selection.Limit) {
			return changed, err
		}
		after = ids[len(ids)-1]
	}
}

// CountChosen returns how many jobs a selection has, but no more than its limit.
func (s *Store[TTx]) CountChosen(ctx context.Context, selection *Selection) (int, error) {
	ids, err := s.choose(ctx, selection, selection.AfterID, math.MaxInt64, selection.Limit)
	return len(ids), err
}

func (s *Store[TTx]) choose(ctx context.Context, selection *Selection, after, last int64, limit int) (ids []int64, err error) {
	var found []byte
	err = s.driver.GetExecutor().QueryRow(ctx, s.changes.Choose, s.changes.List(selection.States), s.changes.List(selection.Kinds),
		s.changes.List(selection.Queues), after, last, limit).Scan(&found)
	if err != nil {
		return nil, withCause(ctx, err)
	}
	return ids, json.Unmarshal(found, &ids)
}

// withCause adds to an error why ctx has ended, if it has: the drivers only tell that it has.
func withCause(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return fmt.Errorf("%w: %w", context.Cause(ctx), err)
}

// ChangeThese changes the jobs with these IDs that are in one of these states, batch by batch. It returns how many were
// changed, also with an error. Between two batches it waits for half of the time of a batch, so that others
// get the lock of SQLite, which they ask for again and again.
func (s *Store[TTx]) ChangeThese(ctx context.Context, change Change, ids []int64, states []string) (changed int64, err error) {
	for batch := range slices.Chunk(ids, batchSize) {
		begun := time.Now()
		n, err := s.changeBatch(ctx, change, batch, states)
		changed += n
		if err != nil {
			return changed, err
		}
		select {
		case <-time.After(time.Since(begun) / 2):
		case <-ctx.Done():
			return changed, context.Cause(ctx)
		}
	}
	return changed, nil
}

// changeBatch changes jobs in one transaction. If another job that is unique was enqueued at the same moment, it tries
// again with half of the jobs.
func (s *Store[TTx]) changeBatch(ctx context.Context, change Change, ids []int64, states []string) (int64, error) {
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	n, err := s.changeInTx(ctx, change, ids, states)
	for range maxDeadlocks { // with a client that writes the ends of the same jobs, in another order
		if !s.dialect.IsDeadlock(err) {
			break
		}
		n, err = s.changeInTx(ctx, change, ids, states)
	}
	if !s.dialect.IsDuplicate(err) {
		return n, err
	}
	if len(ids) == 1 {
		return 0, nil
	}
	half := len(ids) / 2
	n, err = s.changeBatch(ctx, change, ids[:half], states)
	if err != nil {
		return n, err
	}
	more, err := s.changeBatch(ctx, change, ids[half:], states)
	return n + more, err
}

func (s *Store[TTx]) changeInTx(ctx context.Context, change Change, ids []int64, states []string) (int64, error) {
	longer, cancel := outlive(ctx)
	defer cancel()
	n, err := s.changeWithin(longer, change, ids, states)
	if err != nil && longer.Err() != nil {
		err = withCause(ctx, err)
	}
	return n, err
}

func (s *Store[TTx]) changeWithin(ctx context.Context, change Change, ids []int64, states []string) (int64, error) {
	tx, err := s.driver.GetExecutor().Begin(ctx)
	if err != nil {
		return 0, err
	}
	defer tx.Rollback(ctx) //nolint:errcheck // after a commit it does nothing
	changed, err := s.changes.Query(ctx, s.driver.UnwrapTx(tx), s.changes.Statements[change], s.changes.List(ids), s.changes.List(states))
	if err != nil {
		return 0, err
	}
	if err := notifyChanged(ctx, tx, change, changed); err != nil {
		return 0, err
	}
	if err := tx.Commit(ctx); err != nil {
		return 0, err
	}
	return int64(len(changed)), nil
}

// batchGrace is how long a batch may go on after its context has ended.
const batchGrace = time.Second

// outlive returns a context that ends a moment after ctx. So a batch is complete when ctx ends, and its jobs are
// counted.
func outlive(ctx context.Context) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	unlink := context.AfterFunc(ctx, func() { time.AfterFunc(batchGrace, cancel) })
	return longer, func() {
		unlink()
		cancel()
	}
}

// controlTopic is the topic of River's notifications of cancelled jobs.
const controlTopic = "river_control"

// notifyChanged tells the clients that there are jobs, or that jobs that they run were cancelled.
func notifyChanged(ctx context.Context, exec riverdriver.Executor, change Change, changed []Changed) error {
	var queues, cancelled []string
	for _, job := range changed {
		switch {
		case change == Requeue && !slices.Contains(queues, job.Queue):
			queues = append(queues, job.Queue)
		case change == Cancel && job.State == string(rivertype.JobStateRunning):
			cancelled = append(cancelled, fmt.Sprintf(`{"action":"cancel","job_id":%d,"queue":%q}`, job.ID, job.Queue))
		}
	}
	if err := notifyQueues(ctx, exec, queues...); err != nil {
		return err
	}
	return exec.NotifyMany(ctx, &riverdriver.NotifyManyParams{Topic: controlTopic, Payload: cancelled})
}
