package main

import (
	"context"
	"sync"
	"time"

	"github.com/workerfx/workerfx"
)

// halts are the times in which the process did not run at all: a machine that many share is halted for seconds, now and
// then. Nobody can be blamed for what did not happen meanwhile. Its zero value is ready.
type halts struct {
	mu  sync.Mutex
	all []halt
}

type halt struct {
	end    time.Time
	length time.Duration
}

const (
	// haltStep is how often the process is looked at.
	haltStep = 100 * time.Millisecond
	// leastHalt is more than a busy machine makes somebody wait for his turn.
	leastHalt = 2 * time.Second
)

// observe is a worker that notes the halts.
func (h *halts) observe(ctx context.Context) error {
	for before := time.Now(); ctx.Err() == nil; before = time.Now() {
		workerfx.Wait(ctx, haltStep)
		h.note(before.Add(haltStep), time.Now())
	}
	return ctx.Err()
}

// note takes note of the time between two moments, if that was a halt.
func (h *halts) note(from, to time.Time) {
	if to.Sub(from) < leastHalt {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all = append(h.all, halt{to, to.Sub(from)})
}

// between is how long the process did not run between two moments.
func (h *halts) between(from, to time.Time) (lost time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, halt := range h.all {
		begin, end := halt.end.Add(-halt.length), halt.end
		if begin.Before(from) {
			begin = from
		}
		if end.After(to) {
			end = to
		}
		lost += max(end.Sub(begin), 0)
	}
	return lost
}

// ran is how much time passed between two moments while the process ran.
func (h *halts) ran(from, to time.Time) time.Duration { return to.Sub(from) - h.between(from, to) }
