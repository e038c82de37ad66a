// Package riveradapter lets a client of River work the jobs of an app. River calls the adapter, and the adapter calls
// the app. The package does not know handlers, hooks and metrics.
package riveradapter

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/workerfx/workerfx/queue/internal/database"
)

// App is the app, as River sees it. Its methods are called from many goroutines at once.
type App interface {
	// Timeout is the timeout of a kind's handler. Zero is none.
	Timeout(kind string) time.Duration
	// NextAttempt is the time of the next attempt after a failure. The zero time leaves it to River.
	NextAttempt(kind string, attempt int) time.Time
	// Work works a job. Its error tells River how the attempt ended.
	Work(ctx context.Context, row *rivertype.JobRow) error
	// Unknown is called for a job whose kind has no handler.
	Unknown(ctx context.Context, row *rivertype.JobRow, err error)
}

// Settings are the settings of a client.
type Settings struct {
	Queue    string
	Slots    int
	Kinds    []string // that have a handler
	Periodic []*river.PeriodicJob
	Logger   *slog.Logger
}

// rescueNever keeps River from taking over jobs that have run for an hour. The sweep takes over jobs.
const rescueNever = 100 * 365 * 24 * time.Hour

// Config returns the configuration of a client that works a queue.
func Config(app App, s *Settings) *river.Config {
	a := &adapter{app: app}
	workers := river.NewWorkers()
	for _, kind := range s.Kinds {
		river.AddWorkerArgs[rawArgs](workers, rawArgs{kind: kind}, a)
	}
	return &river.Config{
		Logger: s.Logger, Workers: workers, ErrorHandler: a, PeriodicJobs: s.Periodic,
		Queues:        map[string]river.QueueConfig{s.Queue: {MaxWorkers: s.Slots}},
		FetchCooldown: database.FetchCooldown, JobTimeout: -1, RescueStuckJobsAfter: rescueNever,
		Hooks: []rivertype.Hook{&database.InsertHook{}}, SkipUnknownJobCheck: true,
	}
}

// rawArgs are the arguments of a job of any kind.
type rawArgs struct{ kind string }

// Kind is the kind for which River has the worker.
func (a rawArgs) Kind() string { return a.kind }

// UnmarshalJSON does nothing: the handler decodes the arguments.
func (*rawArgs) UnmarshalJSON([]byte) error { return nil }

// MarshalJSON fails, as nothing is enqueued with it.
func (rawArgs) MarshalJSON() ([]byte, error) { return nil, errors.ErrUnsupported }

// adapter is the River worker of all kinds.
type adapter struct {
	river.WorkerDefaults[rawArgs]

	app App
}

// Timeout is the timeout of the job's handler.
func (a *adapter) Timeout(job *river.Job[rawArgs]) time.Duration {
	if d := a.app.Timeout(job.Kind); d > 0 {
		return d
	}
	return -1 // none
}

// NextRetry is the time of the next attempt after a failure.
func (a *adapter) NextRetry(job *river.Job[rawArgs]) time.Time {
	return a.app.NextAttempt(job.Kind, job.Attempt)
}

// Work works a job.
func (a *adapter) Work(ctx context.Context, job *river.Job[rawArgs]) error {
	return a.app.Work(ctx, job.JobRow)
}

// HandleError is called by River for an attempt that failed. The app knows of the failures of its handlers.
func (a *adapter) HandleError(ctx context.Context, row *rivertype.JobRow, err error) *river.ErrorHandlerResult {
	if _, unknown := errors.AsType[*rivertype.UnknownJobKindError](err); unknown {
		a.app.Unknown(ctx, row, err)
	}
	return nil
}

// HandlePanic is called by River for a panic in this module. Panics of handlers do not reach River.
func (*adapter) HandlePanic(context.Context, *rivertype.JobRow, any, string) *river.ErrorHandlerResult {
	return nil
}
