package workerfx

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/workerfx/workerfx/internal/lifecycle"
)

// redelivery is the part of an [unhandledItems] that does not depend on the type of its items.
type redelivery interface {
	releaseToOthers()
	hasForOthers() bool
	report() (n int)
}

// unhandledItems keeps the items that a failed attempt did not handle, for the next attempt of any replica.
type unhandledItems[T any] struct {
	wake      chan struct{} // wakes a replica that waits for items
	size      func(T) int
	n         atomic.Int64
	forOthers atomic.Bool // the replica that left items is gone: another replica has to take them
	mu        sync.Mutex  // guards the fields below
	items     []T
	reported  bool // the log says how many items there are
}

// newUnhandled makes the store. size is how many items a T stands for.
func newUnhandled[T any](size func(T) int) unhandledItems[T] {
	return unhandledItems[T]{wake: make(chan struct{}, 1), size: size}
}

// report returns how many items there are, or 0 if it has returned that before.
func (u *unhandledItems[T]) report() (n int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.reported {
		return 0
	}
	for _, item := range u.items {
		n += u.size(item)
	}
	u.reported = n > 0
	return n
}

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
	u.items, u.reported = append(u.items, item), false
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
	u.items = slices.Clone(u.items[1:]) // a copy, so that the memory of the item can be freed
	u.n.Store(int64(len(u.items)))
	if len(u.items) > 0 {
		u.wakeOther()
	} else {
		u.forOthers.Store(false)
	}
	return item, true
}

// handOver hands the items that a replica's last run did not handle to other replicas, if the replica was scaled
// down. If no replica is left, it logs how many items there are.
func handOver(r *replica, last *run, scaledDown bool) {
	e, mu := r.entry, &r.pool.mu
	mu.Lock()
	items := e.items()
	leftSome := last != nil && last.parts != nil && last.parts.unhandled > 0
	mu.Unlock()
	if scaledDown && leftSome {
		items.releaseToOthers()
	}
	if items.hasForOthers() {
		reviveForItems(e)
	}
	mu.Lock()
	r.goroutines--
	isLast := !e.isAlive() && (!scaledDown || hasEndedReplica(e)) // else it may be scaled up again
	mu.Unlock()
	if !isLast {
		return
	}
	if n := items.report(); n > 0 {
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
