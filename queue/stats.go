package queue

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/workerfx/workerfx/queue/internal/database"
)

const (
	// statsAge is how old the numbers of jobs may be. They are older if it takes long to count: see maxShare.
	statsAge = 5 * time.Second
	// maxShare is the largest part of the time in which a process counts jobs: a fiftieth.
	maxShare = 50
	// statsTimeout limits a count.
	statsTimeout = 5 * time.Second
	// statsDrop is the age at which numbers mean nothing any more, if the last count failed.
	statsDrop = time.Minute
)

// queueStats are the numbers of jobs of a queue.
type queueStats struct {
	jobs map[State]int
	due  time.Duration // for how long the oldest job that waits has been due; 0 if none is due
}

// stats are the numbers of jobs by queue. They do not change.
type stats struct {
	at     time.Time
	queues map[string]queueStats
}

// statsCache counts jobs for all who ask, so that many scrapes do not load the database.
type statsCache struct {
	count func(context.Context) ([]database.Count, error)

	mu    sync.Mutex // guards the fields below
	last  stats
	next  time.Time       // the next count
	fails bool            // the last count failed
	known map[string]bool // queues that had jobs; they are reported also when they have none

	interrupt context.CancelFunc // ends the count that is under way; nil if there was none
}

// get returns the numbers. They are empty if the database does not answer. A second caller does not wait for a count, and
// gets the numbers of the last one.
func (c *statsCache) get(ctx context.Context) stats {
	c.mu.Lock()
	if now := time.Now(); now.After(c.next) && ctx.Err() == nil {
		c.next = now.Add(statsTimeout)                                                    // nobody else counts until then
		counting, cancel := context.WithTimeout(context.WithoutCancel(ctx), statsTimeout) // the count is for others, too
		c.interrupt = cancel
		c.mu.Unlock()
		c.refresh(counting)
		cancel()
		c.mu.Lock()
	}
	defer c.mu.Unlock()
	if c.fails && time.Since(c.last.at) > statsDrop {
		return stats{}
	}
	return c.last
}

// expire makes the next caller count.
func (c *statsCache) expire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.next = time.Time{}
}

// end ends the count that is under way, so that the stop of the app need not wait for it.
func (c *statsCache) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.interrupt != nil {
		c.interrupt()
	}
}

func (c *statsCache) refresh(ctx context.Context) {
	begun := time.Now()
	counts, err := c.count(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	pause := max(statsAge, maxShare*time.Since(begun))
	if c.fails = err != nil; c.fails {
		c.next = time.Now().Add(min(pause, statsDrop)) // it may have recovered by then
		return
	}
	c.next = time.Now().Add(pause)
	for _, n := range counts {
		c.known[n.Queue] = true
	}
	c.last = statsOf(counts, c.known, begun)
}

// waiting are the states of jobs that a client may fetch when they are due.
var waiting = []State{StateAvailable, StateScheduled, StateRetryable}

func statsOf(counts []database.Count, queues map[string]bool, at time.Time) stats {
	s := stats{at: at, queues: make(map[string]queueStats, len(queues))}
	for queue := range queues {
		s.queues[queue] = queueStats{jobs: make(map[State]int)}
	}
	for _, n := range counts {
		q := s.queues[n.Queue]
		q.jobs[State(n.State)] = n.Jobs
		if slices.Contains(waiting, State(n.State)) {
			q.due = max(q.due, time.Duration(n.Oldest*float64(time.Second)))
		}
		s.queues[n.Queue] = q
	}
	return s
}
