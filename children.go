package workerfx

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// ties are what binds a run to others, beside its context. Few runs have any.
type ties struct {
	mu       sync.Mutex // guards the fields below
	over     bool       // the run has ended: no child may join
	children map[string]*member
	drain    chan struct{} // closed when the run is to end after the job it is at; nil if nobody waits for it
	drained  atomic.Bool   // the same; may be read without mu
	drains   bool          // the run's body heeds drain
	waiting  int           // items in the body's hand when the run ended
}

// noTies are those of a run that ended without any.
var noTies = &ties{over: true}

// tied returns the run's ties, and makes them if need be.
func (c *runContext) tied() *ties {
	if t := c.ties.Load(); t != nil {
		return t
	}
	c.ties.CompareAndSwap(nil, new(ties))
	return c.ties.Load()
}

// AddChild starts w as a child of the run that ctx belongs to, with all that a worker of the pool has:
// it is supervised, reported and counted as "parent/child", where child is its own name. It never
// outlives the run: that ends once all its children have. A child of the same name is stopped first. It
// fails outside of a run, once the run has ended or ctx has, and as [Pool.Add] does.
func AddChild(ctx context.Context, w Worker, opts ...Option) error {
	run := runOf(ctx)
	if run == nil {
		return fmt.Errorf("add child: %w", errNoRun)
	}
	m, err := run.s.pool.newMember(place{name: run.parentName(), child: true}, w, opts)
	if err != nil {
		return err
	}
	m.parent = run
	for {
		before, err := run.adopt(m)
		if before == nil {
			return err
		}
		if err := before.stopAndWait(ctx); err != nil {
			return fmt.Errorf("worker %q: replace: %w", m.name, err)
		}
		run.disown(before)
	}
}

// RemoveChild stops a child of the run that ctx belongs to, waits until it has stopped, and forgets it.
// If it does not before ctx ends, or its stop timeout passes, a *[StopError] names it. It fails with
// [ErrUnknownWorker] if there is no such child.
func RemoveChild(ctx context.Context, name string) error {
	run := runOf(ctx)
	if run == nil {
		return fmt.Errorf("remove child %q: %w", name, errNoRun)
	}
	t := run.tied()
	t.mu.Lock()
	m := t.children[name]
	known := slices.Collect(maps.Keys(t.children))
	t.mu.Unlock()
	if m == nil {
		return fmt.Errorf("child %q of worker %q: %w%s", cut(name, maxName), run.s.name, ErrUnknownWorker, didYouMean(cut(name, maxName), known))
	}
	if err := m.stopAndWait(ctx); err != nil {
		return fmt.Errorf("worker %q: remove: %w", m.name, err)
	}
	run.disown(m)
	return nil
}

// Children returns the names of the children of the run that ctx belongs to, sorted and without the
// parent's name; those that ended are not among them. Outside of a run there are none.
func Children(ctx context.Context) []string {
	run := runOf(ctx)
	if run == nil {
		return nil
	}
	t := run.tied()
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Sorted(maps.Keys(t.children))
}

var errNoRun = errors.New("the context is not that of a worker's run")

// parentName is what comes before the "/" in the names of the run's children.
func (c *runContext) parentName() string { return replicaName(c.s.name, int(c.s.replica)) }

// childName is a child's name without its parent's.
func (m *member) childName() string { return m.name[len(m.parent.parentName())+1:] }

// adopt makes m a child of the run and starts it, unless there is one of that name, which it returns.
func (c *runContext) adopt(m *member) (before *member, err error) {
	name := m.childName()
	t := c.tied()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over || c.Err() != nil {
		return nil, fmt.Errorf("worker %q: add child: the run of %q has ended", m.name, c.s.name)
	}
	if before := t.children[name]; before != nil {
		return before, nil
	}
	if err := c.s.pool.join([]*member{m}); err != nil {
		return nil, err
	}
	if t.children == nil {
		t.children = make(map[string]*member)
	}
	t.children[name] = m
	return nil, nil
}

// disown forgets a child, in the pool too, if it has ended.
func (c *runContext) disown(m *member) {
	if !c.s.pool.forget(m) {
		return
	}
	name := m.childName()
	t := c.tied()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.children[name] == m {
		delete(t.children, name)
	}
}

// cutTies stops the run's children and waits until they have: however long it takes, they do not
// outlive it. It returns how many items the run's body left in hand.
func (c *runContext) cutTies() (items int) {
	t := c.ties.Load()
	t.mu.Lock()
	t.over = true
	items = t.waiting
	children := slices.Collect(maps.Values(t.children))
	t.mu.Unlock()
	now := time.Now()
	for _, m := range children {
		m.close()
		for s := range m.replicas() {
			s.requestStop(now)
		}
	}
	for _, m := range children {
		for s := range m.replicas() {
			<-s.ended()
		}
		c.s.pool.forget(m)
	}
	return items
}

// drain asks the run's body to end after the job it is at.
func (c *runContext) drain() {
	t := c.tied()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.drained.Load() || t.over {
		return
	}
	t.drained.Store(true)
	if t.drain != nil {
		close(t.drain)
	}
}

// windUp ends the run after the job it is at, or at once if its body does not handle jobs.
func (c *runContext) windUp() {
	if c.drain(); !c.drains() {
		c.stop()
	}
}

// heedDrain returns a channel that is closed by drain, and notes that the run's body looks at it.
func (c *runContext) heedDrain() <-chan struct{} {
	t := c.tied()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.drains, t.waiting = true, 0
	if t.drain == nil {
		t.drain = make(chan struct{})
		if t.drained.Load() {
			close(t.drain)
		}
	}
	return t.drain
}

// unheedDrain notes that nobody looks at the channel of heedDrain any more. What runs on, a middleware
// around the body perhaps, is told by the context then.
func (c *runContext) unheedDrain() {
	t := c.tied()
	t.mu.Lock()
	t.drains = false
	drained := t.drained.Load()
	t.mu.Unlock()
	if drained {
		c.stop()
	}
}

// drains tells whether the run's body ends by itself when it is drained.
func (c *runContext) drains() bool {
	t := c.tied()
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.drains
}

// wasAsked tells whether the run was asked to end, whatever was asked since. A run that was only told to
// end after its job may have ended by itself.
func (c *runContext) wasAsked(obeyed bool) bool {
	if obeyed && c.drained() {
		return true
	}
	life := c.life.Load()
	return life != nil && context.Cause(life) == ErrStopping //nolint:errorlint // stop gives it as it is
}

// drained tells whether the run was asked to end after the job it is at.
func (c *runContext) drained() bool {
	t := c.ties.Load()
	return t != nil && t.drained.Load()
}
