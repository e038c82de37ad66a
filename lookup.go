package workerfx

import (
	"fmt"
	"slices"
	"strings"
)

// Executions reports on every replica of every worker, sorted by name, then replica.
func (p *Pool) Executions() []Execution {
	members := p.sorted()
	executions := make([]Execution, len(members))
	events := make([]Event, 0, p.eventsReported.Load())
	n := 0
	for _, m := range members {
		for s := range m.replicas() {
			if n == len(executions) {
				executions = append(executions, Execution{})
			}
			events = s.execution(&executions[n], events)
			n++
		}
	}
	p.eventsReported.Store(int64(len(events)))
	return executions[:n]
}

// Execution reports on replica 0 of a worker. It fails with [ErrUnknownWorker].
func (p *Pool) Execution(name string) (Execution, error) {
	m, err := p.member(name)
	if err != nil {
		return Execution{}, err
	}
	var e Execution
	m.first.execution(&e, nil)
	return e, nil
}

// member returns the worker of that name.
func (p *Pool) member(name string) (*member, error) {
	p.mu.Lock()
	m := p.members[name]
	p.mu.Unlock()
	if m == nil {
		return nil, fmt.Errorf("worker %q: %w%s", cut(name, maxName), ErrUnknownWorker, didYouMean(cut(name, maxName), p.names()))
	}
	return m, nil
}

// all returns the members in no order.
func (p *Pool) all() []*member {
	p.mu.Lock()
	defer p.mu.Unlock()
	members := make([]*member, 0, len(p.members))
	for _, m := range p.members {
		members = append(members, m)
	}
	return members
}

// sorted returns the members by name. The slice is shared: it is not to be changed.
func (p *Pool) sorted() []*member {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.order == nil && len(p.members) > 0 {
		p.order = make([]*member, 0, len(p.members))
		for _, m := range p.members {
			p.order = append(p.order, m)
		}
		slices.SortFunc(p.order, byName)
	}
	return p.order
}

func byName(a, b *member) int { return strings.Compare(a.name, b.name) }

func (p *Pool) names() []string {
	members := p.sorted()
	names := make([]string, len(members))
	for i, m := range members {
		names[i] = m.name
	}
	return names
}
