package queue

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
	"github.com/rs/zerolog"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/queue/internal/database"
	"github.com/workerfx/workerfx/queue/internal/riveradapter"
)

// queueRun is one run of a queue's worker. It is the app that a River client works for.
type queueRun struct {
	app        *appQueue
	ctx        context.Context //nolint:containedctx // the run's, which counts its jobs
	worker     string
	session    *database.Session
	stacks     *database.Stacks
	goroutines *handlerGoroutines

	mu      sync.Mutex                                      // guards cancels
	cancels map[database.JobAttempt]context.CancelCauseFunc // of the jobs that run
}

var _ riveradapter.App = (*queueRun)(nil)

// newQueueRun makes the run of ctx, for a client that has its lock.
func newQueueRun(ctx context.Context, q *queueWorker, session *database.Session) *queueRun {
	return &queueRun{
		app: q.app, ctx: ctx, worker: workerfx.CtxWorkerName(ctx), session: session,
		cancels: make(map[database.JobAttempt]context.CancelCauseFunc),
		stacks:  &database.Stacks{}, goroutines: &handlerGoroutines{maxIdle: q.slots},
	}
}

// riverConfig is the configuration of the run's client.
func (r *queueRun) riverConfig(q *queueWorker) (*river.Config, error) {
	periodics, err := riverPeriodics(r.app.periodic)
	if err != nil {
		return nil, err
	}
	kinds := make([]string, 0, len(r.app.handlers))
	for kind := range r.app.handlers {
		kinds = append(kinds, kind)
	}
	return riveradapter.Config(r, &riveradapter.Settings{
		Queue: q.name, Slots: q.slots, Kinds: kinds, Periodic: periodics,
		Logger: r.app.riverLog.With("worker", r.worker),
	}), nil
}

// Timeout is the timeout of a kind's handler.
func (r *queueRun) Timeout(kind string) time.Duration { return r.app.handlers[kind].timeout }

// NextAttempt is the time of the next attempt after a failure.
func (r *queueRun) NextAttempt(kind string, attempt int) time.Time {
	return r.app.handlers[kind].nextAttempt(attempt)
}

// Work works a job, and tells River how it ended.
func (r *queueRun) Work(ctx context.Context, row *rivertype.JobRow) error {
	a := &attempt{queueRun: r, handler: r.app.handlers[row.Kind], row: row, info: infoOf(row)}
	ctx, cancel := r.handlerContext(ctx)
	defer cancel(nil)
	defer r.cancellable(database.JobAttempt{ID: row.ID, Attempt: row.Attempt}, cancel)()
	log := r.logger(a.info)
	ctx = workerfx.JobContext(ctx, executionID(a.info), a.info.Attempt)
	ctx = log.WithContext(context.WithValue(ctx, currentKey{}, &current{info: &a.info}))
	ctx, span := a.startSpan(ctx)
	r.app.hooks.locked(ctx, &log, &a.info)
	begun := time.Now()
	err := a.work(ctx)
	how := a.classify(ctx, err)
	a.observe(ctx, time.Since(begun), how)
	a.endSpan(span, err, how)
	r.app.hooks.done(ctx, &log, &a.info, err)
	a.report(ctx, &log, err, how)
	return a.riverError(ctx, err, how)
}

// handlerContext returns a context that ends with River's, for a reason that users know.
func (r *queueRun) handlerContext(ctx context.Context) (context.Context, context.CancelCauseFunc) {
	handler, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stopTimer := func() {}
	if deadline, ok := ctx.Deadline(); ok {
		handler, stopTimer = context.WithDeadline(handler, deadline)
	}
	unlink := context.AfterFunc(ctx, func() {
		if errors.Is(ctx.Err(), context.Canceled) { // the deadline is the handler's, too
			cancel(r.causeOf(ctx))
		}
	})
	return handler, func(cause error) {
		unlink()
		cancel(cause) // before stopTimer, which would end the context without the cause
		stopTimer()
	}
}

// causeOf returns why River's context of a job has ended.
func (r *queueRun) causeOf(ctx context.Context) error {
	cause := context.Cause(ctx)
	if r.ctx.Err() != nil && !errors.Is(cause, ErrCancelled) { // River knows only that it has to stop
		return context.Cause(r.ctx)
	}
	return cause
}

// cancellable lets cancelJobs end the context of a job, until end is called.
func (r *queueRun) cancellable(job database.JobAttempt, cancel context.CancelCauseFunc) (end func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cancels[job] = cancel
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.cancels, job)
	}
}

// cancelJobs ends the contexts of jobs that were cancelled. River does so, too, but a client that is about to stop hears of
// it a minute later.
func (r *queueRun) cancelJobs(jobs []database.JobAttempt) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, job := range jobs {
		if cancel := r.cancels[job]; cancel != nil {
			cancel(ErrCancelled)
		}
	}
}

// Unknown reports a job whose kind has no handler.
func (r *queueRun) Unknown(ctx context.Context, row *rivertype.JobRow, err error) {
	info := infoOf(row)
	log := r.logger(info)
	log.Error().Str("queue", info.Queue).Msg("job has a kind that this process has no handler for: " +
		"provide one, or keep the kind in a queue that only processes with its handler work")
	workerfx.CountJob(r.ctx, err)
	r.app.hooks.unknown(ctx, &log, &info)
	if info.Attempt >= info.MaxAttempts {
		info.State = StateDiscarded
		r.app.hooks.discarded(ctx, &log, &info, err)
	}
}

// logger is the app's logger with the fields of a job.
func (r *queueRun) logger(info JobInfo) zerolog.Logger {
	return r.app.log.With().Str("worker", r.worker).Str("workerExecutionID", executionID(info)).
		Str("kind", info.Kind).Int("attempt", info.Attempt).Logger()
}

// executionID is the execution ID of a job.
func executionID(info JobInfo) string { return strconv.FormatInt(info.ID, 10) }
