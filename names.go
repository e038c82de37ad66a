package workerfx

import (
	"fmt"

	"github.com/workerfx/workerfx/internal/names"
	"github.com/workerfx/workerfx/internal/safecall"
)

// configuredName is the name by which the configuration knows a worker. parent is that of a child, else nil. All replicas of a
// parent have children of the same configuration.
func configuredName(parent *run, name string) string {
	if parent == nil {
		return name
	}
	of := parent.replica.entry
	return configuredName(of.parent, of.name) + name[len(parent.displayName()):]
}

// nameInPool returns the full name of a worker or a group.
func nameInPool(of owner, s *settings, v any) (name string, err error) {
	if s != nil && s.name != nil {
		name = *s.name
	} else if name, err = ownName(v); err != nil {
		return "", err
	}
	if err := names.Check(name); err != nil {
		switch {
		case of.parent != nil:
			err = fmt.Errorf("child of worker %q: %w", of.name, err)
		case of.name != "":
			err = fmt.Errorf("group %q: %w", of.name, err)
		}
		return "", err
	}
	name = names.Join(of.name, name)
	return name, names.Check(name)
}

// intendedName is the name that a worker or a group would have in its pool. It is empty if that name is bad.
func intendedName[T any](v T, opts []Option) string {
	var s settings
	_ = s.apply(opts) // a nil option is reported elsewhere
	name, _ := nameInPool(owner{}, &s, v)
	return name
}

// nameForErrors is the name of a worker in errors about its body and its options, before its full name is known.
func nameForErrors(body Worker) string {
	if named, ok := body.(*namedWorker); ok && named != nil {
		return named.name
	}
	return names.OfType(body)
}

// ownName returns the result of v's Name method, else the name of its type. A Name method that panics is an error.
func ownName(v any) (name string, err error) {
	named, ok := v.(interface{ Name() string })
	if !ok {
		return names.OfType(v), nil
	}
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%s: Name panicked: %s", names.OfType(v), safecall.ValueText(r))
		}
	}()
	return named.Name(), nil
}
