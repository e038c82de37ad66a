package workerfx

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/workerfx/workerfx/internal/lifecycle"
)

// redelivery is the part of an [unhandledItems] that does not depend on the type of its items.
type redelivery interface {
	release(of *replica, scaledDown bool)
	hasForOthers() bool
	report() (n int)
}

// unhandledItems keeps the items that failed attempts did not handle. An item waits for the next attempt of its replica. If the
// replica has ended, any other one takes it.
type unhandledItems[T any] struct {
	wake      chan struct{} // wakes a replica that waits for items
	size      func(T) int
	free      atomic.Int64 // how many items any replica may take
	forOthers atomic.Bool  // the replica that left items was scaled down: another replica has to take them
	mu        sync.Mutex   // guards the fields below
	items     []unhandledItem[T]
}

// unhandledItem is an item with the replica that has to handle it, or nil if any replica may.
type unhandledItem[T any] struct {
	item     T
	owner    *replica
	reported bool // the log counts it
}

// newUnhandled makes the store. size is how many items a T stands for.
func newUnhandled[T any](size func(T) int) unhandledItems[T] {
	return unhandledItems[T]{wake: make(chan struct{}, 1), size: size}
}

// report returns how many items no replica has to handle, without those that it has counted before.
func (u *unhandledItems[T]) report() (n int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for i := range u.items {
		if left := &u.items[i]; left.owner == nil && !left.reported {
			n += u.size(left.item)
			left.reported = true
		}
	}
	return n
}

// wakeOther wakes a replica that waits for items.
func (u *unhandledItems[T]) wakeOther() {
	select {
	case u.wake <- struct{}{}:
	default: // a replica was woken already, and will wake the next
	}
}

// wakeIfAny wakes another replica if there are items for it. A replica that ends calls it, as it may have been woken for them.
func (u *unhandledItems[T]) wakeIfAny() {
	if u.free.Load() > 0 {
		u.wakeOther()
	}
}

// put keeps the item that a run did not handle.
func (u *unhandledItems[T]) put(l *jobLoop, item T) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.items = append(u.items, unhandledItem[T]{item: item, owner: l.replica()})
	u.countFree()
}

// take returns the oldest item that a run may take. A run takes the items of its replica first of all. Else it takes those that any
// replica may take, and none once it is over.
func (u *unhandledItems[T]) take(l *jobLoop, first bool) (item T, ok bool) {
	if !first && (u.free.Load() == 0 || l.over()) {
		return item, false
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	owner := l.replica()
	i := slices.IndexFunc(u.items, func(left unhandledItem[T]) bool { return left.owner == owner })
	if i < 0 || !first {
		if l.over() {
			return item, false
		}
		i = slices.IndexFunc(u.items, func(left unhandledItem[T]) bool { return left.owner == nil })
	}
	if i < 0 {
		return item, false
	}
	item = u.items[i].item
	u.items = slices.Delete(u.items, i, i+1)
	if u.countFree() > 0 {
		u.wakeOther()
	} else {
		u.forOthers.Store(false)
	}
	return item, true
}

// release lets any replica take the items of a replica that has ended. It wakes a replica that waits for items. If the ended
// replica was scaled down, hasForOthers tells that another one has to take them.
func (u *unhandledItems[T]) release(of *replica, scaledDown bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	released := false
	for i := range u.items {
		if u.items[i].owner == of {
			u.items[i].owner, released = nil, true
		}
	}
	if !released {
		return
	}
	u.countFree()
	if scaledDown {
		u.forOthers.Store(true)
	}
	u.wakeOther()
}

// hasFree tells whether there are items that the run of l may take: it looks again before it ends as its channel is closed.
func (u *unhandledItems[T]) hasFree(l *jobLoop) bool { return u.free.Load() > 0 && !l.over() }

// countFree counts the items that any replica may take. u.mu is held.
func (u *unhandledItems[T]) countFree() (n int64) {
	for _, left := range u.items {
		if left.owner == nil {
			n++
		}
	}
	u.free.Store(n)
	return n
}

// hasForOthers tells whether there are items that another replica has to take.
func (u *unhandledItems[T]) hasForOthers() bool { return u.forOthers.Load() && u.free.Load() > 0 }

// handOver lets other replicas take the items that a replica that ends did not handle. If the replica was scaled down, one has
// to. If no replica is left, it logs how many items there are.
func handOver(r *replica, last *run, scaledDown bool) {
	e, mu := r.entry, &r.pool.mu
	mu.Lock()
	bodies := []redelivery{e.items()}
	if last != nil && last.parts != nil { // a run may have more than one
		bodies = append(bodies, last.parts.bodies...)
	}
	mu.Unlock()
	for _, items := range bodies {
		items.release(r, scaledDown)
		if items.hasForOthers() {
			reviveForItems(e)
		}
	}
	mu.Lock()
	r.goroutines--
	isLast := !e.isAlive() && (!scaledDown || hasEndedReplica(e)) // else it may be scaled up again
	mu.Unlock()
	if !isLast {
		return
	}
	n := 0
	for _, items := range bodies {
		n += items.report()
	}
	if n > 0 {
		r.pool.log.unhandled(r, last, n)
	}
}

// items are the items that the attempts of the worker's body share, or nil. The pool's lock is held here and below.
func (e *entry) items() redelivery {
	if h := e.first.history; h != nil {
		return h.items
	}
	return nil
}

// isAlive tells whether a replica has a goroutine that has not told of its end.
func (e *entry) isAlive() bool {
	for r := range e.replicas() {
		if r.goroutines > 0 {
			return true
		}
	}
	return false
}

// logUnhandled logs how many items a worker that is not alive did not handle, if that was not said before.
func (e *entry) logUnhandled(effects *sideEffects) {
	items := e.items()
	if items == nil || e.isAlive() {
		return
	}
	if n := items.report(); n > 0 {
		last := e.first.run
		effects.log(func() { e.pool.log.unhandled(&e.first, last, n) })
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
		case done == nil && r.machine.Status() == lifecycle.Success:
			done = r
		}
	}
	if done != nil {
		done.revive()
	}
}
