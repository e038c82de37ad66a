package goroutines

import (
	"sync"
	"sync/atomic"
)

// Shared shares a profile among callers that ask at about the same time. If a thousand runs hang in the
// same database, the world must not stop a thousand times. It may be used from many goroutines.
type Shared struct {
	take func() Profile

	asked   atomic.Int64 // number of calls so far
	waiting atomic.Int32 // number of calls that have no answer yet

	mu      sync.Mutex // held while a profile is taken; guards the fields below
	covered int64      // the profile was taken after this many calls had begun
	profile Profile    // the last one; nil if nobody waits for it
}

// NewShared returns a Shared that calls take for each new profile, but never twice at a time.
func NewShared(take func() Profile) *Shared { return &Shared{take: take} }

// Stack returns the stack of the goroutine whose label has this value. The profile that it reads was taken
// after the call began. See [Profile.Stack].
func (s *Shared) Stack(value string) string {
	s.waiting.Add(1)
	number := s.asked.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.covered < number {
		s.covered = s.asked.Load()
		s.profile = s.take()
	}
	stack := s.profile.Stack(value)
	if s.waiting.Add(-1) == 0 {
		s.profile = nil // it may be large
	}
	return stack
}
