package database

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/rivertype"
)

// Session is the lock of a client. While the client holds it, others do not take over its jobs.
type Session struct {
	ClientID string
	// Alive ends when the lock is lost or given back, and when the database refuses what the client needs.
	Alive context.Context //nolint:containedctx // it is the session's life, not a call's
	// Executor uses the connection of the lock. It is nil if the lock has no connection.
	Executor riverdriver.Executor
	// Driver uses connections of the session. They are cut when the lock is lost, so a silent database delays nothing.
	// It is a riverdriver.Driver. Nil means the driver of the database.
	Driver any
	// Sweep frees the jobs of clients that have lost their lock, and returns them. Their attempt is over. It uses
	// connections of the session, as handlers may use all connections of the database.
	Sweep func(ctx context.Context) ([]*rivertype.JobRow, error)
	// Leave gives the lock back.
	Leave func()

	held    heldJobs
	end     context.CancelCauseFunc
	mu      sync.Mutex // guards refused
	refused map[string]refusal
}

// NewSession returns the session of a client whose lock is held until held ends.
func NewSession(held context.Context, clientID string) *Session {
	s := &Session{ClientID: clientID, refused: make(map[string]refusal), held: heldJobs{ids: make(map[int64]int)}}
	s.Alive, s.end = context.WithCancelCause(held)
	return s
}

// IsOver tells whether the lock was lost or given back, or the database refuses what the client needs.
func (s *Session) IsOver() bool { return s.Alive.Err() != nil }

// refusal is how long the database has refused something.
type refusal struct{ since, last time.Time }

// sameRefusal is the longest time between two failures that belong together. A client keeps its leader every five seconds.
const sameRefusal = 15 * time.Second

// maxRefusal is how long the database may refuse something that the client needs. Then the session ends.
const maxRefusal = 2 * time.Second

// noteResult records whether the database did something that the client needs. A full disk and a read-only database answer
// with an error. A call that timed out had no answer, such as from a database with too much to do.
func (s *Session) noteResult(ctx context.Context, what string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	before, known := s.refused[what]
	switch {
	case err == nil:
		delete(s.refused, what)
	case ctx.Err() != nil:
	case !known || now.Sub(before.last) > sameRefusal:
		s.refused[what] = refusal{now, now}
	case now.Sub(before.since) >= maxRefusal:
		s.end(fmt.Errorf("%w: for %v it could not %s: %w", ErrRefused, now.Sub(before.since).Round(time.Millisecond), what, err))
	default:
		s.refused[what] = refusal{before.since, now}
	}
}

// bind returns a copy of ctx that also ends when the session is over.
func (s *Session) bind(ctx context.Context) (bound context.Context, release func()) {
	bound, cancel := context.WithCancelCause(ctx)
	unlink := context.AfterFunc(s.Alive, func() { cancel(context.Cause(s.Alive)) })
	return bound, func() {
		unlink()
		cancel(nil)
	}
}
