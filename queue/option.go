package queue

import (
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/queue/internal/postgres"
)

// Option configures [Module]. A value out of range is an error of fx.New.
type Option func(*settings)

// The defaults of [Module].
const (
	// DefaultQueue is the queue of jobs and of processes that name no other.
	DefaultQueue = river.QueueDefault
	// DefaultSlots is how many jobs a replica of a queue's worker works at a time.
	DefaultSlots = 10
	// DefaultLease is how long a process may be silent on PostgreSQL: see [WithLease].
	DefaultLease = 10 * time.Second
)

// WithQueue makes this process work a queue, up to slots jobs at a time. The name of its worker is "queue/" and the
// name of the queue. Without WithQueue, an app with handlers works the queue "default" with 10 slots. With WithQueue
// it works only the queues that are named. WithQueue without a handler is an error.
//
// opts are the options of this worker, such as [workerfx.WithReplicas], which multiply the slots,
// [workerfx.WithStopTimeout], [workerfx.WithAfter], [workerfx.WithEssential] and [workerfx.WithBackoff]. With
// [workerfx.WithHeartbeat], the worker is stuck when handlers do not return after it has lost its lock or its database, and
// when one try to get its lock takes longer than the heartbeat.
// A schedule and [workerfx.WithName] are an error of the app's start, also a schedule of the configuration.
func WithQueue(name string, slots int, opts ...workerfx.Option) Option {
	return func(s *settings) { s.queues = append(s.queues, queueConfig{name: name, slots: slots, options: opts}) }
}

// WithoutMigrations leaves the database's schema to you. If migrations are missing, the start of the app fails with
// [ErrSchemaBehind] and names them.
func WithoutMigrations() Option {
	return func(s *settings) { s.noMigrations = true }
}

// WithLease sets how long a process may be silent on PostgreSQL, as it is frozen or cut off. Then others take over
// its jobs. They take over the jobs of a process that died within two seconds. A process that cannot reach
// PostgreSQL for three quarters of the lease stops its jobs. The default is 10s. It must be from 1s to a day.
func WithLease(d time.Duration) Option {
	return func(s *settings) { s.lease = d }
}

// WithDirectURL names a PostgreSQL URL for locks and notifications, where the URL or the pool of the database leads
// through a pooler in transaction mode, such as PgBouncer or Supavisor. It must lead to the same database with the same
// schema, without a pooler or through one in session mode. Everything else goes through the pooler, without prepared
// statements. See docs/queue.md for the connections and for the settings of an app's own pool. Without this option, locks
// and notifications use the URL or the configuration of the pool. If their connections do not keep their session, the
// start fails at once. The option is an error with SQLite.
func WithDirectURL(url string) Option {
	return func(s *settings) { s.direct, s.directErr = postgres.ParseURL(url) }
}

// WithHiddenArgs hides the arguments of jobs of these kinds from the dashboard: see [Section]. They stay readable in the
// database. An empty kind is an error.
func WithHiddenArgs(kinds ...string) Option {
	return func(s *settings) { s.hiddenArgs = append(s.hiddenArgs, kinds...) }
}

// settings are all options of a module.
type settings struct {
	queues       []queueConfig
	noMigrations bool
	lease        time.Duration
	direct       *pgxpool.Config // of the direct URL; nil without one
	directErr    error           // of the direct URL
	hiddenArgs   []string        // kinds
}

type queueConfig struct {
	name    string
	slots   int
	options []workerfx.Option
}

func newSettings(opts []Option) (settings, error) {
	s := settings{lease: DefaultLease}
	for i, opt := range opts {
		if opt == nil {
			return s, fmt.Errorf("queue: option %d is nil", i+1)
		}
		opt(&s)
	}
	return s, s.validate()
}

const (
	minLease = time.Second
	maxLease = 24 * time.Hour
	maxName  = 64
)

var validQueue = regexp.MustCompile(`\A[a-z0-9]+([_-][a-z0-9]+)*\z`) // River takes no others

// validate returns an error about settings that are out of range.
func (s *settings) validate() error {
	var errs []error
	if s.lease < minLease || s.lease > maxLease {
		errs = append(errs, fmt.Errorf("queue: lease %v: must be from %v to %v", s.lease, minLease, maxLease))
	}
	if s.directErr != nil {
		errs = append(errs, fmt.Errorf("queue: WithDirectURL: %w", s.directErr))
	}
	for _, kind := range s.hiddenArgs {
		if !validKind.MatchString(kind) {
			errs = append(errs, fmt.Errorf("queue: WithHiddenArgs: kind %q: no job can have it", kind))
		}
	}
	named := make(map[string]bool)
	for _, q := range s.queues {
		if err := checkQueue(q.name); err != nil {
			errs = append(errs, fmt.Errorf("queue: %w", err))
		}
		if q.slots < 1 || q.slots > river.QueueNumWorkersMax {
			errs = append(errs, fmt.Errorf("queue %q: slots %d: must be from 1 to %d", q.name, q.slots, river.QueueNumWorkersMax))
		}
		if named[q.name] {
			errs = append(errs, fmt.Errorf("queue %q: is named twice: WithReplicas makes more workers of it", q.name))
		}
		named[q.name] = true
	}
	return errors.Join(errs...)
}

func checkQueue(name string) error {
	if len(name) > maxName || !validQueue.MatchString(name) {
		return fmt.Errorf("queue name %q: must be lower case letters and digits with single - or _ between them, %d at most", name, maxName)
	}
	return nil
}

// refuseDirectURL returns an error if there is a direct URL, as SQLite has no connections.
func (s *settings) refuseDirectURL() error {
	if s.direct == nil {
		return nil
	}
	return fmt.Errorf("WithDirectURL (%s): is for PostgreSQL, and the jobs are in SQLite", postgres.NameOf(s.direct))
}

// workedQueues returns the queues that a process with this number of handlers works.
func (s *settings) workedQueues(handlers int) ([]queueConfig, error) {
	queues := s.queues
	switch {
	case handlers == 0 && len(queues) > 0:
		return nil, fmt.Errorf("queue %q: there is no handler for its jobs: add one with ProvideHandler", queues[0].name)
	case handlers == 0:
		return nil, nil
	case len(queues) == 0:
		queues = []queueConfig{{name: DefaultQueue, slots: DefaultSlots}}
	}
	return queues, nil
}
