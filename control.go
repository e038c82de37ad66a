package workerfx

import (
	"context"
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
		return nil, fmt.Errorf("worker %q: %s: %w, it was removed", m.name, call, ErrUnknownWorker)
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
// (15s if there is none) a *[StopError] names them, and the new ones follow as soon as they do.
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
	switch p.phase {
	case phaseNew:
		err = ErrNotStarted
	case phaseStopped:
		err = ErrPoolStopped
	default:
		return m, nil
	}
	return nil, fmt.Errorf("worker %q: %s: %w", name, call, err)
}
