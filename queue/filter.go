package queue

import (
	"errors"
	"fmt"
	"slices"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
)

// JobFilter chooses jobs. An empty field chooses all jobs. A value out of range is an error of the call, which names
// the field and the value.
//
// For [Client.Jobs], the zero filter chooses every job. [Client.RequeueAll], [Client.CancelAll] and [Client.DeleteAll]
// refuse a filter without States, Kinds and Queues. To change all jobs, name their States.
type JobFilter struct {
	States []State
	Kinds  []string
	Queues []string
	// AfterID chooses jobs with a higher ID. For the next page, set it to the ID of the last job of a page.
	AfterID int64
	// Limit is the highest number of jobs. For Jobs it is from 1 to 10,000, and the default, 0, is 100. For the calls
	// that change jobs, the default, 0, is all jobs that the filter chooses.
	Limit int
}

const (
	defaultLimit = 100
	maxLimit     = 10_000
)

// validate returns an error about values that are out of range.
func (f *JobFilter) validate() error {
	var errs []error
	for _, state := range f.States {
		if !slices.Contains(states, state) {
			errs = append(errs, fmt.Errorf("state %q: must be one of %q", state, states))
		}
	}
	for _, kind := range f.Kinds {
		if !validKind.MatchString(kind) {
			errs = append(errs, fmt.Errorf("kind %q: no job can have it", kind))
		}
	}
	for _, queue := range f.Queues {
		errs = append(errs, checkQueue(queue))
	}
	if f.AfterID < 0 {
		errs = append(errs, fmt.Errorf("after ID %d: must not be negative", f.AfterID))
	}
	return errors.Join(errs...)
}

// validatePage is validate for a filter that reads jobs.
func (f *JobFilter) validatePage() error {
	err := f.validate()
	if f.Limit < 0 || f.Limit > maxLimit {
		err = errors.Join(err, fmt.Errorf("limit %d: must be from 1 to %d, or 0 for %d", f.Limit, maxLimit, defaultLimit))
	}
	return err
}

// params returns a filter with a limit in River's form. The jobs are ordered by ID.
func (f *JobFilter) params(order river.SortOrder) *river.JobListParams {
	params := river.NewJobListParams().Kinds(f.Kinds...).Queues(f.Queues...).
		First(f.Limit).OrderBy(river.JobListOrderByID, order)
	if len(f.States) > 0 {
		wanted := make([]rivertype.JobState, len(f.States))
		for i, state := range f.States {
			wanted[i] = rivertype.JobState(state)
		}
		params = params.States(wanted...)
	}
	if f.AfterID > 0 {
		params = params.Where("id > @after_id", river.NamedArgs{"after_id": f.AfterID})
	}
	return params
}
