package queue

import (
	"context"
	"errors"
	"time"

	"github.com/rs/zerolog"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/queue/internal/database"
)

// processStart is where times begin that do not depend on how the clock is set.
var processStart = time.Now()

// sweepEvery is the time between two looks for jobs of processes that died.
const sweepEvery = time.Second

// keepSweeping frees jobs of processes that are gone, and checks the jobs of the run, at once and then every second,
// until end is called.
func (r *queueRun) keepSweeping(ctx context.Context) (end func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	log := r.app.log.With().Str("worker", r.worker).Logger()
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			r.app.sweepNow(ctx, r.session, &log)
			r.checkOwnJobs(ctx, &log)
			workerfx.Wait(ctx, sweepEvery)
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

// checkOwnJobs ends the contexts of jobs that were cancelled. It logs the jobs that were lost and are available again.
func (r *queueRun) checkOwnJobs(ctx context.Context, log *zerolog.Logger) {
	cancelled, lost, err := r.app.db.CheckOwnJobs(ctx, r.session)
	if err != nil {
		return // the sweep and the session tell of a database that does not answer
	}
	r.cancelJobs(cancelled)
	for _, row := range lost {
		log.Warn().Func(jobFields(infoOf(row))).Msg("job was lost between the database and this process, it will run again")
	}
}

// sweepNow frees the jobs of processes that are gone, but not if this process has just done it.
func (a *appQueue) sweepNow(ctx context.Context, session *database.Session, log *zerolog.Logger) {
	now, last := int64(time.Since(processStart)), a.swept.Load()
	if last > 0 && now-last < int64(sweepEvery/2) || !a.swept.CompareAndSwap(last, now) {
		return
	}
	freed, err := session.Sweep(ctx)
	if err != nil && ctx.Err() == nil {
		log.Warn().Err(err).Msg("queue cannot look for jobs of processes that are gone, it will try again")
	}
	for _, row := range freed {
		info := infoOf(row)
		failed := errors.New(info.Errors[len(info.Errors)-1].Error)
		if info.State == StateAvailable {
			log.Warn().Func(jobFields(info)).Err(failed).Msg("job taken over, it will run again")
			continue
		}
		why := "its attempts are used up"
		if info.State == StateCancelled {
			why = "it was cancelled"
		}
		log.Error().Func(jobFields(info)).Err(failed).Msg("job discarded, " + why)
		a.hooks.discarded(ctx, log, &info, failed)
	}
}

// jobFields adds the fields of a job to a log line.
func jobFields(info JobInfo) func(*zerolog.Event) {
	return func(e *zerolog.Event) {
		e.Str("workerExecutionID", executionID(info)).Str("kind", info.Kind).Int("attempt", info.Attempt).Str("queue", info.Queue)
	}
}
