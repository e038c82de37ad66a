package workerfx

import (
	"slices"
	"sync/atomic"
	"time"
)

// Change is something that happened to one replica of a worker.
type Change struct {
	Worker  string
	Replica int
	// Status is the replica's status after the change.
	Status Status
	// Message begins with one of the Event constants, such as [EventStarted]. It is empty if only the status changed.
	// [EventAdded] and [EventRemoved] are about the worker as a whole, and are in no report.
	Message string
	// ExecutionID is that of the run that the change is about. It is empty if there was no run yet.
	ExecutionID string
	Time        time.Time
}

// Messages of changes that are not events of a report.
const (
	EventAdded   = "added"   // a worker, or a child, came into the pool
	EventRemoved = "removed" // a worker, or a child, left the pool
)

// Subscription receives the changes of a pool's workers: see [Pool.Subscribe].
type Subscription struct {
	// C has the changes in the order in which they happened. It is closed by Close, and when [Pool.Stop] returns for
	// the first time: no change comes after that. Changes that are in the buffer then can still be received.
	C <-chan Change

	pool    *Pool
	changes chan Change // C; the pool's lock is held when it is sent to and closed
	dropped atomic.Int64
}

// Subscribe returns a subscription to all changes from now on. The buffer is how many changes wait for a slow
// reader; 0 or less is none. A change that finds the buffer full is lost for this subscription and counted. The pool
// never waits for a reader. Without subscriptions the pool does no work for them. On a pool that has stopped, C is
// closed at once. Call Close when the changes are not needed any more.
func (p *Pool) Subscribe(buffer int) *Subscription {
	changes := make(chan Change, max(buffer, 0))
	s := &Subscription{C: changes, pool: p, changes: changes}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.subscriptionsEnded {
		close(changes)
		return s
	}
	p.subscriptions = append(p.subscriptions, s)
	return s
}

// Dropped returns how many changes were lost, because the buffer was full.
func (s *Subscription) Dropped() int64 { return s.dropped.Load() }

// Close ends the subscription and closes C. It does not wait, and may be called more than once.
func (s *Subscription) Close() {
	p := s.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.subscriptions, s); i >= 0 {
		p.subscriptions = slices.Delete(p.subscriptions, i, i+1)
		close(s.changes)
	}
}

// endSubscriptions closes the channels of all subscriptions. The pool's lock is held here and in the functions below.
func (p *Pool) endSubscriptions() {
	for _, s := range p.subscriptions {
		close(s.changes)
	}
	p.subscriptions, p.subscriptionsEnded = nil, true
}

// publish sends a change to all subscriptions. It waits for none of them.
func (p *Pool) publish(c Change) {
	for _, s := range p.subscriptions {
		select {
		case s.changes <- c:
		default:
			s.dropped.Add(1)
		}
	}
}

// publishEvent tells the subscribers about an event. An event without a kind is a change of the status.
func (r *replica) publishEvent(e event) {
	if len(r.pool.subscriptions) > 0 {
		r.publishToAll(e)
	}
}

// publishToAll is apart from publishEvent, so that the stack of a goroutine need not grow for it without subscriptions.
func (r *replica) publishToAll(e event) {
	public := e.public()
	r.pool.publish(Change{
		Worker: r.name, Replica: int(r.index), Status: Status(r.machine.Status()),
		Message: public.Message, ExecutionID: public.ExecutionID, Time: public.Time,
	})
}

// publishStatus tells the subscribers that only the status changed.
func (r *replica) publishStatus(now time.Time) {
	r.publishEvent(event{id: r.record.runID(), at: instantOf(now)})
}

// publishWorker tells the subscribers that the worker came into the pool or left it.
func (e *entry) publishWorker(message string) {
	if len(e.pool.subscriptions) > 0 {
		e.pool.publish(Change{Worker: e.name, Status: Status(e.first.machine.Status()), Message: message, Time: time.Now().Round(0)})
	}
}

// note adds an event to the replica's report, and tells the subscribers.
func (r *replica) note(kind eventKind, text string, now time.Time) {
	r.publishEvent(r.record.note(kind, text, now))
}
