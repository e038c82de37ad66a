package main

import (
	"sync"
	"sync/atomic"
	"time"
)

// precedence is what all chains have shown of the command in which their workers begin and stop.
type precedence struct {
	starts, stops atomic.Int64 // looked at
	awaited       int64        // workers that the app's start waited for

	broken  faults
	unready faults // they had not said that they were ready when the app had started
}

// rank is the place of a worker in a chain: it begins once those before it are ready, and stops before they do.
type rank struct {
	name          string
	counts        *workerCounts
	before, after []*rank
	all           *precedence

	mu      sync.Mutex // guards what is below
	running bool       // its function is being called
	ready   bool       // it may be ready for the pool: it said so, or a command made it count as such, and no run began since
	fell    int64      // when it was so last, in nanoseconds since 1970; 0 = it never was, or is
}

// begin notes that a run began. The first one of a worker needs those before it to have been ready at some time
// since the worker was added.
func (r *rank) begin() {
	r.mu.Lock()
	r.running = true
	if r.ready {
		r.ready, r.fell = false, time.Now().UnixNano()
	}
	r.mu.Unlock()
	if len(r.before) == 0 || r.counts.begun.Load() != 1 {
		return
	}
	r.all.starts.Add(1)
	for _, b := range r.before {
		if !b.wasReadySince(r.counts.anewAt.Load()) {
			r.all.broken.addf("%s began before %s was ready", r.name, b.name)
		}
	}
}

// wasReadySince tells whether the pool may have taken the worker for ready since then.
func (r *rank) wasReadySince(then int64) bool {
	if r.counts.isCommanded() { // looked at first: when the command is over, it has left its trace
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ready || r.fell > then
}

// countAsReady notes that the pool may take the worker for ready: it is about to say so, or it may be paused or
// removed, for which nobody waits.
func (r *rank) countAsReady() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ready = true
}

func (r *rank) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.running = false
}

func (r *rank) isRunning() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.running
}

// sawStop notes that the context of a run ended because the pool stops.
func (r *rank) sawStop() {
	if len(r.after) == 0 || r.counts.isCommanded() { // then it may be the command that ended it
		return
	}
	r.all.stops.Add(1)
	for _, a := range r.after {
		if a.isRunning() {
			r.all.broken.addf("%s was stopped before %s was", r.name, a.name)
		}
	}
}

// appIsReady is called when the app has started: all that say when they are ready have done so.
func (p *precedence) appIsReady(ranks []*rank) {
	for _, r := range ranks {
		if len(r.after) == 0 {
			continue
		}
		p.awaited++
		if !r.wasReadySince(0) {
			p.unready.addf("%s", r.name)
		}
	}
}
