package queue

import (
	"errors"
	"fmt"
	"time"

	"github.com/riverqueue/river"

	"github.com/workerfx/workerfx"
)

// periodic is a job of [Periodic].
type periodic struct {
	spec     string
	schedule river.PeriodicSchedule
	entry    Entry
}

// newPeriodic makes a periodic job, or returns an error about its values.
func newPeriodic(spec string, args Args, opts []EnqueueOption) (*periodic, error) {
	entry := NewEntry(args, opts...)
	params, err := entry.params(nil)
	if err != nil {
		return nil, fmt.Errorf("periodic job %q: %w", spec, err)
	}
	schedule, err := workerfx.ParseCron(spec)
	if err == nil && schedule.Next(time.Unix(0, 0)).Sub(time.Unix(0, 0)) < time.Second {
		err = errors.New("must be at least a second")
	}
	if err != nil {
		return nil, fmt.Errorf("periodic job of kind %q: cron %q: %w", params.Args.Kind(), spec, err)
	}
	return &periodic{spec: spec, schedule: schedule, entry: entry}, nil
}

// riverPeriodics returns the periodic jobs in River's form. The client that leads enqueues them.
func riverPeriodics(all []periodic) ([]*river.PeriodicJob, error) {
	jobs := make([]*river.PeriodicJob, len(all))
	for i, p := range all {
		if _, err := p.entry.params(nil); err != nil {
			return nil, err
		}
		jobs[i] = river.NewPeriodicJob(p.schedule, func() (river.JobArgs, *river.InsertOpts) {
			params, err := p.entry.params(nil) // made again, as In counts from now
			if err != nil {
				return nil, nil // they were checked
			}
			return params.Args, params.InsertOpts
		}, nil)
	}
	return jobs, nil
}
