package queue

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/workerfx/workerfx/queue/internal/database"
)

// RequeueAll makes the dead letters that a filter chooses available at once, as [Client.Requeue] does, and returns how
// many. Without States, the filter chooses all dead letters. Other states are an error.
//
// A dead letter that is [Unique] stays as it is, and does not count, if there is another such job now. Of several
// such dead letters, the one with the lowest ID is made available.
//
// RequeueAll, [Client.CancelAll] and [Client.DeleteAll] change jobs in the order of their IDs, in batches of up to a
// thousand, each in a transaction of its own. Jobs that are enqueued after the call began are left alone. When ctx
// ends, the calls complete the current batch, and return the cause of ctx. The number that they return is right also
// with an error. A second call goes on. Only if the database cannot be reached any more, a batch may have been
// changed that is not counted.
func (c *Client) RequeueAll(ctx context.Context, filter JobFilter) (int64, error) {
	return c.changeAll(ctx, requeueAll, filter)
}

// CancelAll gives up the jobs that a filter chooses, as [Client.Cancel] does, and returns how many. A job that runs
// counts as soon as its context is told to end, also if it was told before. Without States, the filter chooses all
// jobs that are not over. Other states are an error. See [Client.RequeueAll] for batches, ctx and errors.
func (c *Client) CancelAll(ctx context.Context, filter JobFilter) (int64, error) {
	return c.changeAll(ctx, cancelAll, filter)
}

// DeleteAll deletes the jobs that a filter chooses, and returns how many. They are gone for good. Jobs that run cannot
// be deleted: [StateRunning] in the filter is an error. Without States, the filter chooses all jobs that do not run.
// A deleted job does not count for [Unique] and [UniqueFor] any more. See [Client.RequeueAll] for batches, ctx and
// errors.
func (c *Client) DeleteAll(ctx context.Context, filter JobFilter) (int64, error) {
	return c.changeAll(ctx, deleteAll, filter)
}

// manyChange is a call that changes many jobs.
type manyChange struct {
	name   string
	change database.Change
	states []State // of jobs that it can change
	only   string  // says which jobs these are
}

var (
	requeueAll = manyChange{
		"requeue all", database.Requeue, []State{StateDiscarded, StateCancelled}, "only dead letters can be requeued",
	}
	cancelAll = manyChange{
		"cancel all", database.Cancel,
		[]State{StateAvailable, StateScheduled, StateRunning, StateRetryable, StatePending}, "only jobs that are not over can be cancelled",
	}
	deleteAll = manyChange{
		"delete all", database.Delete,
		[]State{StateAvailable, StateScheduled, StateRetryable, StateCompleted, StateDiscarded, StateCancelled, StatePending},
		"a job that runs cannot be deleted, cancel it before",
	}
)

func (c *Client) changeAll(ctx context.Context, m manyChange, filter JobFilter) (changed int64, err error) {
	if err := m.validate(&filter); err != nil {
		return 0, fmt.Errorf("queue: %s: %w", m.name, err)
	}
	if len(filter.States) == 0 {
		filter.States = m.states
	}
	selection := filter.selection()
	err = c.withDatabase(ctx, m.name, func(db database.Database) (err error) {
		changed, err = db.ChangeAll(ctx, m.change, &selection)
		return err
	})
	return changed, err
}

// selection returns the filter in the form of the database.
func (f *JobFilter) selection() database.Selection {
	return database.Selection{
		States: texts(f.States), Kinds: texts(f.Kinds), Queues: texts(f.Queues), AfterID: f.AfterID, Limit: f.Limit,
	}
}

// validate returns an error about a filter that is out of range for the call, or that chooses every job by accident.
func (m *manyChange) validate(filter *JobFilter) error {
	if len(filter.States) == 0 && len(filter.Kinds) == 0 && len(filter.Queues) == 0 {
		return fmt.Errorf("filter without States, Kinds and Queues: set one of them (for all jobs: States %q)", m.states)
	}
	errs := []error{filter.validate()}
	for _, state := range filter.States {
		if slices.Contains(states, state) && !slices.Contains(m.states, state) {
			errs = append(errs, fmt.Errorf("state %q: %s: must be one of %q", state, m.only, m.states))
		}
	}
	if filter.Limit < 0 {
		errs = append(errs, fmt.Errorf("limit %d: must not be negative, 0 is all jobs", filter.Limit))
	}
	return errors.Join(errs...)
}

// texts returns a list of texts that is never nil.
func texts[T ~string](list []T) []string {
	texts := make([]string, len(list))
	for i, item := range list {
		texts[i] = string(item)
	}
	return texts
}
