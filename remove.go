package workerfx

import (
	"context"
	"fmt"
)

// Remove stops a worker, waits until it has stopped and forgets it. If it does not stop before ctx ends
// or its stop timeout passes (15s if it has none and ctx has no deadline), a *[StopError] names it; it
// keeps its name then until it has stopped. It fails with [ErrUnknownWorker].
func (p *Pool) Remove(ctx context.Context, name string) error {
	m, err := p.member(name)
	if err != nil {
		return err
	}
	m.close()
	m.first.changed() // nobody waits for it any more
	if p.forget(m) {
		return nil
	}
	if err := m.stopAndWait(ctx); err != nil {
		return fmt.Errorf("worker %q: remove: %w", name, err)
	}
	p.forget(m)
	return nil
}

// stopAndWait stops a member for good. It returns a *StopError if that takes too long.
func (m *member) stopAndWait(ctx context.Context) error {
	m.close()
	ctx, cancel := m.pool.boundedStop(ctx, m)
	defer cancel()
	m.requestStop(m.pool.budgetUntil(ctx))
	for s := range m.replicas() {
		select {
		case <-s.ended():
		case <-ctx.Done():
		}
	}
	if stop := stopErrorOf([]*member{m}); stop != nil {
		return stop
	}
	return nil
}

// boundedStop returns ctx with an end: an operator's call comes back even if the worker ignores it.
func (p *Pool) boundedStop(ctx context.Context, m *member) (context.Context, context.CancelFunc) {
	if m.stopTimeout > 0 {
		return context.WithTimeout(ctx, m.stopTimeout)
	}
	if _, bounded := ctx.Deadline(); !bounded {
		return context.WithTimeout(ctx, p.stopTimeout())
	}
	return ctx, func() {}
}

// forget takes a removed worker out of the pool, unless one of its replicas still has a goroutine.
func (p *Pool) forget(m *member) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.members[m.name] != m {
		return true // somebody else was faster
	}
	if p.base != nil { // started
		for s := range m.replicas() {
			if !s.isGone() {
				return false
			}
		}
	}
	p.drop([]*member{m})
	return true
}
