package main

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/workerfx/workerfx"
)

// soak is what all that takes part in one soak shares:
//
//	kinds ──► groups ──► workers ◄── commands ── operator
//	                      │ │ │
//	       every run      │ │ └── every item ──► item counts
//	tracker ◄─────────────┘ │
//	                        └── reports, metrics, heap, goroutines ──► watch
//
//	some runs ──► precedence, hangs, drains, failureGroups
//
//	tracker, item counts, all these, watch, the stop ──► verdict
type soak struct {
	config   config
	registry *prometheus.Registry
	pool     *workerfx.Pool // set before anything runs
	tracker  *tracker
	operator *operator

	// Filled while the app is made, and not changed after.
	workers int
	streams []*stream
	lasting map[string]bool          // workers that are there to stay
	steady  map[string]time.Duration // workers on a schedule that nobody meddles with, and how often they run
	ranks   []*rank                  // of all chains

	up       chan struct{} // closed once the app has started: what its start waits for may fail from then on
	stopping atomic.Bool   // the app is about to be stopped
	calm     atomic.Bool   // nothing fails on purpose any more
	watched  *findings     // set once the watch is over
	end      ending        // set once the app has stopped

	outlived      faults // children that outlived their parent's run
	precedence    precedence
	hangs         hangs
	drains        drains
	failureGroups failureGroups
}

// ending is how the stop went.
type ending struct {
	asked      time.Time
	err        error
	took       time.Duration
	goroutines int    // left over
	stacks     string // of all that there are, if some are left over
	handedOver int64
	unsettled  faults
}

func newSoak(c config) *soak {
	s := &soak{
		config:   c,
		registry: prometheus.NewRegistry(),
		lasting:  make(map[string]bool),
		steady:   make(map[string]time.Duration),
		up:       make(chan struct{}),
	}
	s.tracker = newTracker(s.startedAt)
	s.operator = newOperator(s)
	return s
}

// know makes the pool known, before anything runs, and adds the groups to it. The command of targets is as random
// as that of value groups.
func (s *soak) know(pool *workerfx.Pool, groups []*workerGroup) error {
	s.pool = pool
	for _, g := range groups {
		if err := pool.AddGroup(g, g.kind.group...); err != nil {
			return err
		}
	}
	slices.SortFunc(s.operator.targets, func(a, b *target) int { return strings.Compare(a.name, b.name) })
	return nil
}

// isUp is called when the app has started.
func (s *soak) isUp() {
	s.precedence.appIsReady(s.ranks)
	close(s.up)
}

// mayFail tells whether the app has started. Until then the workers that it waits for must not fail.
func (s *soak) mayFail() bool {
	select {
	case <-s.up:
		return true
	default:
		return false
	}
}

// witness is a worker that notes when it is asked to stop. Nobody but the pool's Stop asks it.
func (s *soak) witness(ctx context.Context) error {
	<-ctx.Done()
	s.tracker.sawStop()
	return ctx.Err()
}

// startedAt is when the run of that ID began, by the pool's own report; the zero time if it has none.
func (s *soak) startedAt(id string) time.Time {
	for _, e := range s.pool.Executions() {
		if e.ID == id {
			return e.StartedAt
		}
	}
	return time.Time{}
}

// handOverRest has every stream's body hand over what was left to it when the pool stopped, outside of the pool and
// with nothing that fails: what a body had in hand and what nobody had received yet.
func (s *soak) handOverRest() {
	if s.end.err != nil {
		return // who did not stop may still be at it
	}
	s.calm.Store(true)
	for _, stream := range s.streams {
		before := stream.succeeded()
		close(stream.items)
		if err := stream.body(context.Background()); err != nil {
			s.end.unsettled.addf("%s: %v", stream.name, err)
		}
		s.end.handedOver += stream.succeeded() - before
	}
}
