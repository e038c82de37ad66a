package workerfx

import (
	"sync"
	"sync/atomic"
)

// hands is a [held] of any type.
type hands interface {
	orphan()
	orphaned() bool
}

// held keeps what a failed attempt had in hand for the next one, of whichever replica.
type held[T any] struct {
	call  chan struct{} // tells a replica that waits for items to take one from here
	n     atomic.Int64
	alone atomic.Bool // the replica of some has gone, and another is to take them up
	mu    sync.Mutex  // guards items
	items []T
}

func newHeld[T any]() held[T] { return held[T]{call: make(chan struct{}, 1)} }

// tell makes a replica look that waits for items: the one that left some here will not come back.
func (h *held[T]) tell() {
	select {
	case h.call <- struct{}{}:
	default: // one has been told already, and will tell the next
	}
}

// passOn makes another replica look if there is something: one that ends may have been told of it.
func (h *held[T]) passOn() {
	if h.n.Load() > 0 {
		h.tell()
	}
}

// takeFor is take for a shift that is not over: one that is begins nothing new, but for what its run is for.
func (h *held[T]) takeFor(s *shift, first bool) (item T, ok bool) {
	if !first && h.n.Load() > 0 && s.over() {
		return item, false
	}
	return h.take()
}

// orphan makes another replica take up what the caller had in hand.
func (h *held[T]) orphan() {
	h.alone.Store(true)
	h.tell()
}

// orphaned tells whether there is something that another replica is to take up.
func (h *held[T]) orphaned() bool { return h.alone.Load() && h.n.Load() > 0 }

func (h *held[T]) put(item T) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.items = append(h.items, item)
	h.n.Store(int64(len(h.items)))
}

// take returns what has been kept longest.
func (h *held[T]) take() (item T, ok bool) {
	if h.n.Load() == 0 {
		return item, false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.items) == 0 {
		return item, false
	}
	item = h.items[0]
	h.items = append([]T(nil), h.items[1:]...)
	h.n.Store(int64(len(h.items)))
	if len(h.items) > 0 {
		h.tell()
	} else {
		h.alone.Store(false)
	}
	return item, true
}

// abandon says what becomes of the items that a replica's last run left in its body's hand, as there is no
// next one: other replicas may take them up, but not after a stop. The run may be nil.
func (c *runContext) abandon(retired bool) {
	if c == nil {
		return
	}
	t := c.tied()
	t.mu.Lock()
	items, hands := t.waiting, t.hands
	t.mu.Unlock()
	switch {
	case items == 0:
	case retired:
		hands.orphan()
	default:
		c.s.pool.journal.itemsLeft(c, items)
	}
	if hands != nil && hands.orphaned() {
		c.s.pool.takeUp(c.s.member)
	}
}

// takeUp has a replica that is done, as there was nothing to do any more, take up the items of one that was scaled
// down, unless there is another that looks for them.
func (p *Pool) takeUp(m *member) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.phase != phaseStarted || !m.isOpen() {
		return
	}
	var done *supervisor
	for s := range m.replicas() {
		goesOn, succeeded := s.prospects()
		if goesOn {
			return
		}
		if succeeded && done == nil {
			done = s
		}
	}
	if done != nil && done.renewIfGone() {
		p.spawn(done)
	}
}
