package workerfx

import (
	"context"
	"fmt"
)

// essentialDone stops the pool if all replicas of an essential worker are done. It does not wait.
func (p *Pool) essentialDone(m *member, last Problem) {
	for s := range m.replicas() {
		if !s.isDoneByItself() {
			return
		}
	}
	failure := &prematureError{worker: m.name, err: last.Err, text: last.text}
	p.mu.Lock()
	if p.phase != phaseStarted || p.failure != nil {
		p.mu.Unlock()
		return
	}
	p.failure = failure
	onFailure := p.onFailure
	close(p.premature)
	p.mu.Unlock()

	p.requestStop(p.budgetUntil(context.Background()))
	if onFailure != nil {
		onFailure()
	}
	p.journal.essentialEnded(m.name, failure)
}

// prematureError is why an essential worker stopped the pool.
type prematureError struct {
	worker string
	err    error // the worker's own, or nil
	text   string
}

func (e *prematureError) Error() string {
	text := fmt.Sprintf("worker %q: %v", e.worker, ErrExitedPrematurely)
	if e.err != nil {
		text += "\n" + e.text
	}
	return text
}

func (e *prematureError) Unwrap() []error {
	if e.err == nil {
		return []error{ErrExitedPrematurely}
	}
	return []error{ErrExitedPrematurely, e.err}
}

// prematureEnd is why an essential worker stopped the pool, or nil.
func (p *Pool) prematureEnd() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.failure
}
