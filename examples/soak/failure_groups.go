package main

import (
	"sync"
	"sync/atomic"

	"github.com/workerfx/workerfx"
)

// failureGroups is what all groups have shown of their strategies.
type failureGroups struct {
	restarted, stopped atomic.Int64 // workers that ran again after a failure, and workers that were stopped for another's failure

	endless map[string]bool // all of their workers, none of which is ever done; not changed once the app is made

	beside  faults // old runs that went on when a failed worker ran again
	without faults // runs that were stopped for no failure that they share
	done    faults // workers that are, as one of their group did not stop
}

// addTarget notes a worker of a group.
func (q *failureGroups) addTarget(worker string) {
	if q.endless == nil {
		q.endless = make(map[string]bool)
	}
	q.endless[worker] = true
}

// check looks for workers that are done.
func (q *failureGroups) check(executions []workerfx.Execution) {
	for _, e := range executions {
		if q.endless[e.Worker] && e.Status >= workerfx.StatusSuccess {
			q.done.addf("%s: %v: %v", e.Worker, e.Status, e.Err)
		}
	}
}

// failureGroup is a group whose workers share their failures by a strategy.
type failureGroup struct {
	strategy workerfx.Strategy
	all      *failureGroups
	members  []*member // in the group's command

	mu   sync.Mutex // guards what is below, and in the members
	time int64      // goes on with each begin and failure
}

// member is a worker of a failureGroup.
type member struct {
	failureGroup *failureGroup
	index        int
	name         string
	counts       *workerCounts

	running   bool
	began     int64 // the latest run
	failed    int64 // when the latest run failed, until another one begins; 0 = it did not
	commanded int64 // commands that there were by then; -1 = one was under way
}

// begin notes that a run began. If it follows a failure, the workers that share the failure have stopped since.
func (m *member) begin() {
	s := m.failureGroup
	s.mu.Lock()
	defer s.mu.Unlock()
	if m.failed != 0 && m.commanded == m.counts.commanded.Load() { // else it may be a command, which nobody shares
		s.all.restarted.Add(1)
		for _, o := range s.members {
			if m.shares(o) && o.running && o.began < m.failed {
				s.all.beside.addf("%s runs again beside an old run of %s", m.name, o.name)
			}
		}
	}
	s.time++
	m.running, m.began, m.failed = true, s.time, 0
}

// end notes that a run is over, before the pool can know.
func (m *member) end(failed bool) {
	s := m.failureGroup
	s.mu.Lock()
	defer s.mu.Unlock()
	m.running = false
	if !failed {
		return
	}
	s.time++
	m.failed, m.commanded = s.time, m.counts.commanded.Load()
	if m.counts.isCommanded() {
		m.commanded = -1
	}
}

// wasStopped notes that the context of a run ended, which no command did, nor the pool's stop: then one has failed, and
// did not run again since.
func (m *member) wasStopped() {
	s := m.failureGroup
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all.stopped.Add(1)
	for _, o := range s.members {
		if o.shares(m) && o.failed != 0 {
			return
		}
	}
	s.all.without.addf("%s was stopped, and none had failed whose failures it shares", m.name)
}

// shares tells whether m's failures are shared by o.
func (m *member) shares(o *member) bool {
	switch m.failureGroup.strategy {
	case workerfx.OneForAll:
		return o != m
	case workerfx.RestForOne:
		return o.index > m.index
	}
	return false
}
