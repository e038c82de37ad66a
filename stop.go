package workerfx

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"
)

// Stop asks all workers to stop and waits until they have, or until ctx ends. No run begins once it
// was called. The contexts of runs end at once, or later if they listen to [Draining]; a worker that others
// come after ([WithAfter]) is asked once those have stopped, or time is short. A worker that has not stopped
// when ctx ends, or within its own stop timeout, is named in a *[StopError], with the stack it hangs in.
// Stop may be called again, from many goroutines, and before Start, which then fails.
func (p *Pool) Stop(ctx context.Context) error {
	early, cancel := shortOf(ctx)
	defer cancel()
	p.requestStop(p.budgetUntil(early))
	defer context.AfterFunc(early, p.hurry)()
	err := p.await(ctx)
	p.losePatience()
	if err != nil {
		waitFor(ctx, func() { p.journal.stragglers(err) })
		return err
	}
	if p.saidStopped.CompareAndSwap(false, true) {
		waitFor(ctx, p.journal.poolStopped)
	}
	return nil
}

// waitFor waits until write, which writes to the log, has returned, but no longer than ctx allows and a
// moment more: a log sink that hangs must not keep the process from ending.
func waitFor(ctx context.Context, write func()) {
	const moment = 100 * time.Millisecond
	written := make(chan struct{})
	go func() {
		defer close(written)
		write()
	}()
	select {
	case <-written:
		return
	case <-ctx.Done():
	}
	select {
	case <-written:
	case <-time.After(moment):
	}
}

// shortOf returns ctx with an end a tenth of its time before its own, a second at most: what comes
// after it still has its turn then.
func shortOf(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, bounded := ctx.Deadline()
	if !bounded {
		return ctx, func() {}
	}
	return context.WithDeadline(ctx, deadline.Add(-short(time.Until(deadline))))
}

// short is how much sooner than d something must end that others wait for until then.
func short(d time.Duration) time.Duration { return min(d/10, time.Second) }

// budget is the time there is for a stop.
type budget struct{ from, until time.Time }

// budgetUntil is the time from now to the end of ctx, or the pool's own stop timeout if it has none.
func (p *Pool) budgetUntil(ctx context.Context) budget {
	b := budget{from: time.Now()}
	if deadline, bounded := ctx.Deadline(); bounded {
		b.until = deadline
	} else {
		b.until = b.from.Add(p.stopTimeout())
	}
	return b
}

// fromNow is what is left of the budget.
func (b budget) fromNow() budget { return budget{from: time.Now(), until: b.until} }

// grace is how long a run may go on before its context ends.
func (b budget) grace(stopTimeout time.Duration) time.Duration {
	left := b.until.Sub(b.from)
	if stopTimeout > 0 {
		left = min(left, stopTimeout)
	}
	return left - left/4
}

// hurry ends the contexts of all that still runs, while there is time left to heed that.
func (p *Pool) hurry() {
	p.losePatience()
	now := time.Now()
	for _, m := range p.started() {
		m.requestStop(budget{from: now, until: now})
	}
}

// losePatience ends the contexts that outlive the order to stop.
func (p *Pool) losePatience() {
	p.mu.Lock()
	giveUp := p.giveUp
	p.mu.Unlock()
	if giveUp != nil {
		giveUp(ErrStopping)
	}
}

// requestStop asks all workers to stop and does not wait; some in their turn only.
func (p *Pool) requestStop(b budget) {
	p.mu.Lock()
	if p.phase == phaseStopped {
		p.mu.Unlock()
		return
	}
	p.phase, p.stopBudget = phaseStopped, b
	p.halting.Store(true)
	if p.live.Load() == 0 {
		close(p.idle)
	}
	p.mu.Unlock()
	p.readiness.tell()
	for _, m := range p.started() {
		if p.hasTurn(m) {
			m.requestStop(b)
		}
	}
}

// started returns the members if the pool was ever started.
func (p *Pool) started() []*member {
	if !p.hasStarted() {
		return nil
	}
	return p.all()
}

// requestStop asks the member's replicas to stop.
func (m *member) requestStop(b budget) {
	for s := range m.replicas() {
		s.requestStop(b)
	}
}

// await waits until no replica is left to wait for. It returns a *StopError if one still runs.
func (p *Pool) await(ctx context.Context) *StopError {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		var overdue <-chan time.Time
		if left, bounded := p.giveUpOverdue(); bounded {
			timer.Reset(left)
			overdue = timer.C
		}
		select {
		case <-p.idle:
			if !p.gaveUp.Load() { // then nobody is left to look for
				return nil
			}
			return p.stragglers()
		case <-ctx.Done():
			p.hurry() // also those whose turn it was not: they run on, too
			return p.stragglers()
		case <-overdue:
		}
	}
}

// giveUpOverdue gives up the replicas whose own stop timeout has passed, and returns the time until the
// next one's does, if there is one.
func (p *Pool) giveUpOverdue() (left time.Duration, bounded bool) {
	if !p.bounded.Load() {
		return 0, false
	}
	now := time.Now()
	for _, m := range p.all() {
		if m.stopTimeout == 0 {
			continue
		}
		for s := range m.replicas() {
			remaining, gaveUp := s.giveUp(now)
			if gaveUp {
				p.gaveUp.Store(true)
				p.passTurn(m)
				p.countDown()
			}
			if remaining > 0 && (!bounded || remaining < left) {
				left, bounded = remaining, true
			}
		}
	}
	return left, bounded
}

// left is called when a replica's goroutine is done.
func (p *Pool) left(s *supervisor, givenUp, retired bool) {
	m := s.member
	switch {
	case m.parent != nil && (!retired || m.removed.Load()):
		m.parent.disown(m)
	case m.removed.Load():
		p.forget(m)
	case s.replica > 0:
		p.dropIfRetired(s)
	}
	s.changed()
	p.passTurn(m)
	if !givenUp {
		p.countDown()
	}
}

// countDown says that there is one replica less to wait for.
func (p *Pool) countDown() {
	if p.live.Add(-1) > 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.phase != phaseStopped || p.live.Load() > 0 {
		return
	}
	select {
	case <-p.idle:
	default:
		close(p.idle)
	}
}

// stragglers returns a *StopError with all replicas that were asked to stop and have not, or nil.
func (p *Pool) stragglers() *StopError {
	return stopErrorOf(p.all())
}

func stopErrorOf(members []*member) *StopError {
	var found []*supervisor
	for _, m := range members {
		for s := range m.replicas() {
			if s.straggles() {
				found = append(found, s)
			}
		}
	}
	if found == nil {
		return nil
	}
	return stopErrorAbout(found)
}

// stopErrorAbout tells where replicas hang.
func stopErrorAbout(found []*supervisor) *StopError {
	profile := profileGoroutines()
	stop := &StopError{Stragglers: make([]Straggler, len(found))}
	for i, s := range found {
		stop.Stragglers[i] = Straggler{Worker: s.name, Replica: int(s.replica), Stack: profile.of(s.runID())}
	}
	slices.SortFunc(stop.Stragglers, func(a, b Straggler) int {
		return cmp.Or(strings.Compare(a.Worker, b.Worker), cmp.Compare(a.Replica, b.Replica))
	})
	return stop
}
