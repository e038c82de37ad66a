package queue

import (
	"errors"

	"github.com/riverqueue/river"

	"github.com/workerfx/workerfx/queue/internal/database"
)

// Errors of calls, for errors.Is.
var (
	// ErrNotStarted says that the database is not open: the app has not started, or it has stopped.
	ErrNotStarted = errors.New("queue is not started")
	// ErrNoJob says that there is no job with this ID, or that it is not in a state that the call needs.
	ErrNoJob = database.ErrNoJob
	// ErrLockLost is the cause of a handler's context ([context.Cause]) when the process has lost its lock, so that
	// others may take over its jobs.
	ErrLockLost = database.ErrLockLost
	// ErrDatabaseRefuses says that the database answers, and refuses to work: its disk is full, or it is read-only. It is
	// the error of the queue's worker, and the cause of a handler's context then.
	ErrDatabaseRefuses = database.ErrRefused
	// ErrTakenOver is the error of an attempt whose job another process has taken over. Its transaction is rolled back.
	ErrTakenOver = database.ErrTakenOver
	// ErrCancelled is the cause of a handler's context when its job was cancelled: see [Client.Cancel]. When the worker stops,
	// the cause is [workerfx.ErrStopping].
	ErrCancelled error = river.ErrJobCancelledRemotely
	// ErrSchemaBehind says that migrations are missing, and that this app must not run them.
	ErrSchemaBehind = database.ErrSchemaBehind
)
