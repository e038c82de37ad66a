package queue

import (
	"context"
	"time"

	"github.com/rs/zerolog"

	"github.com/workerfx/workerfx"
)

const (
	// overdueAfter is for how long jobs must have been due before the log tells that nobody works them.
	overdueAfter = time.Minute
	// overdueInterval is the time between two checks.
	overdueInterval = statsAge + time.Second
	// overdueRepeat is the time until the log tells it again.
	overdueRepeat = 10 * time.Minute
)

// overdue finds queues with jobs that nobody works.
type overdue struct {
	before stats                // of the last check
	warned map[string]time.Time // when the log told of a queue
}

// check returns the queues to warn about. Such a queue had no running job in this check and in the last one, and its oldest
// job is the same. A queue that is only busy has running jobs.
func (o *overdue) check(now stats) (found []string) {
	passed := now.at.Sub(o.before.at)
	for name, queue := range now.queues {
		before, known := o.before.queues[name]
		idle := queue.jobs[StateRunning] == 0 && before.jobs[StateRunning] == 0
		sameJob := known && before.due > 0 && queue.due >= before.due+passed-time.Second
		if queue.due < overdueAfter || !idle || !sameJob || passed < overdueInterval/2 {
			continue
		}
		if told, ok := o.warned[name]; ok && now.at.Sub(told) < overdueRepeat {
			continue
		}
		o.warned[name] = now.at
		found = append(found, name)
	}
	if passed > 0 {
		o.before = now
	}
	return found
}

// watchOverdue warns about queues that nobody works, until end is called.
func (a *appQueue) watchOverdue() (end func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		o := overdue{warned: make(map[string]time.Time)}
		for workerfx.Wait(ctx, overdueInterval); ctx.Err() == nil; workerfx.Wait(ctx, overdueInterval) {
			now := a.stats.get(ctx)
			for _, name := range o.check(now) {
				warnOverdue(&a.log, name, now.queues[name])
			}
		}
	}()
	return func() {
		cancel()
		a.stats.end()
		<-done
	}
}

func warnOverdue(log *zerolog.Logger, name string, queue queueStats) {
	log.Warn().Str("queue", name).Int("jobs", queue.jobs[StateAvailable]).Stringer("dueFor", queue.due.Round(time.Second)).
		Msg("nobody works the jobs of this queue: start a process with WithQueue and a handler for it, or resume it")
}
