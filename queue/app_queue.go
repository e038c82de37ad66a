package queue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
	"github.com/rs/zerolog"

	"github.com/workerfx/workerfx"
)

// appQueue is the database and the handlers of an app.
type appQueue struct {
	settings

	db     database
	log    zerolog.Logger
	river  *slog.Logger
	opened atomic.Bool // the database may be asked

	// Set once, before the app starts.
	handlers  map[string]*handler
	hooks     hookSet
	periodic  []periodic
	durations *prometheus.HistogramVec // nil without a registry

	swept atomic.Int64 // when the last sweep began, in Unix nanoseconds
}

func newAppQueue(db database, s settings, log zerolog.Logger) *appQueue {
	return &appQueue{settings: s, db: db, log: log, river: newRiverLog(log), handlers: make(map[string]*handler)}
}

// add adds the registrations of the app, and returns an error about wrong ones.
func (h *appQueue) add(all []registration) error {
	var errs []error
	for _, r := range all {
		switch {
		case r.handler != nil:
			errs = append(errs, h.addHandler(r.handler))
		case r.periodic != nil:
			h.periodic = append(h.periodic, *r.periodic)
		case r.hooks != nil:
			h.hooks = append(h.hooks, *r.hooks)
		}
	}
	return errors.Join(errs...)
}

func (h *appQueue) addHandler(added *handler) error {
	if before := h.handlers[added.kind]; before != nil {
		names := []string{before.name, added.name}
		slices.Sort(names)
		return fmt.Errorf("queue: kind %q has two handlers, %s and %s", added.kind, names[0], names[1])
	}
	if types := h.db.txTypes(); added.txType != nil && !slices.Contains(types, added.txType) {
		return fmt.Errorf("queue: handler of kind %q (%s) wants its transaction as %v, %v has %v",
			added.kind, added.name, added.txType, h.db, types[0])
	}
	h.handlers[added.kind] = added
	return nil
}

// makeRoom tells the database how many transactions handlers may have at the same time.
func (h *appQueue) makeRoom() {
	slots := 0
	for _, q := range h.queues {
		slots += q.slots
	}
	for _, handler := range h.handlers {
		if handler.txType != nil {
			h.db.makeRoom(slots)
			return
		}
	}
}

// permanentError is an error for which another try is useless.
type permanentError struct{ error }

func (e permanentError) Unwrap() error { return e.error }

// retryPause is the wait between two tries to reach the database.
var retryPause = workerfx.ExponentialBackoff{Initial: 50 * time.Millisecond, Max: time.Second}

// start opens the database. If it cannot be used, start closes it again, as Fx calls no stop hook then.
func (h *appQueue) start(ctx context.Context) error {
	if err := h.tryToStart(ctx); err != nil {
		h.db.close()
		return fmt.Errorf("queue: %v: %w", h.db, err)
	}
	h.opened.Store(true)
	return nil
}

// tryToStart opens the database and migrates its schema. It tries again until ctx is about to end.
func (h *appQueue) tryToStart(ctx context.Context) error {
	begun := time.Now()
	budget, cancel := shortOf(ctx)
	defer cancel()
	var before error
	for try := 1; ; try++ {
		err := h.prepare(budget)
		if err == nil {
			return nil
		}
		if budget.Err() != nil && before != nil {
			err = before // says more than that time is up
		}
		before = err
		_, permanent := errors.AsType[permanentError](err)
		switch {
		case permanent, errors.Is(err, ErrSchemaBehind):
			return err
		case budget.Err() != nil:
			return fmt.Errorf("cannot be used (%d tries in %v), is it up, and are address, user and database right? %w",
				try, time.Since(begun).Round(time.Millisecond), err)
		}
		h.log.Warn().Err(err).Str("database", h.db.String()).Int("try", try).Msg("queue cannot use its database, it will try again")
		workerfx.Wait(budget, retryPause.Duration(try))
	}
}

func (h *appQueue) prepare(ctx context.Context) error {
	if err := h.db.open(ctx, h.river); err != nil {
		return err
	}
	if err := h.db.migrate(ctx, h.river, !h.noMigrations); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}

// shortOf returns ctx with an earlier deadline: by a tenth of the time that is left, at most a second. So the
// caller gets the error of the last try, and not only that of the deadline.
func shortOf(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, bounded := ctx.Deadline()
	if !bounded {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, deadline.Add(-min(time.Until(deadline)/10, time.Second)))
}

// stop closes the database. A handler may still have a transaction: stop waits for it only as long as the app can,
// as other hooks follow.
func (h *appQueue) stop(ctx context.Context) error {
	h.opened.Store(false)
	budget, cancel := shortOf(ctx)
	defer cancel()
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		h.db.close()
	}()
	select {
	case <-closed:
		return nil
	case <-budget.Done():
		return fmt.Errorf("queue: %v: not closed, as somebody still uses it", h.db)
	}
}

// Settings of River that differ from its defaults.
const (
	// fetchCooldown is the shortest time between two looks for jobs. River's 100ms is 10 looks a second.
	fetchCooldown = time.Millisecond
	// rescueNever keeps River from what the sweep does: to take over jobs that have run for an hour.
	rescueNever = 100 * 365 * 24 * time.Hour
	// soon is how far ahead clients look for jobs. River's scheduler, which looks every five seconds, is for later jobs.
	soon = 5 * time.Second
	// sweepEvery is the time between two looks for jobs of processes that died.
	sweepEvery = time.Second
)

// riverConfig is the configuration of a client that works a queue.
func (h *appQueue) riverConfig(q *queueWorker, e *riverAdapter) (*river.Config, error) {
	workers := river.NewWorkers()
	for kind := range h.handlers {
		river.AddWorkerArgs[rawArgs](workers, rawArgs{kind: kind}, e)
	}
	periodics, err := riverPeriodics(h.periodic)
	if err != nil {
		return nil, err
	}
	return &river.Config{
		Logger: newRiverLog(h.log.With().Str("worker", e.worker).Logger()), Workers: workers, ErrorHandler: e, PeriodicJobs: periodics,
		Queues:        map[string]river.QueueConfig{q.name: {MaxWorkers: q.slots}},
		FetchCooldown: fetchCooldown, JobTimeout: -1, RescueStuckJobsAfter: rescueNever,
		Hooks: []rivertype.Hook{&insertHook{}}, SkipUnknownJobCheck: true,
	}, nil
}

// insertHook refuses arguments that PostgreSQL cannot store. And it makes jobs that are due soon available at once,
// as River does with attempts. Clients wait for their time.
type insertHook struct{ river.HookDefaults }

// InsertBegin is called before a job is inserted.
func (*insertHook) InsertBegin(_ context.Context, job *rivertype.JobInsertParams) error {
	if err := checkZeroBytes(job.Kind, job.EncodedArgs); err != nil {
		return err
	}
	if job.State == rivertype.JobStateScheduled && job.ScheduledAt != nil && time.Until(*job.ScheduledAt) <= soon {
		job.State = rivertype.JobStateAvailable
	}
	return nil
}

// sweepNow frees the jobs of processes that are gone, unless this process has just done it.
func (h *appQueue) sweepNow(ctx context.Context, joined *session, log *zerolog.Logger) {
	now, last := time.Now().UnixNano(), h.swept.Load()
	if now-last < int64(sweepEvery/2) || !h.swept.CompareAndSwap(last, now) {
		return
	}
	freed, err := joined.sweep(ctx)
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
		h.hooks.discarded(ctx, log, info, failed)
	}
}

// queueNames are the queues that this process works.
func (h *appQueue) queueNames() []string {
	names := make([]string, len(h.queues))
	for i, q := range h.queues {
		names[i] = q.name
	}
	return names
}
