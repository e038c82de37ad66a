package main

import (
	"sync"
	"sync/atomic"

	"github.com/workerfx/workerfx"
)

// squads is what all groups have shown of their strategies.
type squads struct {
	regrouped, stopped atomic.Int64 // workers that ran again after a failure, and those that were stopped for another's

	endless map[string]bool // all of their workers, none of which is ever done; not changed once the app is made

	beside  faults // old runs that went on when one that had failed ran again
	without faults // runs that were stopped for no failure that they share
	done    faults // workers that are, as one of their group did not stop
}

// enlist notes a worker of a group.
func (q *squads) enlist(worker string) {
	if q.endless == nil {
		q.endless = make(map[string]bool)
	}
	q.endless[worker] = true
}

// check looks for workers that are done.
func (q *squads) check(executions []workerfx.Execution) {
	for _, e := range executions {
		if q.endless[e.Worker] && e.Status >= workerfx.StatusSuccess {
			q.done.addf("%s: %v: %v", e.Worker, e.Status, e.Err)
		}
	}
}

// squad is a group whose workers share their failures by a strategy.
type squad struct {
	strategy workerfx.Strategy
	book     *squads
	mates    []*mate // in the group's order

	mu   sync.Mutex // guards what is below, and in the mates
	time int64      // goes on with each begin and failure
}

// mate is a worker of a squad.
type mate struct {
	squad *squad
	index int
	name  string
	tally *tally

	running bool
	began   int64 // the latest run
	failed  int64 // when the latest run failed, until another one begins; 0 = it did not
	ordered int64 // orders that there were by then; -1 = one was under way
}

// begin notes that a run began. If it follows a failure, those that share it have stopped since.
func (m *mate) begin() {
	s := m.squad
	s.mu.Lock()
	defer s.mu.Unlock()
	if m.failed != 0 && m.ordered == m.tally.ordered.Load() { // else it may be an order, which nobody shares
		s.book.regrouped.Add(1)
		for _, o := range s.mates {
			if m.shares(o) && o.running && o.began < m.failed {
				s.book.beside.addf("%s runs again beside an old run of %s", m.name, o.name)
			}
		}
	}
	s.time++
	m.running, m.began, m.failed = true, s.time, 0
}

// end notes that a run is over, before the pool can know.
func (m *mate) end(failed bool) {
	s := m.squad
	s.mu.Lock()
	defer s.mu.Unlock()
	m.running = false
	if !failed {
		return
	}
	s.time++
	m.failed, m.ordered = s.time, m.tally.ordered.Load()
	if m.tally.isOrdered() {
		m.ordered = -1
	}
}

// wasStopped notes that the context of a run ended, which no order did, nor the pool's stop: then one has failed, and
// did not run again since.
func (m *mate) wasStopped() {
	s := m.squad
	s.mu.Lock()
	defer s.mu.Unlock()
	s.book.stopped.Add(1)
	for _, o := range s.mates {
		if o.shares(m) && o.failed != 0 {
			return
		}
	}
	s.book.without.addf("%s was stopped, and none had failed whose failures it shares", m.name)
}

// shares tells whether m's failures are shared by o.
func (m *mate) shares(o *mate) bool {
	switch m.squad.strategy {
	case workerfx.OneForAll:
		return o != m
	case workerfx.RestForOne:
		return o.index > m.index
	}
	return false
}
