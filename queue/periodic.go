package queue

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
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
	params, err := entry.params(fmt.Sprintf("queue.Periodic: cron %q: enqueue", spec), nil)
	if err != nil {
		return nil, err
	}
	schedule, err := workerfx.ParseCron(spec)
	if err == nil && schedule.Next(time.Unix(0, 0)).Sub(time.Unix(0, 0)) < time.Second {
		err = errors.New("must be at least a second")
	}
	if err != nil {
		return nil, fmt.Errorf("queue.Periodic: periodic job of kind %q: cron %q: %w", params.Args.Kind(), spec, err)
	}
	return &periodic{spec: spec, schedule: schedule, entry: entry}, nil
}

// uniqueKey is equal for periodic jobs that are unique and the same. It is empty for others.
func (p *periodic) uniqueKey() string {
	params, err := p.entry.params("queue: enqueue", nil)
	if err != nil {
		return ""
	}
	unique := params.InsertOpts.UniqueOpts
	if own, ok := params.Args.(river.JobArgsWithInsertOpts); ok && reflect.ValueOf(unique).IsZero() {
		unique = own.InsertOpts().UniqueOpts
	}
	if reflect.ValueOf(unique).IsZero() {
		return ""
	}
	key := []any{params.Args.Kind(), unique}
	if unique.ByArgs {
		key = append(key, uniqueArgs(params.Args))
	}
	if unique.ByQueue {
		key = append(key, params.InsertOpts.Queue)
	}
	text, err := json.Marshal(key)
	if err != nil {
		return ""
	}
	return string(text)
}

// uniqueArgs are the arguments that River compares: the fields with the tag river:"unique", or all if no field has it.
func uniqueArgs(args river.JobArgs) any {
	v := reflect.Indirect(reflect.ValueOf(args))
	if v.Kind() != reflect.Struct {
		return args
	}
	tagged := make(map[string]any)
	for field, value := range v.Fields() {
		if field.IsExported() && slices.Contains(strings.Split(field.Tag.Get("river"), ","), "unique") {
			tagged[field.Name] = value.Interface()
		}
	}
	if len(tagged) == 0 {
		return args
	}
	return tagged
}

// checkPeriodics returns an error about unique jobs that are the same and may be due at the same moment. River enqueues all
// jobs of a moment at once, or none of them if two are the same and unique.
func checkPeriodics(all []periodic) error {
	var errs []error
	known := make(map[string][]periodic)
	for _, p := range all {
		key := p.uniqueKey()
		if key == "" {
			continue
		}
		for _, before := range known[key] {
			if mayCoincide(before, p) {
				specs := []string{before.spec, p.spec}
				slices.Sort(specs)
				errs = append(errs, fmt.Errorf("queue: periodic job of kind %q: it is unique, and there twice (%q and %q): give one of them other arguments",
					p.entry.args.Kind(), specs[0], specs[1]))
			}
		}
		known[key] = append(known[key], p)
	}
	return errors.Join(errs...)
}

// mayCoincide tells whether two periodic jobs may be due at the same moment. It looks at their next ticks. Those of "@every" depend on
// when a leader starts.
func mayCoincide(a, b periodic) bool {
	const ticks = 10_000
	if strings.HasPrefix(a.spec, "@every") || strings.HasPrefix(b.spec, "@every") {
		return true
	}
	now := time.Now()
	x, y := a.schedule.Next(now), b.schedule.Next(now)
	for range ticks {
		switch {
		case x.IsZero() || y.IsZero():
			return false
		case x.Equal(y):
			return true
		case x.Before(y):
			x = a.schedule.Next(x)
		default:
			y = b.schedule.Next(y)
		}
	}
	return false
}

// riverPeriodics returns the periodic jobs in River's form. The client that leads enqueues them.
func riverPeriodics(all []periodic) ([]*river.PeriodicJob, error) {
	jobs := make([]*river.PeriodicJob, len(all))
	for i, p := range all {
		if _, err := p.entry.params("queue: enqueue", nil); err != nil {
			return nil, err
		}
		jobs[i] = river.NewPeriodicJob(p.schedule, func() (river.JobArgs, *river.InsertOpts) {
			params, err := p.entry.params("queue: enqueue", nil) // made again, as In counts from now
			if err != nil {
				return nil, nil // they were checked
			}
			return params.Args, params.InsertOpts
		}, nil)
	}
	return jobs, nil
}
