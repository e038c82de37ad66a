// Package goroutines finds the stack of a goroutine by the value of its pprof label.
//
// It knows the text of Go's goroutine profile. It does not know the meaning of the label. The
// caller sets it with [pprof.Do] or [pprof.SetGoroutineLabels].
package goroutines

import (
	"fmt"
	"runtime/pprof"
	"strings"
)

// Profile is the state of all goroutines that have a label, at one moment. The key is the label's value.
// The value is an entry of Go's goroutine profile. Only [Profile.Stack] turns an entry into a stack, as most
// stacks are never asked for.
type Profile map[string]string

// Take looks at all goroutines that have the label. It stops the world for a moment.
//
// A goroutine inherits the labels of the one that started it. If several have the same value, the profile has the one
// whose stack ranks highest. rank gets the text of a stack, with functions such as "pkg.(*Type).method".
func Take(label string, rank func(stack string) int) Profile {
	var text strings.Builder
	if err := pprof.Lookup("goroutine").WriteTo(&text, 1); err != nil {
		return nil
	}
	found := make(Profile)
	for entry := range strings.SplitSeq(text.String(), "\n\n") {
		value, ok := labelOf(entry, label)
		if !ok {
			continue
		}
		if before, known := found[value]; !known || rank(entry) > rank(before) {
			found[value] = entry
		}
	}
	return found
}

// Stack returns the stack of the goroutine whose label has this value, the innermost function first. Each function
// has two lines: its name and the offset in it, then its file and line. Stack returns "" if there is no such
// goroutine.
func (p Profile) Stack(value string) string {
	var out strings.Builder
	for line := range strings.Lines(p[value]) {
		fields := strings.FieldsFunc(line, func(r rune) bool { return r == '\t' || r == '\n' })
		if len(fields) == 4 && fields[0] == "#" { // "#", address, function, file:line
			fmt.Fprintf(&out, "%s\n\t%s\n", fields[2], fields[3])
		}
	}
	return out.String()
}

// labelOf returns the value of a label. The second line of an entry is `# labels: {"key":"value"}`.
func labelOf(entry, key string) (value string, ok bool) {
	_, labels, ok := strings.Cut(entry, "# labels: {")
	if !ok {
		return "", false
	}
	labels, _, _ = strings.Cut(labels, "\n")
	_, rest, ok := strings.Cut(labels, fmt.Sprintf("%q:", key))
	if !ok {
		return "", false
	}
	if _, err := fmt.Sscanf(rest, "%q", &value); err != nil {
		return "", false
	}
	return value, true
}
