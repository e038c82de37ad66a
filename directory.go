package workerfx

import (
	"iter"
	"slices"
)

// directory finds a pool's workers by their names. Children are not in it. The pool's lock guards it.
type directory struct {
	workers   index // by their own name, and those of the groups they are in
	followers index // workers that come after others, by all that they may call them
}

type index map[string][]*member

func newDirectory() *directory { return &directory{workers: make(index), followers: make(index)} }

func (d *directory) add(m *member) {
	for name := range m.callNames() {
		d.workers.add(name, m)
	}
	for _, name := range m.after {
		for _, full := range m.meanings(name) {
			d.followers.add(full, m)
		}
	}
}

func (d *directory) remove(m *member) {
	for name := range m.callNames() {
		d.workers.remove(name, m)
	}
	for _, name := range m.after {
		for _, full := range m.meanings(name) {
			d.followers.remove(full, m)
		}
	}
}

func (i index) add(name string, m *member) { i[name] = append(i[name], m) }

func (i index) remove(name string, m *member) {
	i[name] = slices.DeleteFunc(i[name], func(o *member) bool { return o == m })
	if len(i[name]) == 0 {
		delete(i, name)
	}
}

// callNames yields the names that others may call m by: its own, and those of the groups it is in.
func (m *member) callNames() iter.Seq[string] {
	return func(yield func(string) bool) {
		if m.parent != nil {
			return
		}
		for name := m.name; name != "" && yield(name); {
			name = parentName(name)
		}
	}
}

// meanings are the full names that m may mean by a name: first that of a worker in its own group.
func (m *member) meanings(name string) []string {
	return []string{qualifiedName(parentName(m.name), name), name}
}
