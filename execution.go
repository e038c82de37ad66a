package workerfx

import (
	"time"
)

// Status is what a replica of a worker is doing, or how it ended.
type Status int

// The statuses, in the order in which a worker meets them.
const (
	StatusPending  Status = iota // not begun: the pool has not started, or workers that it comes after are not ready
	StatusDeferred               // waiting for its deferred start
	StatusRunning                // its Run has been called
	StatusWaiting                // waiting for its next attempt or tick
	StatusPaused                 // paused, or scaled down to no replica
	StatusSuccess                // done: its last run succeeded
	StatusError                  // done: its last run failed and there is no other attempt
	StatusStopped                // done: it was asked to stop, and did
)

var statusNames = [...]string{"pending", "deferred", "running", "waiting", "paused", "success", "error", "stopped"}

// String returns the status in lower case, such as "running".
func (s Status) String() string {
	if s < 0 || int(s) >= len(statusNames) {
		return "unknown"
	}
	return statusNames[s]
}

// Execution is the report on one replica of a worker. It is a copy: nothing in it changes later.
type Execution struct {
	// Worker is the worker's full name, such as "group/worker". Replica counts from 0.
	Worker  string
	Replica int
	// ID is the execution ID of the current run, else of the last run. It is empty before the first run.
	ID     string
	Status Status
	// Attempt counts runs since the last success. The first run is 1. It is 0 before the first run.
	Attempt int
	// MaxAttempts is the worker's limit of attempts; 0 is no limit.
	MaxAttempts int
	// Runs counts all runs that began, Restarts the runs after a failed run, and Failures the runs that failed.
	Restarts, Runs, Failures int64
	// DeferredStart is how long the first run waits: see [WithDeferredStart].
	DeferredStart time.Duration
	// StartedAt and FinishedAt are the begin and the end of the run ID. FinishedAt is zero while the run goes on.
	StartedAt, FinishedAt time.Time
	// SucceededAt is when a run last succeeded. It is zero if none has.
	SucceededAt time.Time
	// NextRunAt is when a waiting replica runs. It is zero if the replica is not waiting.
	NextRunAt time.Time
	// Jobs counts the jobs that succeeded, and FailedJobs those that failed, of bodies that handle many jobs in one run, such
	// as [Loop]. A job that is tried again counts each time.
	Jobs, FailedJobs int64
	// MissedTicks counts the ticks of a schedule that passed without a run, such as during a run or a pause. Of cron and of a
	// schedule of the user's own, it counts a thousand at a time at most.
	MissedTicks int64
	// Essential tells whether the pool stops when the worker ends: see [WithEssential].
	Essential bool
	// Ready tells whether the replica is ready: see [Pool.Ready]. Stuck tells whether its run is stuck: see [WithHeartbeat].
	Ready, Stuck bool
	// WaitsFor is what keeps the replica from its next run: the name of a worker that it comes after, or its group.
	WaitsFor string
	// Err is the last failure. It stays until a run succeeds. ErrText is its text from the end of that run, of bounded
	// length: the methods of Err are the user's code, and may do anything when they are called again.
	Err     error
	ErrText string
	// Events are the latest events, the oldest first: see [WithEvents].
	Events []Event
}

// Event is a change of a replica.
type Event struct {
	// ExecutionID is that of the run that the event is about. It is empty if there was no run yet.
	ExecutionID string
	// Message begins with one of the Event constants, such as [EventStarted].
	Message string
	Time    time.Time
}

// HasEvent tells whether Events has exactly this message.
func (e Execution) HasEvent(message string) bool {
	for _, event := range e.Events {
		if event.Message == message {
			return true
		}
	}
	return false
}

// Executions returns a report on every replica of every worker, sorted by name, then by replica.
func (p *Pool) Executions() []Execution {
	entries := p.sorted()
	executions := make([]Execution, 0, len(entries))
	events := make([]Event, 0, p.eventsReported.Load())
	for _, e := range entries {
		p.mu.Lock() // again for each worker, so that others need not wait for all of them
		for r := range e.replicas() {
			executions = append(executions, Execution{})
			events = report(r, &executions[len(executions)-1], events)
		}
		p.mu.Unlock()
	}
	p.eventsReported.Store(int64(len(events)))
	return executions
}

// Execution returns the report on replica 0 of a worker. It fails with [ErrUnknownWorker].
func (p *Pool) Execution(name string) (Execution, error) {
	e, err := findEntry(p, name)
	if err != nil {
		return Execution{}, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var execution Execution
	report(&e.first, &execution, nil)
	return execution, nil
}

// report fills in e. It appends the replica's events to events; those of e are a part of that slice. The pool's
// lock is held.
func report(r *replica, e *Execution, events []Event) []Event {
	m, rec := &r.machine, &r.record
	e.Worker, e.Replica, e.Status = r.name, int(r.index), Status(m.Status())
	e.MaxAttempts, e.DeferredStart = r.maxAttempts, r.deferredStart
	e.Restarts, e.Runs, e.Failures, e.MissedTicks = m.Restarts, m.Runs, m.Failures, m.MissedTicks
	e.StartedAt, e.FinishedAt, e.NextRunAt = rec.startedAt.Round(0), rec.finishedAt.time(), instantOf(m.NextRun()).time()
	e.SucceededAt, e.Essential, e.Ready = rec.succeeded.time(), r.isEssential(), r.isReady()
	if r.run != nil {
		e.ID, e.Attempt = r.run.id, r.run.attempt
	}
	if h := rec.history; h != nil {
		e.Err, e.ErrText, e.Stuck, e.WaitsFor = h.err, h.errText, h.stuck != nil, h.heldBy
		if h.jobs != nil {
			e.Jobs, e.FailedJobs = h.jobs.succeeded.Load(), h.jobs.failed.Load()
		}
	}
	start := len(events)
	events = r.record.appendEvents(events)
	e.Events = events[start:len(events):len(events)]
	return events
}

// appendEvents appends the latest events to dst, the oldest first.
func (rec *record) appendEvents(dst []Event) []Event {
	start := len(dst)
	if rec.history != nil {
		dst = rec.history.events.appendTo(dst)
	}
	if rec.unwritten.begin != eventNone {
		dst = append(dst, Event{ExecutionID: rec.run.id, Message: EventStarted, Time: rec.startedAt.Round(0)})
	}
	if rec.unwritten.end != eventNone {
		_, end := rec.runEvents()
		dst = append(dst, end.public())
	}
	if excess := len(dst) - start - int(rec.maxEvents); excess > 0 { // the run's events replace the oldest
		dst = append(dst[:start], dst[start+excess:]...)
	}
	return dst
}
