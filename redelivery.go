package workerfx

import (
	"sync"
	"sync/atomic"
)

// redelivery is the part of a [unhandledItems] that does not depend on the type of its items.
type redelivery interface {
	releaseToOthers()
	hasForOthers() bool
}

// unhandledItems keeps the items that a failed attempt did not handle, for the next attempt of any replica.
type unhandledItems[T any] struct {
	wake      chan struct{} // wakes a replica that waits for items
	n         atomic.Int64
	forOthers atomic.Bool // the replica that left items is gone: another replica has to take them
	mu        sync.Mutex  // guards items
	items     []T
}

func newUnhandled[T any]() unhandledItems[T] { return unhandledItems[T]{wake: make(chan struct{}, 1)} }

// wakeOther wakes a replica that waits for items.
func (u *unhandledItems[T]) wakeOther() {
	select {
	case u.wake <- struct{}{}:
	default: // a replica was woken already, and will wake the next
	}
}

// wakeIfAny wakes another replica if there are items. A replica that ends calls it, as it may have been woken for them.
func (u *unhandledItems[T]) wakeIfAny() {
	if u.n.Load() > 0 {
		u.wakeOther()
	}
}

// takeFor is take for a job loop. A loop that is over takes nothing, but for its first item.
func (u *unhandledItems[T]) takeFor(l *jobLoop, first bool) (item T, ok bool) {
	if !first && u.n.Load() > 0 && l.over() {
		return item, false
	}
	return u.take()
}

// releaseToOthers makes another replica take the items that the caller left.
func (u *unhandledItems[T]) releaseToOthers() {
	u.forOthers.Store(true)
	u.wakeOther()
}

// hasForOthers tells whether there are items that another replica has to take.
func (u *unhandledItems[T]) hasForOthers() bool { return u.forOthers.Load() && u.n.Load() > 0 }

func (u *unhandledItems[T]) put(item T) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.items = append(u.items, item)
	u.n.Store(int64(len(u.items)))
}

// take returns the oldest item.
func (u *unhandledItems[T]) take() (item T, ok bool) {
	if u.n.Load() == 0 {
		return item, false
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.items) == 0 {
		return item, false
	}
	item = u.items[0]
	u.items = append([]T(nil), u.items[1:]...)
	u.n.Store(int64(len(u.items)))
	if len(u.items) > 0 {
		u.wakeOther()
	} else {
		u.forOthers.Store(false)
	}
	return item, true
}

// handOver hands the items that a replica's last run did not handle to other replicas, if the replica was scaled
// down. Else it logs them.
func handOver(last *run, scaledDown bool) {
	p := last.replica.pool
	p.mu.Lock()
	unhandled, redelivery := last.parts.unhandled, last.parts.redelivery
	p.mu.Unlock()
	switch {
	case unhandled == 0:
	case scaledDown:
		redelivery.releaseToOthers()
	default:
		p.log.unhandled(last, unhandled)
	}
	if redelivery != nil && redelivery.hasForOthers() {
		reviveForItems(last.replica.entry)
	}
}

// reviveForItems restarts a replica that has succeeded, so that it takes the items of a replica that was scaled
// down. It does nothing if another replica still runs.
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
