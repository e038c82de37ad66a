package workerfx

import (
	"sync"
	"sync/atomic"
)

// redelivery is the part of a [kept] that does not depend on the type of its items.
type redelivery interface {
	handToOthers()
	hasForOthers() bool
}

// kept keeps the items that a failed attempt did not handle, for the next attempt of any replica.
type kept[T any] struct {
	call      chan struct{} // wakes a replica that waits for items
	n         atomic.Int64
	forOthers atomic.Bool // the replica that left items is gone: another replica has to take them
	mu        sync.Mutex  // guards items
	items     []T
}

func newKept[T any]() kept[T] { return kept[T]{call: make(chan struct{}, 1)} }

// tell wakes a replica that waits for items.
func (k *kept[T]) tell() {
	select {
	case k.call <- struct{}{}:
	default: // a replica was told already, and will tell the next
	}
}

// tellIfAny wakes another replica if there are items. A replica that ends calls it, as it may have been told of them.
func (k *kept[T]) tellIfAny() {
	if k.n.Load() > 0 {
		k.tell()
	}
}

// takeFor is take for a job loop. A loop that is over takes nothing, but for its first item.
func (k *kept[T]) takeFor(l *jobLoop, first bool) (item T, ok bool) {
	if !first && k.n.Load() > 0 && l.over() {
		return item, false
	}
	return k.take()
}

// handToOthers makes another replica take the items that the caller left.
func (k *kept[T]) handToOthers() {
	k.forOthers.Store(true)
	k.tell()
}

// hasForOthers tells whether there are items that another replica has to take.
func (k *kept[T]) hasForOthers() bool { return k.forOthers.Load() && k.n.Load() > 0 }

func (k *kept[T]) put(item T) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.items = append(k.items, item)
	k.n.Store(int64(len(k.items)))
}

// take returns the oldest item.
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
		redelivery.handToOthers()
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
