package main

import (
	"bytes"
	"encoding/json"
	"maps"
	"sync"
	"time"
)

// hangs keeps account of the runs that gave no sign of life: each is to be told once, in the log, and its context
// to be ended. It holds no more than the runs whose account is not closed. Its zero value is ready, before anything
// runs.
type hangs struct {
	watched map[string]bool // workers; not changed once the app is made
	halts   halts           // which are no hangs

	mu    sync.Mutex             // guards what is below
	open  map[string]hangAccount // by execution ID
	again map[string]time.Time   // workers that are to run again, and since when
	ended int64                  // runs whose context ended because they hung
	told  int64                  // hangs

	mistold, unrelieved faults
}

const (
	// slowRelief is far more than it takes to end a run that hangs, even on a busy machine.
	slowRelief = 5 * time.Second
	// slowReturn is far more than it takes to run again, with the longest backoff and a few pauses in between.
	slowReturn = 15 * time.Second
	// lateTelling is far more than it takes to tell of a hang after the run.
	lateTelling = time.Minute
)

// hangAccount is what is known of a run that gave no sign of life, or was told not to.
type hangAccount struct {
	worker string
	state  hangState
	since  time.Time
}

type hangState uint8

const (
	closed    hangState = iota // nothing is owed
	toldAhead                  // it was told, and the run is not over yet
	owed                       // the run ended for it, and it was not told yet
	possible                   // the run was silent for about as long as it may be, but ended otherwise: it may be told
)

func (h *hangs) watch(worker string) {
	if h.watched == nil {
		h.watched = make(map[string]bool)
	}
	h.watched[worker] = true
}

// Write takes a line of the pool's log.
func (h *hangs) Write(line []byte) (int, error) {
	if bytes.Contains(line, []byte(`"message":"worker is stuck"`)) {
		var told struct{ Worker, WorkerExecutionID string }
		if err := json.Unmarshal(line, &told); err != nil {
			h.mistold.addf("line of the log: %v: %s", err, line)
		} else if h.watched[told.Worker] {
			h.wasTold(told.Worker, told.WorkerExecutionID)
		}
	}
	return len(line), nil
}

func (h *hangs) wasTold(worker, id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.told++
	switch h.open[id].state {
	case closed:
		h.set(id, hangAccount{worker, toldAhead, time.Now()})
	case owed, possible:
		delete(h.open, id)
	case toldAhead:
		h.mistold.addf("%s: run %s was told to hang twice", worker, id)
	}
}

// hung notes that a run is over whose context ended because it hung.
func (h *hangs) hung(worker, id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ended++
	h.expect(id, hangAccount{worker, owed, time.Now()})
	if h.again == nil {
		h.again = make(map[string]time.Time)
	}
	h.again[worker] = time.Now()
}

// begin notes that a run began.
func (h *hangs) begin(worker string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.checkReturn(worker, time.Now())
	delete(h.again, worker)
}

// checkReturn notes a fault if a worker has waited for too long to be run again. h.mu is held.
func (h *hangs) checkReturn(worker string, now time.Time) {
	since, ok := h.again[worker]
	if took := h.halts.ran(since, now); ok && took > slowReturn {
		h.unrelieved.addf("%s: a run was ended for a hang, and in %v none began", worker, took)
	}
}

// mayHaveHung notes that a run is over that may have been told to hang, but ended for another reason.
func (h *hangs) mayHaveHung(worker, id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	maps.DeleteFunc(h.open, func(_ string, a hangAccount) bool {
		return a.state == possible && now.Sub(a.since) > lateTelling
	})
	h.expect(id, hangAccount{worker, possible, now})
}

// expect closes the account of a run that was told to hang, or else opens one. h.mu is held.
func (h *hangs) expect(id string, a hangAccount) {
	before := h.open[id]
	if before.state != toldAhead {
		h.set(id, a)
		return
	}
	delete(h.open, id)
	if took := h.halts.ran(before.since, a.since); a.state == possible && took > slowRelief {
		h.unrelieved.addf("%s: run %s was told to hang, and not ended for it in %v", a.worker, id, took)
	}
}

// set keeps an account. h.mu is held.
func (h *hangs) set(id string, a hangAccount) {
	if h.open == nil {
		h.open = make(map[string]hangAccount)
	}
	h.open[id] = a
}

// close is called when nothing runs any more, since the app was asked to stop. It makes faults of the accounts that
// are not closed, and returns how many runs were ended for a hang, and how many hangs were told.
func (h *hangs) close(asked time.Time) (ended, told int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for worker := range h.again {
		h.checkReturn(worker, asked)
	}
	for id, a := range h.open {
		switch a.state {
		case owed:
			h.mistold.addf("%s: run %s was ended for a hang that was not told", a.worker, id)
		case toldAhead:
			h.mistold.addf("%s: run %s was told to hang, once too often or for no reason", a.worker, id)
		}
	}
	h.open, h.again = nil, nil
	return h.ended, h.told
}

// pulse is how long a run was silent at most, as far as anybody else could think.
type pulse struct {
	first   time.Time // after the first sign of life
	last    time.Time // before the last one
	longest time.Duration
}

// beat gives a sign of life.
func (p *pulse) beat(give func()) {
	before := time.Now()
	give()
	if p.first.IsZero() {
		p.first, p.last = time.Now(), before
	}
	p.longest = p.silence()
	p.last = before
}

// silence is the longest silence up to now.
func (p *pulse) silence() time.Duration { return max(p.longest, time.Since(p.last)) }
