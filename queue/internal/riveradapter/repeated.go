package riveradapter

import (
	"sync"
	"time"
)

// repeatPause is the time between two lines with the same text.
const repeatPause = time.Minute

// repeated counts lines with the same text. Methods may be called from any goroutine.
type repeated struct {
	mu    sync.Mutex // guards lines
	lines map[string]line
}

type line struct {
	written    time.Time
	suppressed int // lines that were not written since then
}

// next tells whether to write a line, and how many such lines were not written before it.
func (r *repeated) next(text string, now time.Time) (suppressed int, write bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before, known := r.lines[text]
	if known && now.Sub(before.written) < repeatPause {
		before.suppressed++
		r.lines[text] = before
		return 0, false
	}
	if r.lines == nil {
		r.lines = make(map[string]line)
	}
	r.lines[text] = line{written: now}
	return before.suppressed, true
}
