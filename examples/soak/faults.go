package main

import (
	"fmt"
	"sync"
)

// faults counts what went wrong in one respect, and keeps the first few descriptions. Its zero value is ready.
type faults struct {
	mu    sync.Mutex // guards what is below
	n     int64
	first []string
}

const faultsKept = 5

func (f *faults) addf(format string, args ...any) { f.manyf(1, format, args...) }

// manyf counts n of a kind.
func (f *faults) manyf(n int64, format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.n += n
	if len(f.first) < faultsKept {
		f.first = append(f.first, fmt.Sprintf(format, args...))
	}
}

func (f *faults) count() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.n
}

// examples returns the first few descriptions.
func (f *faults) examples() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.first...)
}
