package workerfx

import (
	"fmt"
	"slices"
)

// WithReplicas runs n copies of the worker side by side. The default is 1. With 0 the worker runs when it is scaled up.
func WithReplicas(n int) Option {
	return func(s *settings) { s.replicas = n }
}

// WithReplicaLimits sets the limits of [Pool.Scale]. The defaults are 0 and 0. A maximum of 0 means that there is
// no limit.
func WithReplicaLimits(least, most int) Option {
	return func(s *settings) { s.minReplicas, s.maxReplicas = least, most }
}

// limitOfReplicas is the limit of a worker without a limit of its own.
const limitOfReplicas = 1 << 20

func (s *settings) validateReplicas(add addError) {
	switch {
	case s.minReplicas < 0:
		add("min replicas", s.minReplicas, "must not be negative")
	case s.maxReplicas < 0:
		add("max replicas", s.maxReplicas, "must not be negative")
	case s.maxReplicas > 0 && s.minReplicas > s.maxReplicas:
		add("min replicas", s.minReplicas, fmt.Sprintf("is above max replicas %d", s.maxReplicas))
	case s.replicas < s.minReplicas:
		add("replicas", s.replicas, fmt.Sprintf("is below min replicas %d", s.minReplicas))
	case s.replicas > s.mostReplicas():
		add("replicas", s.replicas, fmt.Sprintf("is above max replicas %d", s.mostReplicas()))
	}
}

// mostReplicas is the worker's own limit, else the limit for all workers.
func (s *settings) mostReplicas() int {
	if s.maxReplicas > 0 {
		return s.maxReplicas
	}
	return limitOfReplicas
}

// Scale sets how many replicas of a worker run. It does not wait. A surplus replica ends after its current job; if
// its body does not handle jobs, its context ends. With 0 replicas the worker is paused. Scale fails with
// [ErrUnknownWorker], [ErrNotStarted], [ErrPoolStopped], [ErrMinReplicas] or [ErrMaxReplicas].
func (p *Pool) Scale(name string, replicas int) error {
	return p.scale("scale", name, func(int) int { return replicas })
}

// More adds a replica: see [Pool.Scale].
func (p *Pool) More(name string) error {
	return p.scale("more", name, func(n int) int { return n + 1 })
}

// Less removes a replica: see [Pool.Scale].
func (p *Pool) Less(name string) error {
	return p.scale("less", name, func(n int) int { return n - 1 })
}

// Replicas returns how many replicas of a worker are wanted, and how many run now. It fails with [ErrUnknownWorker].
func (p *Pool) Replicas(name string) (wanted, running int, err error) {
	e, err := findEntry(p, name)
	if err != nil {
		return 0, 0, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for r := range e.replicas() {
		if r.machine.IsRunning() {
			running++
		}
	}
	return int(e.wanted), running, nil
}

func (p *Pool) scale(call, name string, wanted func(now int) int) error {
	var effects sideEffects
	err := command(p, call, name, func(e *entry) error {
		n := wanted(int(e.wanted))
		switch {
		case n < e.minReplicas || n < 0:
			return fmt.Errorf("replicas %d: %w (%d)", n, ErrMinReplicas, e.minReplicas)
		case n > e.mostReplicas():
			return fmt.Errorf("replicas %d: %w (%d)", n, ErrMaxReplicas, e.mostReplicas())
		}
		scaleTo(e, int32(n), &effects) //nolint:gosec // mostReplicas is within an int32
		return nil
	})
	effects.perform()
	return err
}

// scaleTo makes n replicas run, and ends the others. The pool's lock is held.
func scaleTo(e *entry, n int32, effects *sideEffects) {
	e.wanted = n
	present := make(map[int32]bool)
	for r := range e.replicas() {
		present[r.index] = true
		if r.index < n {
			scaleUp(r)
		} else {
			scaleDown(r, effects)
		}
	}
	var added []*replica
	for i := int32(1); i < n; i++ {
		if !present[i] {
			added = append(added, newReplica(e, i))
		}
	}
	e.more = slices.Concat(e.more, added)
	slices.SortFunc(e.more, func(a, b *replica) int { return int(a.index - b.index) })
	for _, r := range added {
		if e.paused {
			r.machine.Pause()
		}
		r.start()
	}
	for _, r := range e.more {
		dropIfScaledDown(r)
	}
}

func scaleUp(r *replica) {
	if r.machine.ScaleUp() {
		r.ended = nil
		r.start()
	} else {
		r.wake()
	}
}

func scaleDown(r *replica, effects *sideEffects) {
	r.machine.ScaleDown()
	if r.machine.IsRunning() {
		r.run.drainOrStop(effects)
	} else {
		r.wake()
	}
}

// hasEndedReplica tells whether a replica has ended that was not scaled down. The pool's lock is held.
func hasEndedReplica(e *entry) bool {
	for r := range e.replicas() {
		if r.machine.HasExited() && !r.machine.IsScaledDown() {
			return true
		}
	}
	return false
}

// dropIfScaledDown removes a replica that was scaled down and has ended. Its counts stay with the worker. The
// pool's lock is held.
func dropIfScaledDown(r *replica) {
	e := r.entry
	if r.index == 0 || r.index < e.wanted || !r.machine.HasExited() || !r.machine.IsScaledDown() {
		return
	}
	i := slices.Index(e.more, r)
	if i < 0 {
		return
	}
	e.retire(func(t *totals) { t.add(r) })
	e.more = slices.Delete(slices.Clone(e.more), i, i+1)
}
