package queue

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/workerfx/workerfx"
)

// checkWorkers returns an error if options or the configuration give a queue's worker a schedule or another name.
func (a *appQueue) checkWorkers() error {
	var errs []error
	for _, queue := range a.queueNames() {
		errs = append(errs, a.checkWorker(queue))
	}
	return errors.Join(errs...)
}

func (a *appQueue) checkWorker(queue string) error {
	worker := groupName + "/" + queue
	settings, err := a.pool.Settings(worker)
	if err != nil {
		renamed := a.renamedWorkers()
		if len(renamed) == 0 {
			return nil // the app has removed it from the pool
		}
		return fmt.Errorf("queue %q: option WithName: its worker must be %q, and the pool has %q: leave the option out",
			queue, worker, renamed)
	}
	i := slices.IndexFunc(settings, func(s workerfx.Setting) bool { return s.Name == "schedule" })
	if schedule := settings[i]; schedule.Source != workerfx.SourceDefault {
		return fmt.Errorf("queue %q: worker %q: schedule %q (%v): a queue is worked all the time: leave out WithInterval, WithCron, "+
			"WithSchedule and, in the configuration, interval and cron", queue, worker, schedule.Value, schedule.Source)
	}
	return nil
}

// renamedWorkers are the workers of the group that have the name of no queue.
func (a *appQueue) renamedWorkers() []string {
	known := a.queueNames()
	var names []string
	for _, e := range a.pool.Executions() {
		name, inGroup := strings.CutPrefix(e.Worker, groupName+"/")
		if inGroup && e.Replica == 0 && !slices.Contains(known, name) {
			names = append(names, e.Worker)
		}
	}
	return names
}
