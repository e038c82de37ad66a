package queue

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/netresearch/go-cron"
	"github.com/riverqueue/river"
)

// periodic is a job that comes again and again.
type periodic struct {
	spec     string
	schedule river.PeriodicSchedule
	entry    Entry
}

// newPeriodic checks what is said of a periodic job.
func newPeriodic(spec string, args Args, opts []EnqueueOption) (*periodic, error) {
	entry := NewEntry(args, opts...)
	params, err := entry.params(nil)
	if err != nil {
		return nil, fmt.Errorf("periodic job %q: %w", spec, err)
	}
	schedule, err := parseCron(spec)
	if err != nil {
		return nil, fmt.Errorf("periodic job of kind %q: cron %q: %w", params.Args.Kind(), spec, err)
	}
	return &periodic{spec: spec, schedule: schedule, entry: entry}, nil
}

// cronFields is what workerfx.WithCron takes.
const cronFields = cron.SecondOptional | cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.DowOrDom | cron.Descriptor

func parseCron(spec string) (river.PeriodicSchedule, error) {
	if rest, ok := strings.CutPrefix(strings.TrimSpace(spec), "@every "); ok {
		d, err := time.ParseDuration(strings.TrimSpace(rest))
		if err == nil && d < time.Second {
			err = errors.New("must be at least a second")
		}
		return river.PeriodicInterval(d), err
	}
	schedule, err := cron.MustNewParser(cronFields).Parse(spec)
	if err != nil {
		return nil, err
	}
	if schedule.Next(time.Now()).IsZero() {
		return nil, errors.New("never comes")
	}
	return schedule, nil
}

// riverPeriodics are the periodic jobs of one client. The one that leads enqueues them.
func riverPeriodics(all []periodic) ([]*river.PeriodicJob, error) {
	jobs := make([]*river.PeriodicJob, len(all))
	for i, p := range all {
		if _, err := p.entry.params(nil); err != nil {
			return nil, err
		}
		jobs[i] = river.NewPeriodicJob(p.schedule, func() (river.JobArgs, *river.InsertOpts) {
			params, err := p.entry.params(nil) // anew: In counts from now
			if err != nil {
				return nil, nil // they were checked
			}
			return params.Args, params.InsertOpts
		}, nil)
	}
	return jobs, nil
}
