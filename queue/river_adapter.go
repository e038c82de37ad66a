package queue

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/workerfx/workerfx"
)

// rawArgs are the arguments of a job of any kind. The handler decodes them.
type rawArgs struct{ kind string }

// Kind is the kind for which River has the worker.
func (a rawArgs) Kind() string { return a.kind }

// UnmarshalJSON does nothing: the handler decodes the arguments.
func (*rawArgs) UnmarshalJSON([]byte) error { return nil }

// MarshalJSON fails, as nothing is enqueued with it.
func (rawArgs) MarshalJSON() ([]byte, error) { return nil, errors.ErrUnsupported }

// riverAdapter works the jobs of one run of a queue. It is the River worker of all kinds.
type riverAdapter struct {
	river.WorkerDefaults[rawArgs]

	app               *appQueue
	run               context.Context //nolint:containedctx // the run's, which counts its jobs
	worker            string
	stacks            *stacks
	handlerGoroutines *handlerGoroutines
	alive             context.Context //nolint:containedctx // the session's life
}

// newRiverAdapter makes the River adapter of a run, for a client that has its lock.
func newRiverAdapter(run context.Context, q *queueWorker, joined *session) *riverAdapter {
	return &riverAdapter{
		app: q.app, run: run, worker: workerfx.CtxWorkerName(run), alive: joined.alive,
		stacks: &stacks{}, handlerGoroutines: &handlerGoroutines{most: q.slots},
	}
}

// Timeout is the timeout of the job's handler.
func (e *riverAdapter) Timeout(job *river.Job[rawArgs]) time.Duration {
	if d := e.app.handlers[job.Kind].timeout; d > 0 {
		return d
	}
	return -1 // none
}

// NextRetry is the time of the next attempt after a failure.
func (e *riverAdapter) NextRetry(job *river.Job[rawArgs]) time.Time {
	return e.app.handlers[job.Kind].nextAttempt(job.Attempt)
}

// Work works a job, and tells River how it ended.
func (e *riverAdapter) Work(ctx context.Context, job *river.Job[rawArgs]) error {
	h := e.app.handlers[job.Kind]
	a := &attempt{riverAdapter: e, handler: h, row: job.JobRow, info: infoOf(job.JobRow)}
	log := e.logger(a.info)
	ctx = workerfx.JobContext(ctx, executionID(a.info), a.info.Attempt)
	ctx = log.WithContext(context.WithValue(ctx, currentKey{}, &current{info: a.info}))
	ctx, span := a.startSpan(ctx)
	e.app.hooks.locked(ctx, &log, a.info)
	begun := time.Now()
	err := a.work(ctx)
	how := a.conclude(ctx, err)
	a.observe(time.Since(begun), how)
	a.endSpan(span, err, how)
	e.app.hooks.done(ctx, &log, a.info, err)
	a.report(ctx, &log, err, how)
	return a.forRiver(err, how)
}

// logger is the app's logger with the fields of a job.
func (e *riverAdapter) logger(info JobInfo) zerolog.Logger {
	return e.app.log.With().Str("worker", e.worker).Str("workerExecutionID", executionID(info)).
		Str("kind", info.Kind).Int("attempt", info.Attempt).Logger()
}

// executionID is the execution ID of a job.
func executionID(info JobInfo) string { return strconv.FormatInt(info.ID, 10) }

// jobFields adds the fields of a job to a line.
func jobFields(info JobInfo) func(*zerolog.Event) {
	return func(e *zerolog.Event) {
		e.Str("workerExecutionID", executionID(info)).Str("kind", info.Kind).Int("attempt", info.Attempt).Str("queue", info.Queue)
	}
}

// HandleError is called by River for an attempt that failed. Failures of handlers were reported before.
func (e *riverAdapter) HandleError(ctx context.Context, row *rivertype.JobRow, err error) *river.ErrorHandlerResult {
	if _, unknown := errors.AsType[*rivertype.UnknownJobKindError](err); !unknown {
		return nil
	}
	info := infoOf(row)
	log := e.logger(info)
	log.Error().Str("queue", info.Queue).Msg("job has a kind that this process has no handler for: " +
		"provide one, or keep the kind in a queue that only processes with its handler work")
	workerfx.CountJob(e.run, err)
	e.app.hooks.unknown(ctx, &log, info)
	if info.Attempt >= info.MaxAttempts {
		info.State = StateDiscarded
		e.app.hooks.discarded(ctx, &log, info, err)
	}
	return nil
}

// HandlePanic is called by River for a panic in this package: panics of handlers do not reach River.
func (*riverAdapter) HandlePanic(context.Context, *rivertype.JobRow, any, string) *river.ErrorHandlerResult {
	return nil
}

// ending says how an attempt ended.
type ending uint8

const (
	succeeded   ending = iota
	failed             // there is another attempt
	exhausted          // there is none
	discarded          // the handler gave the job up
	rescheduled        // the handler wants it to run again later
	interrupted        // its worker stops, or lost its lock
)

var endingNames = [...]string{"succeeded", "failed", "exhausted", "discarded", "rescheduled", "interrupted"}

func (e ending) String() string { return endingNames[e] }

// isFailure tells whether the attempt failed.
func (e ending) isFailure() bool { return e == failed || e == exhausted || e == discarded }

// attempt is one attempt of a job.
type attempt struct {
	*riverAdapter

	handler *handler
	row     *rivertype.JobRow
	info    JobInfo
}

// work calls the handler, in a transaction if it takes one. The handler has a goroutine of its own, as it may end it
// (runtime.Goexit).
func (a *attempt) work(ctx context.Context) (err error) {
	handle := func(ctx context.Context, tx any) error {
		run := func(ctx context.Context) error { return a.handler.handle(ctx, tx, a.info) }
		for _, wrap := range slices.Backward(a.handler.middleware) {
			run = wrap(run)
		}
		return run(ctx)
	}
	if a.handler.txType == nil {
		return a.handlerGoroutines.call(func() error { return handle(ctx, nil) })
	}
	return a.handlerGoroutines.call(func() error {
		return a.app.db.work(ctx, a.handler.txType, a.row, func(tx any) error {
			return handle(context.WithValue(ctx, currentKey{}, &current{info: a.info, tx: tx}), tx)
		})
	})
}

// conclude returns how the attempt ended.
func (a *attempt) conclude(ctx context.Context, err error) ending {
	if err == nil {
		return succeeded
	}
	if errors.Is(context.Cause(ctx), river.ErrJobCancelledRemotely) {
		return discarded // whatever it was: River does not ask
	}
	if _, ok := errors.AsType[*rescheduleError](err); ok {
		return rescheduled
	}
	if _, ok := errors.AsType[*discardError](err); ok {
		return discarded
	}
	if a.alive.Err() != nil {
		return interrupted // whatever it was: nobody hears of it
	}
	if errors.Is(ctx.Err(), context.Canceled) && (errors.Is(err, context.Canceled) || errors.Is(err, context.Cause(ctx))) {
		return interrupted
	}
	if a.info.Attempt >= a.info.MaxAttempts {
		return exhausted
	}
	return failed
}

var errJob = errors.New("job failed")

// report logs and counts the attempt, and calls the hooks.
func (a *attempt) report(ctx context.Context, log *zerolog.Logger, err error, how ending) {
	level, message := zerolog.DebugLevel, "job "+how.String()
	switch how {
	case succeeded, rescheduled:
	case interrupted:
		message = "job interrupted, it will run again"
	case failed:
		level, message = zerolog.WarnLevel, "job failed, it will run again"
	case exhausted, discarded:
		level, message = zerolog.ErrorLevel, "job discarded"
	}
	event := log.WithLevel(level).AnErr(zerolog.ErrorFieldName, err)
	if panicked, ok := errors.AsType[*workerfx.PanicError](err); ok {
		event = event.Bytes("stack", panicked.Stack)
	}
	event.Msg(message)
	switch how {
	case interrupted:
	case succeeded, rescheduled:
		workerfx.CountJob(a.run, nil)
	default:
		workerfx.CountJob(a.run, errJob) // not err: whatever it wraps, the job failed
	}
	if how == exhausted || how == discarded {
		given := a.info
		given.State = StateDiscarded
		if how == discarded {
			given.State = StateCancelled
		}
		a.app.hooks.discarded(ctx, log, given, err)
	}
}

// forRiver returns the error that tells River how the attempt ended.
func (a *attempt) forRiver(err error, how ending) error {
	switch how {
	case succeeded:
		return nil
	case rescheduled:
		reschedule, _ := errors.AsType[*rescheduleError](err)
		return river.JobSnooze(reschedule.wait())
	case discarded:
		return river.JobCancel(stored(err))
	default:
	}
	if panicked, ok := errors.AsType[*workerfx.PanicError](err); ok {
		a.stacks.keep(a.info.ID, storable(string(panicked.Stack)))
	}
	return stored(err)
}

// storedError is an error with a text that can be stored.
type storedError struct {
	error

	text string
}

func (e *storedError) Error() string { return e.text }
func (e *storedError) Unwrap() error { return e.error }

// stored returns an error with a text that the database can store: PostgreSQL has no zero bytes in JSON, and if it
// refuses the end of one attempt, the ends of others wait. It calls the Error method here, where it may panic.
func stored(err error) error {
	if err == nil {
		return nil
	}
	return &storedError{err, storable(err.Error())}
}

func storable(text string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(text, "\x00", "\uFFFD"), "\uFFFD")
}

// startSpan starts the job's span, with a link to the span that enqueued it.
func (a *attempt) startSpan(ctx context.Context) (context.Context, trace.Span) {
	opts := []trace.SpanStartOption{
		trace.WithSpanKind(trace.SpanKindConsumer),
		trace.WithAttributes(
			attribute.Int64("job.id", a.info.ID), attribute.String("job.kind", a.info.Kind),
			attribute.String("job.queue", a.info.Queue), attribute.Int("job.attempt", a.info.Attempt)),
	}
	if origin := traceLinkOf(a.row.Metadata); origin.IsValid() {
		opts = append(opts, trace.WithLinks(trace.Link{SpanContext: origin}))
	}
	return workerfx.CtxTracer(ctx).Start(ctx, "job "+a.info.Kind, opts...)
}

func (*attempt) endSpan(span trace.Span, err error, how ending) {
	span.SetAttributes(attribute.String("job.outcome", how.String()))
	if how.isFailure() {
		span.RecordError(err)
		span.SetStatus(codes.Error, err.Error())
	}
	span.End()
}
