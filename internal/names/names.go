// Package names has the rules for names of workers, groups and replicas.
//
// A worker of a group is named "group/worker", a child "parent/child", and the third replica of a worker
// "worker#2". The package knows how such names are checked, put together, taken apart and matched. It does
// not know which workers there are.
package names

import (
	"fmt"
	"path"
	"reflect"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/workerfx/workerfx/internal/text"
)

// Check refuses a name that would not read well in logs, metrics and URLs.
func Check(name string) error {
	why := flaw(name, "; WithName sets another")
	if why == "" {
		return nil
	}
	shown := text.Cut(name, text.MaxName)
	return fmt.Errorf("worker %q: name %q: %s", shown, shown, why)
}

// Flaw says what is wrong with the name of something else than a worker. It is empty for a good name.
func Flaw(name string) string { return flaw(name, "") }

func flaw(name, hint string) string {
	switch {
	case strings.TrimSpace(name) == "":
		return "must not be empty"
	case len(name) > text.MaxName:
		return fmt.Sprintf("is longer than %d bytes", text.MaxName)
	case !utf8.ValidString(name):
		return "is not valid UTF-8"
	}
	bad := strings.IndexFunc(name, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("._-/#:@ ", r)
	})
	if bad < 0 {
		return ""
	}
	r, _ := utf8.DecodeRuneInString(name[bad:])
	return fmt.Sprintf("must not contain %q (letters, digits and . _ - / # : @ space may be used%s)", r, hint)
}

// OfType returns the name of v's type as "pkg.Type", without pointers and type parameters.
func OfType(v any) string {
	if v == nil {
		return "nil"
	}
	name, _, _ := strings.Cut(strings.TrimLeft(reflect.TypeOf(v).String(), "*"), "[")
	return name
}

// Parent returns the group, or the parent, in a worker's name. It returns "" if there is none.
func Parent(name string) string {
	return name[:max(strings.LastIndexByte(name, '/'), 0)]
}

// Join returns the name of a worker in a group, or of a child of a parent. With no group it is the
// worker's own name.
func Join(group, name string) string {
	if group == "" {
		return name
	}
	return group + "/" + name
}

// IsIn tells whether a worker has this name, or is in the group of this name, or in a group within it.
func IsIn(worker, name string) bool {
	rest, ok := strings.CutPrefix(worker, name)
	return ok && (rest == "" || rest[0] == '/')
}

// Replica returns the name of one replica of a worker. The first replica, 0, has the worker's name.
func Replica(worker string, replica int) string {
	if replica == 0 {
		return worker
	}
	return fmt.Sprintf("%s#%d", worker, replica)
}

// Matches tells whether a pattern, as of [path.Match], fits a worker or one of the groups it is in.
// A pattern that is not well-formed fits nothing but a name that is equal to it.
func Matches(patterns []string, name string) bool {
	for ; name != ""; name = Parent(name) {
		for _, pattern := range patterns {
			if ok, err := path.Match(pattern, name); ok && err == nil || pattern == name {
				return true
			}
		}
	}
	return false
}
