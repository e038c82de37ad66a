package workerfx

import (
	"slices"
	"time"

	"github.com/workerfx/workerfx/internal/lifecycle"
)

// totals are sums over replicas, for metrics. The pool's lock is held in all functions but the first two.
type totals struct {
	counters
	gauges

	// What the worker has, so that there are metrics about it.
	hasJobs, hasTicks, mayBeStuck, expectsReady bool
}

// counters never go back.
type counters struct {
	runs, restarts, successes, failures, panics int64
	jobs, failedJobs, missed                    int64

	lastSuccess instant
	good, bad   *histogram
}

// gauges are about replicas that are there now.
type gauges struct {
	running, replicas       int
	stuck, failed, notReady int
	nextRun                 instant
}

// totalsOf are the sums over the replicas of a worker. Replicas that are gone count, too.
func totalsOf(e *entry) *totals {
	e.pool.mu.Lock()
	defer e.pool.mu.Unlock()
	var sum totals
	sum.addEntry(e)
	return &sum
}

// familyTotals are the sums over workers that are no children, each with its children and their children, by name. One
// lock is held for all, so that no child is counted twice or not at all while it leaves.
func familyTotals(p *Pool) map[string]*totals {
	p.mu.Lock()
	defer p.mu.Unlock()
	families := make(map[string]*totals)
	for _, e := range p.entries {
		name := e.root().name
		if families[name] == nil {
			families[name] = new(totals)
		}
		families[name].addEntry(e)
	}
	return families
}

// addEntry adds a worker. Replicas that are gone count, too.
func (t *totals) addEntry(e *entry) {
	if e.retired != nil {
		t.addCounters(e.retired)
	}
	t.replicas += int(e.wanted)
	t.hasTicks = t.hasTicks || e.policy.Scheduled
	t.mayBeStuck = t.mayBeStuck || e.heartbeat > 0 || e.runTimeout > 0
	t.expectsReady = t.expectsReady || e.expectsReady()
	for r := range e.replicas() {
		t.add(r)
	}
}

// add adds a replica.
func (t *totals) add(r *replica) {
	m := &r.machine
	switch {
	case m.IsRunning():
		t.running++
	case m.Status() == lifecycle.Error && !m.IsScaledDown():
		t.failed++
	}
	if r.isUnready() {
		t.notReady++
	}
	t.runs += m.Runs
	t.restarts += m.Restarts
	t.successes += m.Successes
	t.failures += m.Failures
	t.missed += m.MissedTicks
	t.lastSuccess = max(t.lastSuccess, r.record.succeeded)
	if next := instantOf(m.NextRun()); t.nextRun == 0 || next != 0 && next < t.nextRun {
		t.nextRun = next
	}
	if h := r.record.history; h != nil {
		t.addHistory(h)
	}
}

func (t *totals) addHistory(h *history) {
	t.panics += h.panics
	if h.stuck != nil {
		t.stuck++
	}
	if h.jobs != nil {
		t.hasJobs = true
		t.jobs += h.jobs.succeeded.Load()
		t.failedJobs += h.jobs.failed.Load()
	}
	t.good = t.good.plus(h.good)
	t.bad = t.bad.plus(h.bad)
}

// addCounters adds the counters of replicas that are gone.
func (t *totals) addCounters(gone *totals) {
	t.runs += gone.runs
	t.restarts += gone.restarts
	t.successes += gone.successes
	t.failures += gone.failures
	t.panics += gone.panics
	t.jobs += gone.jobs
	t.failedJobs += gone.failedJobs
	t.missed += gone.missed
	t.lastSuccess = max(t.lastSuccess, gone.lastSuccess)
	t.good = t.good.plus(gone.good)
	t.bad = t.bad.plus(gone.bad)
	t.hasJobs = t.hasJobs || gone.hasJobs
	t.hasTicks = t.hasTicks || gone.hasTicks
}

// retire keeps the counters of a replica that leaves its worker, or of a child that leaves.
func (e *entry) retire(add func(*totals)) {
	if e.retired == nil {
		e.retired = new(totals)
	}
	add(e.retired)
}

// histogram counts runs by how long they took, with a count for each bucket and one for longer runs. A nil histogram has
// counted nothing.
type histogram struct {
	sum    time.Duration
	counts []uint64
}

// observe counts a run. It returns h, or a new histogram if h is nil.
func (h *histogram) observe(took time.Duration, buckets []time.Duration) *histogram {
	if h == nil {
		h = &histogram{counts: make([]uint64, len(buckets)+1)}
	}
	i := 0
	for i < len(buckets) && took > buckets[i] {
		i++
	}
	h.counts[i]++
	h.sum += took
	return h
}

// plus returns a new histogram with the counts of both, or nil if both are nil.
func (h *histogram) plus(o *histogram) *histogram {
	if o == nil {
		return h
	}
	sum := &histogram{sum: o.sum, counts: slices.Clone(o.counts)}
	if h != nil {
		sum.sum += h.sum
		for i, n := range h.counts {
			sum.counts[i] += n
		}
	}
	return sum
}
