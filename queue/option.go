package queue

import (
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/riverqueue/river"

	"github.com/workerfx/workerfx"
)

// Option configures [Module]. A value out of range is an error of fx.New.
type Option func(*settings)

// The defaults of [Module].
const (
	// DefaultQueue is where jobs are enqueued, and which is worked, unless others are named.
	DefaultQueue = river.QueueDefault
	// DefaultSlots is how many jobs a replica of a queue's worker works at a time.
	DefaultSlots = 10
	// DefaultLease is how long PostgreSQL waits for a sign of life of a process, see [WithLease].
	DefaultLease = 10 * time.Second
)

// WithQueue makes this process work a queue, up to slots jobs at a time. Its worker is "queue/" and the name;
// options are those of any worker, and replicas multiply the slots. Without WithQueue an app with handlers works
// the queue "default" with 10 slots; with it only those that are named. It is an error without any handler.
func WithQueue(name string, slots int, opts ...workerfx.Option) Option {
	return func(s *settings) { s.queues = append(s.queues, queueConfig{name: name, slots: slots, options: opts}) }
}

// WithoutMigrations leaves the database's schema to you. The app does not start with [ErrSchemaBehind], and the
// names of the migrations that are missing, if it is behind.
func WithoutMigrations() Option {
	return func(s *settings) { s.noMigrations = true }
}

// WithLease sets how long a process may be silent on PostgreSQL, because it is frozen or cut off, until its
// jobs are given to others; the jobs of one that dies are so within two seconds. A process that cannot
// reach PostgreSQL for three quarters of it stops its jobs. The default is 10s, the least 1s, the most a day.
func WithLease(d time.Duration) Option {
	return func(s *settings) { s.lease = d }
}

// settings are a module's options put together.
type settings struct {
	queues       []queueConfig
	noMigrations bool
	lease        time.Duration
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

var validQueue = regexp.MustCompile(`\A[A-Za-z0-9]+([_-]+[A-Za-z0-9]+)*\z`)

// validate says which settings are out of range.
func (s *settings) validate() error {
	var errs []error
	if s.lease < minLease || s.lease > maxLease {
		errs = append(errs, fmt.Errorf("queue: lease %v: must be from %v to %v", s.lease, minLease, maxLease))
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
		return fmt.Errorf("queue name %q: must be letters and digits with single - or _ between them, %d at most", name, maxName)
	}
	return nil
}

// worked are the queues of a process that has handlers, or has not.
func (s *settings) worked(handlers int) ([]queueConfig, error) {
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
