package workerfx

import (
	"context"
	"fmt"
)

// Pause lets the worker's current runs end and begins no others until [Pool.Resume]. It does not wait.
// A body that handles many jobs in one run, such as [Loop], pauses after the job it is at.
func (p *Pool) Pause(name string) error {
	m, err := p.running("pause", name)
	if err != nil {
		return err
	}
	p.setPaused(m, true)
	m.each((*supervisor).pause)
	return nil
}

// Resume ends a pause. A schedule goes on with its next tick.
func (p *Pool) Resume(name string) error {
	m, err := p.manned("resume", name)
	if err != nil {
		return err
	}
	p.setPaused(m, false)
	m.each((*supervisor).unpause)
	return nil
}

// setPaused says whether replicas that a worker gets later are paused.
func (p *Pool) setPaused(m *member, paused bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	m.paused = paused
}

// Trigger ends a wait: a worker that waits for its next tick, its next attempt or its deferred start
// runs now; one with a schedule that is running runs once more after that. The schedule itself does
// not move. It is an error if there is nothing to run: the worker is paused or done.
func (p *Pool) Trigger(name string) error {
	m, err := p.running("trigger", name)
	if err != nil {
		return err
	}
	triggered := false
	m.each(func(s *supervisor) { triggered = s.trigger() || triggered })
	if !triggered {
		var e Execution
		m.first.execution(&e, nil)
		return fmt.Errorf("worker %q: trigger: it is %v, there is no wait to end", name, e.Status)
	}
	return nil
}

// Restart ends the worker's current runs and begins others, with no failures behind them; a worker that
// is done begins anew. It waits until the old runs have ended: if they do not within the stop timeout
// (15s if there is none) a *[StopError] names them, and the new ones follow as soon as they do. Replicas that
// were scaled down are left to finish.
func (p *Pool) Restart(name string) error {
	m, err := p.manned("restart", name)
	if err != nil {
		return err
	}
	ctx, cancel := p.boundedStop(context.Background(), m)
	defer cancel()
	ending := make(map[*supervisor]<-chan struct{})
	for s := range m.replicas() {
		over, alive := s.restart()
		if !alive {
			p.revive(s)
		}
		if over != nil {
			ending[s] = over
		}
	}
	if stuck := awaitAll(ctx, ending); len(stuck) > 0 {
		return fmt.Errorf("worker %q: restart: %w", name, stopErrorAbout(stuck))
	}
	return nil
}

// awaitAll returns those whose run is not over when ctx ends.
func awaitAll(ctx context.Context, ending map[*supervisor]<-chan struct{}) (stuck []*supervisor) {
	for s, over := range ending {
		select {
		case <-over:
			continue
		case <-ctx.Done():
		}
		select {
		case <-over:
		default:
			stuck = append(stuck, s)
		}
	}
	return stuck
}

// revive starts a replica anew that was done.
func (p *Pool) revive(s *supervisor) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.phase == phaseStarted && s.isOpen() && s.renewIfGone() {
		p.spawn(s)
	}
}

// each calls do for each replica.
func (m *member) each(do func(*supervisor)) {
	for s := range m.replicas() {
		do(s)
	}
}

// manned is running for what has no effect on a worker that was scaled down to no replica.
func (p *Pool) manned(call, name string) (*member, error) {
	m, err := p.running(call, name)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if m.wanted == 0 {
		return nil, fmt.Errorf("worker %q: %s: it is scaled down to no replica: scale it up", name, call)
	}
	return m, nil
}

// running returns a worker of a pool that is started.
func (p *Pool) running(call, name string) (*member, error) {
	m, err := p.member(name)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.phase == phaseNew:
		err = ErrNotStarted
	case p.phase == phaseStopped:
		err = ErrPoolStopped
	case m.removed.Load(): // it only has to come to its end
		err = errRemoved
	default:
		return m, nil
	}
	return nil, fmt.Errorf("worker %q: %s: %w", name, call, err)
}

// errRemoved answers orders for a worker that only has to come to its end.
var errRemoved = fmt.Errorf("%w, it was removed", ErrUnknownWorker)
