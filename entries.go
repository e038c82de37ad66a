package workerfx

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/workerfx/workerfx/internal/names"
	"github.com/workerfx/workerfx/internal/text"
)

// sorted returns the entries by name. The slice is shared and must not be changed.
func (p *Pool) sorted() []*entry {
	p.mu.Lock()
	defer p.mu.Unlock()
	return sortedEntries(p)
}

// sortedEntries is sorted with the pool's lock held.
func sortedEntries(p *Pool) []*entry {
	if p.byName == nil && len(p.entries) > 0 {
		p.byName = slices.Collect(maps.Values(p.entries))
		slices.SortFunc(p.byName, func(a, b *entry) int { return strings.Compare(a.name, b.name) })
	}
	return p.byName
}

func (p *Pool) names() []string {
	entries := p.sorted()
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.name
	}
	return names
}

// Excluded returns the names of the workers that the configuration excludes from this process, sorted.
func (p *Pool) Excluded() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Sorted(maps.Keys(p.excluded))
}

// findEntry returns the worker of that name.
func findEntry(p *Pool, name string) (*entry, error) {
	p.mu.Lock()
	e := p.entries[name]
	p.mu.Unlock()
	if e == nil {
		name = text.Cut(name, text.MaxName)
		return nil, fmt.Errorf("worker %q: %w%s", name, ErrUnknownWorker, names.DidYouMean(name, p.names()))
	}
	return e, nil
}
