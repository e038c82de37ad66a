package main

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/workerfx/workerfx"
)

// tracker sees every run of every worker begin and end, as a middleware, and counts on its own what the pool
// counts too.
type tracker struct {
	startedAt func(id string) time.Time // a run's begin, by the pool's report

	counts sync.Map // worker's name -> *workerCounts
	runs   atomic.Int64
	stopAt atomic.Int64 // when the witness saw the stop, in nanoseconds since 1970; 0 before
	closed atomic.Bool  // Stop has returned

	doubled faults // runs of one replica at once
	late    faults // runs that began after Stop
}

// workerCounts is what the tracker knows of one worker.
type workerCounts struct {
	most atomic.Int64 // replicas that there may be; 0 = 1

	begun, panics, jobs atomic.Int64
	anewAt              atomic.Int64 // when it was last added again, in nanoseconds since 1970; 0 = never

	commands  atomic.Int32 // of the operator that are under way
	commanded atomic.Int64 // that ever were

	mu      sync.Mutex // guards running
	running []string   // execution IDs
}

func newTracker(startedAt func(id string) time.Time) *tracker {
	return &tracker{startedAt: startedAt}
}

// of returns the counts of a worker.
func (t *tracker) of(worker string) *workerCounts {
	if found, ok := t.counts.Load(worker); ok {
		return found.(*workerCounts)
	}
	found, _ := t.counts.LoadOrStore(worker, new(workerCounts))
	return found.(*workerCounts)
}

// startAnew forgets what was counted of a worker that was removed, as the pool does.
func (t *tracker) startAnew(worker string) {
	counts := t.of(worker)
	counts.begun.Store(0)
	counts.panics.Store(0)
	counts.jobs.Store(0)
	counts.anewAt.Store(time.Now().UnixNano())
}

// isCommanded tells whether the operator gives the worker a command now.
func (w *workerCounts) isCommanded() bool { return w.commands.Load() > 0 }

func (t *tracker) middleware(next workerfx.RunFunc) workerfx.RunFunc {
	return func(ctx context.Context) error {
		worker, id := workerfx.CtxWorkerName(ctx), workerfx.CtxExecutionID(ctx)
		counts := t.of(worker)
		t.runs.Add(1)
		if running := counts.begin(id); running > max(1, counts.most.Load()) {
			t.doubled.addf("%s: %d runs at once, of %d replicas at most", worker, running, max(1, counts.most.Load()))
		}
		defer counts.end(id)
		if stopAt := t.stopAt.Load(); stopAt != 0 || t.closed.Load() {
			t.judge(worker, id, stopAt)
		}
		return next(ctx)
	}
}

func (t *tracker) sawStop() { t.stopAt.CompareAndSwap(0, time.Now().UnixNano()) }

// judge looks at a run that came here after the stop was seen. It may be one that was let through just
// before: the report tells when it began.
func (t *tracker) judge(worker, id string, stopAt int64) {
	if t.closed.Load() {
		t.late.addf("%s: a run began after Stop had returned", worker)
		return
	}
	if t.late.count() > faultsKept {
		return // enough is known, and to look it up takes time
	}
	if after := t.startedAt(id).Sub(time.Unix(0, stopAt)); after > 0 {
		t.late.addf("%s: a run began %v after the stop", worker, after)
	}
}

// begin notes a run, and returns how many of the worker are under way.
func (w *workerCounts) begin(id string) int64 {
	w.begun.Add(1)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running = append(w.running, id)
	return int64(len(w.running))
}

func (w *workerCounts) end(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running = slices.DeleteFunc(w.running, func(other string) bool { return other == id })
}

func (w *workerCounts) isRunning(id string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Contains(w.running, id)
}

// underWay returns the runs that are under way: their workers' names by their IDs.
func (t *tracker) underWay() map[string]string {
	runs := make(map[string]string)
	t.counts.Range(func(worker, found any) bool {
		counts := found.(*workerCounts)
		counts.mu.Lock()
		defer counts.mu.Unlock()
		for _, id := range counts.running {
			runs[id] = worker.(string)
		}
		return true
	})
	return runs
}
