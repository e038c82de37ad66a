package workerfx

import (
	"context"
	"errors"
	"fmt"
)

// essentialDone stops the pool if all replicas of an essential worker are done. It does not wait.
func (p *Pool) essentialDone(m *member, err error) {
	for s := range m.replicas() {
		if !s.isDoneByItself() {
			return
		}
	}
	failure := fmt.Errorf("worker %q: %w", m.name, errors.Join(ErrExitedPrematurely, err)) // asks err: not under the lock
	p.mu.Lock()
	if p.phase != phaseStarted || p.failure != nil {
		p.mu.Unlock()
		return
	}
	p.failure = failure
	onFailure := p.onFailure
	close(p.premature)
	p.mu.Unlock()

	p.journal.essentialEnded(m.name, failure)
	p.requestStop(p.budgetUntil(context.Background()))
	if onFailure != nil {
		onFailure()
	}
}

// prematureEnd is why an essential worker stopped the pool, or nil.
func (p *Pool) prematureEnd() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.failure
}
