package workerfx

import (
	"sync"
	"sync/atomic"
)

// redelivery is what a pool asks of a [kept] of any type.
type redelivery interface {
	handToOthers()
	hasForOthers() bool
}

// kept has the items that a failed attempt did not handle, for the next attempt of any replica.
type kept[T any] struct {
	call      chan struct{} // tells a replica that waits for items to take one from here
	n         atomic.Int64
	forOthers atomic.Bool // the replica that left items is gone: another one is to take them
	mu        sync.Mutex  // guards items
	items     []T
}

func newKept[T any]() kept[T] { return kept[T]{call: make(chan struct{}, 1)} }

// tell makes a replica look that waits for items: the one that left some here will not come back.
func (k *kept[T]) tell() {
	select {
	case k.call <- struct{}{}:
	default: // one has been told already, and will tell the next
	}
}

// tellIfAny makes another replica look if there is something: one that ends may have been told of it.
func (k *kept[T]) tellIfAny() {
	if k.n.Load() > 0 {
		k.tell()
	}
}

// takeFor is take for a job loop that is not over: one that is begins nothing new, but for what its run is for.
func (k *kept[T]) takeFor(l *jobLoop, first bool) (item T, ok bool) {
	if !first && k.n.Load() > 0 && l.over() {
		return item, false
	}
	return k.take()
}

// handToOthers makes another replica take what the caller left.
func (k *kept[T]) handToOthers() {
	k.forOthers.Store(true)
	k.tell()
}

// hasForOthers tells whether there is something that another replica is to take.
func (k *kept[T]) hasForOthers() bool { return k.forOthers.Load() && k.n.Load() > 0 }

func (k *kept[T]) put(item T) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.items = append(k.items, item)
	k.n.Store(int64(len(k.items)))
}

// take returns what has been kept longest.
func (k *kept[T]) take() (item T, ok bool) {
	if k.n.Load() == 0 {
		return item, false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.items) == 0 {
		return item, false
	}
	item = k.items[0]
	k.items = append([]T(nil), k.items[1:]...)
	k.n.Store(int64(len(k.items)))
	if len(k.items) > 0 {
		k.tell()
	} else {
		k.forOthers.Store(false)
	}
	return item, true
}

// handOver says what becomes of the items that a replica's last run did not handle, as there is no next one: other
// replicas may take them, but not after a stop. The run may be nil.
func handOver(last *run, scaledDown bool) {
	if last == nil {
		return
	}
	p := last.replica.pool
	p.mu.Lock()
	if last.parts == nil {
		p.mu.Unlock()
		return
	}
	unhandled, redelivery := last.parts.unhandled, last.parts.redelivery
	p.mu.Unlock()
	switch {
	case unhandled == 0:
	case scaledDown:
		redelivery.handToOthers()
	default:
		p.log.unhandled(last, unhandled)
	}
	if redelivery != nil && redelivery.hasForOthers() {
		reviveForItems(last.replica.entry)
	}
}

// reviveForItems makes a replica that is done, as there was nothing to do any more, take the items of one that was scaled
// down, unless there is another that looks for them.
func reviveForItems(e *entry) {
	e.pool.mu.Lock()
	defer e.pool.mu.Unlock()
	var done *replica
	for r := range e.replicas() {
		switch {
		case r.machine.IsScaledDown():
		case !r.machine.HasExited():
			return
		case done == nil && Status(r.machine.Status()) == StatusSuccess:
			done = r
		}
	}
	if done != nil {
		done.revive()
	}
}
