package queue

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/queue/internal/database"
	"github.com/workerfx/workerfx/queue/internal/riveradapter"
)

// appQueue is the database and the handlers of an app.
type appQueue struct {
	settings

	db       database.Database
	pool     *workerfx.Pool // nil in an app that only enqueues
	log      zerolog.Logger
	riverLog *slog.Logger
	opened   atomic.Bool // the database is open

	// Set once, before the app starts.
	handlers  map[string]*handler
	hooks     hookSet
	periodic  []periodic
	durations *prometheus.HistogramVec // nil without a registry
	collector *jobsCollector           // nil without a registry

	swept atomic.Int64 // when the last sweep began, in nanoseconds after processStart

	stats      *statsCache
	endOverdue func() // ends the warnings about queues that nobody works
}

func newAppQueue(db database.Database, pool *workerfx.Pool, s settings, log zerolog.Logger) *appQueue {
	return &appQueue{
		settings: s, db: db, pool: pool, log: log, riverLog: riveradapter.NewLogger(log), handlers: make(map[string]*handler),
		stats: &statsCache{count: db.Counts, known: make(map[string]bool)},
	}
}

// add adds the registrations of the app, and returns an error about wrong ones.
func (a *appQueue) add(all []registration) error {
	var errs []error
	for _, r := range all {
		switch {
		case r.handler != nil:
			errs = append(errs, a.addHandler(r.handler))
		case r.periodic != nil:
			a.periodic = append(a.periodic, *r.periodic)
		case r.hooks != nil:
			a.hooks = append(a.hooks, *r.hooks)
		}
	}
	errs = append(errs, checkPeriodics(a.periodic))
	return errors.Join(errs...)
}

func (a *appQueue) addHandler(added *handler) error {
	if before := a.handlers[added.kind]; before != nil {
		names := []string{before.name, added.name}
		slices.Sort(names)
		return fmt.Errorf("queue: kind %q has two handlers, %s and %s", added.kind, names[0], names[1])
	}
	if types := a.db.TxTypes(); added.txType != nil && !slices.Contains(types, added.txType) {
		return fmt.Errorf("queue: handler of kind %q (%s) wants its transaction as %v, %v has %v",
			added.kind, added.name, added.txType, a.db, types[0])
	}
	a.handlers[added.kind] = added
	return nil
}

// setMaxTransactions tells the database how many transactions handlers may have at the same time.
func (a *appQueue) setMaxTransactions() {
	slots := 0
	for _, q := range a.queues {
		slots += q.slots
	}
	for _, handler := range a.handlers {
		if handler.txType != nil {
			a.db.SetMaxTransactions(slots)
			return
		}
	}
}

// queueNames are the queues that this process works: those that the configuration does not exclude.
func (a *appQueue) queueNames() []string {
	if len(a.queues) == 0 {
		return nil
	}
	excluded := a.pool.Excluded()
	names := make([]string, 0, len(a.queues))
	for _, q := range a.queues {
		if !slices.Contains(excluded, groupName+"/"+q.name) {
			names = append(names, q.name)
		}
	}
	return names
}
