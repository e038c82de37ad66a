package database

import (
	"context"

	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/rivertype"
)

// Session is the lock of a client. While the client holds it, others do not take over its jobs.
type Session struct {
	ClientID string
	// Alive ends when the lock is lost or given back.
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
}

// IsLost tells whether the lock was lost or given back.
func (s *Session) IsLost() bool { return s.Alive.Err() != nil }

// bind returns a copy of ctx that also ends when the session is lost.
func (s *Session) bind(ctx context.Context) (bound context.Context, release func()) {
	bound, cancel := context.WithCancelCause(ctx)
	unlink := context.AfterFunc(s.Alive, func() { cancel(ErrLockLost) })
	return bound, func() {
		unlink()
		cancel(nil)
	}
}
