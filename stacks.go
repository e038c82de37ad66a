package workerfx

import (
	"fmt"
	"runtime/pprof"
	"strings"
	"sync"
	"sync/atomic"
)

// stackReader shares a look at all stacks among those who ask at about the same time: a thousand runs that hang
// in the same database must not stop the world a thousand times.
type stackReader struct {
	asked   atomic.Int64 // how often somebody has
	waiting atomic.Int32 // how many have no answer yet

	mu     sync.Mutex       // held during a look; guards the fields below
	seen   int64            // those up to this one asked before the last look
	stacks goroutineProfile // what it saw; nothing unless somebody waits for it
}

var sharedStacks stackReader

// of returns the stack of the run of that ID, as it is after the call.
func (r *stackReader) of(id string) string {
	r.waiting.Add(1)
	turn := r.asked.Add(1)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.seen < turn {
		r.seen = r.asked.Load()
		r.stacks = profileGoroutines()
	}
	stack := r.stacks.of(id)
	if r.waiting.Add(-1) == 0 {
		r.stacks = nil
	}
	return stack
}

// goroutineProfile has the entries of the goroutines that are in a run, by execution ID. They make a stack when somebody
// asks for it: most are of runs that nothing is wrong with.
type goroutineProfile map[string]string

// of returns the stack of the run of that ID, or nothing.
func (p goroutineProfile) of(id string) string { return frames(p[id]) }

// profileGoroutines looks at the goroutines that are in a run now. It reads
// them from the goroutine profile, where the labels of a run tell them apart; it stops the world for
// a moment, so it is only for replicas that did not stop.
func profileGoroutines() goroutineProfile {
	var profile strings.Builder
	if err := pprof.Lookup("goroutine").WriteTo(&profile, 1); err != nil {
		return nil
	}
	found := make(goroutineProfile)
	for entry := range strings.SplitSeq(profile.String(), "\n\n") {
		id, ok := labelOf(entry, fieldExecutionID)
		if !ok {
			continue
		}
		// A goroutine that the run started has its labels too; the run's own is the supervisor's.
		if _, known := found[id]; !known || strings.Contains(entry, supervisorFrame) {
			found[id] = entry
		}
	}
	return found
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
