package workerfx

import (
	"bytes"
	"fmt"
	"runtime/pprof"
	"strings"
)

// goroutineStacks returns the stacks of the goroutines that are in a run now, by execution ID. It reads
// them from the goroutine profile, where the labels of a run tell them apart; it stops the world for
// a moment, so it is only for replicas that did not stop.
func goroutineStacks() map[string]string {
	var profile bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&profile, 1); err != nil {
		return nil
	}
	stacks := make(map[string]string)
	for entry := range strings.SplitSeq(profile.String(), "\n\n") {
		id, ok := labelOf(entry, fieldExecutionID)
		if !ok {
			continue
		}
		// A goroutine that the run started has its labels too; the run's own is the supervisor's.
		if _, known := stacks[id]; !known || strings.Contains(entry, supervisorFrame) {
			stacks[id] = frames(entry)
		}
	}
	return stacks
}

const supervisorFrame = "workerfx.(*supervisor).walk"

// labelOf returns a label of a profile's entry, whose second line is `# labels: {"key":"value"}`.
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

// frames returns the stack in a profile's entry: a function and its file in each line, the innermost first.
func frames(entry string) string {
	var out strings.Builder
	for line := range strings.Lines(entry) {
		fields := strings.FieldsFunc(line, func(r rune) bool { return r == '\t' || r == '\n' })
		if len(fields) == 4 && fields[0] == "#" { // "#", address, function, file:line
			fmt.Fprintf(&out, "%s\n\t%s\n", fields[2], fields[3])
		}
	}
	return out.String()
}
