package workerfx

import (
	"fmt"
	"slices"
)

// WithReplicas runs n copies of the worker side by side. The default is 1; 0 begins with none.
func WithReplicas(n int) Option {
	return func(s *settings) { s.replicas = n }
}

// WithReplicaLimits sets the bounds of [Pool.Scale]. The default is 0 and 0; 0 as
// the most is no limit.
func WithReplicaLimits(least, most int) Option {
	return func(s *settings) { s.minReplicas, s.maxReplicas = least, most }
}

// limitOfReplicas is far above what makes sense, and far below what an int32 holds.
const limitOfReplicas = 1 << 20

func (s *settings) validateReplicas(worker string, errs *[]error) {
	bad := func(field string, value any, why string) {
		*errs = append(*errs, badValue(worker, field, value, why))
	}
	switch {
	case s.minReplicas < 0:
		bad("min replicas", s.minReplicas, "must not be negative")
	case s.maxReplicas < 0:
		bad("max replicas", s.maxReplicas, "must not be negative")
	case s.maxReplicas > 0 && s.minReplicas > s.maxReplicas:
		bad("min replicas", s.minReplicas, fmt.Sprintf("is above max replicas %d", s.maxReplicas))
	case s.replicas < s.minReplicas:
		bad("replicas", s.replicas, fmt.Sprintf("is below min replicas %d", s.minReplicas))
	case s.replicas > s.mostReplicas():
		bad("replicas", s.replicas, fmt.Sprintf("is above max replicas %d", s.mostReplicas()))
	}
}

// Scale sets how many replicas of a worker run, and does not wait: a replica that is too many ends after
// the job it is at, or its context ends if it does not handle jobs. With none the worker is paused. It
// fails with [ErrUnknownWorker], [ErrNotStarted], [ErrPoolStopped], [ErrMinReplicas] or [ErrMaxReplicas].
func (p *Pool) Scale(name string, replicas int) error {
	return p.scale("scale", name, func(int) int { return replicas })
}

// More is [Pool.Scale] by one replica up.
func (p *Pool) More(name string) error {
	return p.scale("more", name, func(n int) int { return n + 1 })
}

// Less is [Pool.Scale] by one replica down.
func (p *Pool) Less(name string) error {
	return p.scale("less", name, func(n int) int { return n - 1 })
}

func (p *Pool) scale(call, name string, wanted func(now int) int) error {
	m, err := p.running(call, name)
	if err != nil {
		return err
	}
	surplus, err := p.resize(m, call, wanted)
	for _, run := range surplus { // without the pool's lock: a run's own lock comes before it
		run.windUp()
	}
	for s := range m.replicas() {
		p.dropIfRetired(s)
	}
	return err
}

// resize makes the replicas run that are wanted and retires all others, whose runs it returns.
func (p *Pool) resize(m *member, call string, wanted func(now int) int) (surplus []*runContext, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := wanted(int(m.wanted))
	switch {
	case p.phase == phaseStopped:
		return nil, fmt.Errorf("worker %q: %s: %w", m.name, call, ErrPoolStopped)
	case !m.isOpen():
		return nil, fmt.Errorf("worker %q: %s: %w", m.name, call, errRemoved)
	case n < m.minReplicas || n < 0:
		return nil, fmt.Errorf("worker %q: %s: replicas %d: %w (%d)", m.name, call, n, ErrMinReplicas, m.minReplicas)
	case n > m.mostReplicas():
		return nil, fmt.Errorf("worker %q: %s: replicas %d: %w (%d)", m.name, call, n, ErrMaxReplicas, m.mostReplicas())
	}
	m.wanted = int32(n)
	present := make(map[int32]bool)
	for s := range m.replicas() {
		present[s.replica] = true
		if int(s.replica) < n {
			if s.unretire() {
				p.spawn(s)
			}
		} else if run := s.retire(); run != nil {
			surplus = append(surplus, run)
		}
	}
	more := m.others()
	var added []*supervisor
	for i := int32(1); int(i) < n; i++ {
		if !present[i] {
			added = append(added, &supervisor{member: m, replica: i, orders: orders{paused: m.paused}})
		}
	}
	more = append(more, added...)
	slices.SortFunc(more, func(a, b *supervisor) int { return int(a.replica - b.replica) })
	m.more.Store(&more)
	for _, s := range added { // once others of its team find it
		p.spawn(s)
	}
	return surplus, nil
}

// mostReplicas is the worker's own limit, else the one for all.
func (s *settings) mostReplicas() int {
	if s.maxReplicas > 0 {
		return s.maxReplicas
	}
	return limitOfReplicas
}

// others returns a copy of the replicas but the first.
func (m *member) others() []*supervisor {
	if more := m.more.Load(); more != nil {
		return slices.Clone(*more)
	}
	return nil
}

// dropIfRetired forgets a replica that was scaled down and is gone; its counts stay with the worker.
func (p *Pool) dropIfRetired(s *supervisor) {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := s.member
	others := m.others()
	i := slices.Index(others, s)
	if i < 0 { // it is the first, or somebody else was faster
		return
	}
	s.mu.Lock()
	drop := s.gone && s.orders.retired && s.replica >= m.wanted
	if drop {
		if m.retired == nil {
			m.retired = new(totals)
		}
		m.retired.add(&s.report)
	}
	s.mu.Unlock()
	if drop {
		others = slices.Delete(others, i, i+1)
		m.more.Store(&others)
	}
}
