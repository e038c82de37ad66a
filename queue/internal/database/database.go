// Package database is the common part of PostgreSQL and SQLite: their interface, the calls to River, and the rules for
// jobs whose process died. Packages postgres and sqlite add the parts that differ.
package database

import (
	"context"
	"fmt"
	"log/slog"
	"reflect"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
)

// Database is the interface to PostgreSQL and SQLite.
type Database interface {
	fmt.Stringer // for errors: which one it is, without its password

	// SetMaxTransactions says how many transactions handlers may have at the same time. It is called before Open.
	SetMaxTransactions(transactions int)
	// Open connects, in one try. The methods below may be called after it has returned nil, until Close.
	Open(ctx context.Context, log *slog.Logger) error
	// Check returns a [PermanentError] if the connections do not keep what the database needs them to keep. Session says
	// that the process takes locks or listens.
	Check(ctx context.Context, session bool) error
	// Migrate migrates the schema under a lock. If apply is false, it only checks the schema.
	Migrate(ctx context.Context, log *slog.Logger, apply bool) error
	// Close closes the database. It does nothing if the database is not open.
	Close()

	// TxTypes are the types of transactions that handlers may have.
	TxTypes() []reflect.Type
	// Shared tells whether other calls are possible during a transaction.
	Shared() bool
	Insert(ctx context.Context, jobs []river.InsertManyParams) ([]*rivertype.JobInsertResult, error)
	InsertTx(ctx context.Context, tx any, jobs []river.InsertManyParams) ([]*rivertype.JobInsertResult, error)
	// Work calls do in a transaction of one of TxTypes, and completes the job in it.
	Work(ctx context.Context, txType reflect.Type, job *rivertype.JobRow, do func(tx any) error) error

	Job(ctx context.Context, id int64) (*rivertype.JobRow, error)
	Jobs(ctx context.Context, params *river.JobListParams) ([]*rivertype.JobRow, error)
	Requeue(ctx context.Context, id int64) error
	Cancel(ctx context.Context, id int64) error
	// ChangeAll changes many jobs, and returns how many, also with an error.
	ChangeAll(ctx context.Context, change Change, selection *Selection) (int64, error)
	// ChangeThese changes the jobs with these IDs that are in one of these states.
	ChangeThese(ctx context.Context, change Change, ids []int64, states []string) (int64, error)
	// CountChosen returns how many jobs a selection has, but no more than its limit.
	CountChosen(ctx context.Context, selection *Selection) (int, error)
	Counts(ctx context.Context) ([]Count, error)
	// Due tells whether a job of these queues runs or is due.
	Due(ctx context.Context, queues []string) (bool, error)

	// Join takes the lock of a client, until the session ends.
	Join(ctx context.Context, clientID string) (*Session, error)
	// CheckOwnJobs looks at the running jobs of a client. It returns those that were cancelled, and those that were lost. Lost
	// jobs are available again.
	CheckOwnJobs(ctx context.Context, s *Session) (cancelled []JobAttempt, lost []*rivertype.JobRow, err error)
	// TryWrite writes what a client of a queue writes when it starts.
	TryWrite(ctx context.Context, s *Session, queue string) error
	// NewClient makes a River client that works for a session.
	NewClient(config *river.Config, s *Session, stacks *Stacks) (Client, error)
}

// Client is a River client with any type of transactions.
type Client interface {
	Start(ctx context.Context) error
	Stop(ctx context.Context) error
	StopAndCancel(ctx context.Context) error
}

// Count is the number of jobs of a queue in a state.
type Count struct {
	Queue string
	State string
	Jobs  int
	// Oldest is for how many seconds the first of them has been due. It is negative if none is due yet.
	Oldest float64
}
