package database

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/rivermigrate"
	"github.com/riverqueue/river/rivertype"
)

// Store is the common part of PostgreSQL and SQLite.
type Store[TTx any] struct {
	dialect  *Dialect
	changes  *Changes[TTx] // nil for a store that changes no jobs
	driver   riverdriver.Driver[TTx]
	inserter *river.Client[TTx]
}

// Dialect is what differs between PostgreSQL and SQLite in a Store.
type Dialect struct {
	// Fence is an SQL statement with the parameters ID, attempt and client. It is true, and locks the row, if the job
	// is still in this attempt.
	Fence string
	// Counts is an SQL statement. It returns all [Count]s as JSON in one row, as River's executors read only one.
	Counts string
	// OwnJobs is an SQL statement with a client as its parameter. It returns the client's running jobs that were cancelled, or
	// have been running for twenty seconds, as JSON in one row.
	OwnJobs string
	// IsDuplicate tells whether an error says that there is such a row already.
	IsDuplicate func(err error) bool
	// IsDeadlock tells whether an error says that a transaction was rolled back as it waited for one that waited for it.
	IsDeadlock func(err error) bool
	// IsLocked tells whether an error says that somebody else holds a lock. The same call succeeds when the lock is free.
	IsLocked func(err error) bool
	// IsDoubled tells whether an error says that one statement inserts the same row twice.
	IsDoubled func(err error) bool
}

// NewStore returns a store without a driver.
func NewStore[TTx any](dialect *Dialect, changes *Changes[TTx]) Store[TTx] {
	return Store[TTx]{dialect: dialect, changes: changes}
}

// Use sets the driver of an open database.
func (s *Store[TTx]) Use(driver riverdriver.Driver[TTx], log *slog.Logger) error {
	inserter, err := river.NewClient(driver, &river.Config{
		Logger: log, FetchCooldown: FetchCooldown, Hooks: []rivertype.Hook{&InsertHook{}},
	})
	s.driver, s.inserter = driver, inserter
	return err
}

// Executor returns the executor of a transaction.
func (s *Store[TTx]) Executor(tx TTx) riverdriver.ExecutorTx { return s.driver.UnwrapExecutor(tx) }

// TxTypes are the types of transactions that handlers may have.
func (*Store[TTx]) TxTypes() []reflect.Type { return []reflect.Type{reflect.TypeFor[TTx]()} }

// Insert adds jobs in a transaction of its own.
func (s *Store[TTx]) Insert(ctx context.Context, jobs []river.InsertManyParams) ([]*rivertype.JobInsertResult, error) {
	results, err := s.inserter.InsertMany(ctx, jobs)
	return results, s.explainInsert(err)
}

// explainInsert says what is wrong with a batch of jobs.
func (s *Store[TTx]) explainInsert(err error) error {
	if s.dialect.IsDoubled(err) {
		return fmt.Errorf("two jobs of the batch are the same, and unique: enqueue one of them (%w)", err)
	}
	return err
}

// InsertTx adds jobs as a part of a transaction.
func (s *Store[TTx]) InsertTx(ctx context.Context, tx any, jobs []river.InsertManyParams) ([]*rivertype.JobInsertResult, error) {
	own, ok := tx.(TTx)
	if !ok {
		return nil, fmt.Errorf("transaction is a %T, want a %v as the app's queue has it", tx, reflect.TypeFor[TTx]())
	}
	if v := reflect.ValueOf(tx); v.Kind() == reflect.Pointer && v.IsNil() {
		return nil, fmt.Errorf("transaction is a nil %T", tx)
	}
	results, err := s.inserter.InsertManyTx(ctx, own, jobs)
	if errors.Is(err, sql.ErrTxDone) || errors.Is(err, pgx.ErrTxClosed) {
		return nil, fmt.Errorf("transaction has ended before: %w", err)
	}
	return results, s.explainInsert(err)
}

// Job returns the row of a job, or [ErrNoJob].
func (s *Store[TTx]) Job(ctx context.Context, id int64) (*rivertype.JobRow, error) {
	row, err := s.inserter.JobGet(ctx, id)
	if errors.Is(err, rivertype.ErrNotFound) {
		err = ErrNoJob
	}
	return row, err
}

// Jobs returns the rows of the jobs of a list.
func (s *Store[TTx]) Jobs(ctx context.Context, params *river.JobListParams) ([]*rivertype.JobRow, error) {
	list, err := s.inserter.JobList(ctx, params)
	if err != nil {
		return nil, err
	}
	return list.Jobs, nil
}

// deadStates are the states of dead letters.
var deadStates = []string{string(rivertype.JobStateDiscarded), string(rivertype.JobStateCancelled)}

// Requeue makes a dead letter available at once.
func (s *Store[TTx]) Requeue(ctx context.Context, id int64) error {
	changed, err := s.changeBatch(ctx, Requeue, []int64{id}, deadStates)
	if err != nil || changed > 0 {
		return err
	}
	row, err := s.Job(ctx, id)
	switch {
	case err != nil:
		return err
	case slices.Contains(deadStates, string(row.State)):
		return fmt.Errorf("%w that can be: one like it was enqueued meanwhile, and it is unique", ErrNoJob)
	}
	return fmt.Errorf("%w among the dead letters: it is %s", ErrNoJob, row.State)
}

// openStates are the states of jobs that are not over.
var openStates = []string{
	string(rivertype.JobStateAvailable), string(rivertype.JobStateScheduled), string(rivertype.JobStateRunning),
	string(rivertype.JobStateRetryable), string(rivertype.JobStatePending),
}

// Cancel gives a job up. It does not use River's JobCancel, which tells the clients to end the job's run also if the job
// waits. If such a job is requeued at once, the message can come when it runs again, and would end that run.
func (s *Store[TTx]) Cancel(ctx context.Context, id int64) error {
	changed, err := s.changeBatch(ctx, Cancel, []int64{id}, openStates)
	if err != nil || changed > 0 {
		return err
	}
	row, err := s.Job(ctx, id)
	if err == nil && row.State != rivertype.JobStateCancelled {
		return fmt.Errorf("%w that could be cancelled: it is %s", ErrNoJob, row.State)
	}
	return err
}

// Counts returns the numbers of jobs by queue and state.
func (s *Store[TTx]) Counts(ctx context.Context) (counts []Count, err error) {
	var found []byte
	if err := s.driver.GetExecutor().QueryRow(ctx, s.dialect.Counts).Scan(&found); err != nil {
		return nil, err
	}
	return counts, json.Unmarshal(found, &counts)
}

// Due tells whether a job of these queues runs or is due. It uses one query, as a second one could miss a job that
// changes its state between them.
func (s *Store[TTx]) Due(ctx context.Context, queues []string) (bool, error) {
	first, err := s.inserter.JobList(ctx, river.NewJobListParams().Queues(queues...).First(1).
		States(rivertype.JobStateRunning, rivertype.JobStateAvailable, rivertype.JobStateScheduled, rivertype.JobStateRetryable).
		OrderBy(river.JobListOrderByScheduledAt, river.SortOrderAsc))
	if err != nil || len(first.Jobs) == 0 {
		return false, err
	}
	job := first.Jobs[0]
	return job.State == rivertype.JobStateRunning || !job.ScheduledAt.After(time.Now()) ||
		job.ScheduledAt.Equal(job.CreatedAt), nil // at once, by the database's clock
}

// TryWrite writes what a client of a queue writes when it starts. It fails if the database takes no writes.
func (s *Store[TTx]) TryWrite(ctx context.Context, joined *Session, queue string) error {
	_, err := s.driverOf(joined).GetExecutor().QueueCreateOrSetUpdatedAt(ctx,
		&riverdriver.QueueCreateOrSetUpdatedAtParams{Name: queue, Metadata: []byte("{}")})
	return err
}

// driverOf returns the driver of a session.
func (s *Store[TTx]) driverOf(joined *Session) riverdriver.Driver[TTx] {
	if own, ok := joined.Driver.(riverdriver.Driver[TTx]); ok {
		return own
	}
	return s.driver
}

// NewClient makes a River client that works for a session.
func (s *Store[TTx]) NewClient(config *river.Config, joined *Session, stacks *Stacks) (Client, error) {
	driver := s.driverOf(joined)
	config.ID = joined.ClientID
	return river.NewClient(fencedDriver[TTx]{
		Driver:   driver,
		executor: &fencedExecutor{Executor: driver.GetExecutor(), dialect: s.dialect, session: joined, stacks: stacks},
	}, config)
}

// MigrateIn runs the missing migrations. If apply is false, it only checks that none is missing.
func (s *Store[TTx]) MigrateIn(ctx context.Context, log *slog.Logger, apply bool) error {
	migrator, err := rivermigrate.New(s.driver, &rivermigrate.Config{Logger: log})
	if err != nil {
		return err
	}
	if apply {
		_, err = migrator.Migrate(ctx, rivermigrate.DirectionUp, nil)
		return err
	}
	found, err := migrator.Validate(ctx, nil)
	if err == nil && !found.OK {
		err = fmt.Errorf("%w: %v; run River's migrations, or leave WithoutMigrations out", ErrSchemaBehind, found.Messages)
	}
	return err
}

// Complete ends a job within a transaction. It fails with [ErrTakenOver] if another process has taken over the job.
func (s *Store[TTx]) Complete(ctx context.Context, tx TTx, job *rivertype.JobRow) error {
	exec := s.driver.UnwrapExecutor(tx)
	var ours bool
	err := exec.QueryRow(ctx, s.dialect.Fence, job.ID, job.Attempt, job.AttemptedBy[len(job.AttemptedBy)-1]).Scan(&ours)
	if errors.Is(err, sql.ErrNoRows) || errors.Is(err, rivertype.ErrNotFound) {
		return ErrTakenOver
	}
	if err != nil {
		return fmt.Errorf("complete the job in its transaction: %w", err)
	}
	done := riverdriver.JobSetStateCompleted(job.ID, time.Now(), nil)
	_, err = exec.JobSetStateIfRunningMany(ctx, &riverdriver.JobSetStateIfRunningManyParams{
		ID: []int64{done.ID}, State: []rivertype.JobState{done.State}, FinalizedAt: []*time.Time{done.FinalizedAt},
		Attempt: []*int{nil}, ErrData: [][]byte{nil}, ScheduledAt: []*time.Time{nil},
		MetadataDoMerge: []bool{false}, MetadataUpdates: [][]byte{nil},
	})
	if err != nil {
		return fmt.Errorf("complete the job in its transaction: %w", err)
	}
	return nil
}

// insertTopic is the topic of River's notifications of new jobs.
const insertTopic = "river_insert"

// notifyQueues tells the clients of these queues that there are jobs.
func notifyQueues(ctx context.Context, exec riverdriver.Executor, queues ...string) error {
	payload := make([]string, len(queues))
	for i, queue := range queues {
		payload[i] = fmt.Sprintf(`{"queue":%q}`, queue)
	}
	return exec.NotifyMany(ctx, &riverdriver.NotifyManyParams{Topic: insertTopic, Payload: payload})
}
