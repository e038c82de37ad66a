package queue

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/rivermigrate"
	"github.com/riverqueue/river/rivertype"
)

// database is the interface to PostgreSQL and SQLite.
type database interface {
	fmt.Stringer // for errors: which one it is, without its password

	// makeRoom says how many transactions handlers may have at the same time. It is called before open.
	makeRoom(transactions int)
	// open connects, in one try. The methods below may be called after it has returned nil, until close.
	open(ctx context.Context, log *slog.Logger) error
	// migrate migrates the schema under a lock. If apply is false, it only checks the schema.
	migrate(ctx context.Context, log *slog.Logger, apply bool) error
	close()

	// txTypes are the types of transactions that handlers may have.
	txTypes() []reflect.Type
	// shared tells whether other calls are possible during a transaction.
	shared() bool
	insert(ctx context.Context, jobs []river.InsertManyParams) ([]*rivertype.JobInsertResult, error)
	insertTx(ctx context.Context, tx any, jobs []river.InsertManyParams) ([]*rivertype.JobInsertResult, error)
	// work calls do in a transaction of one of txTypes, and completes the job in it.
	work(ctx context.Context, txType reflect.Type, job *rivertype.JobRow, do func(tx any) error) error

	job(ctx context.Context, id int64) (*rivertype.JobRow, error)
	// jobs returns the jobs of a filter with a limit, ordered by ID.
	jobs(ctx context.Context, filter JobFilter, order river.SortOrder) ([]*rivertype.JobRow, error)
	requeue(ctx context.Context, id int64) error
	cancel(ctx context.Context, id int64) error
	count(ctx context.Context) ([]Count, error)
	// due tells whether a job of these queues runs or is due.
	due(ctx context.Context, queues []string) (bool, error)

	// join takes the lock of a client, until the session ends.
	join(ctx context.Context, clientID string) (*session, error)
	// newClient makes a River client that works for a session.
	newClient(config *river.Config, s *session, stacks *stacks) (client, error)
}

// client is a River client with any type of transactions.
type client interface {
	Start(ctx context.Context) error
	Stop(ctx context.Context) error
	StopAndCancel(ctx context.Context) error
}

// store is the common part of PostgreSQL and SQLite.
type store[TTx any] struct {
	*statements

	driver   riverdriver.Driver[TTx]
	inserter *river.Client[TTx]
}

// statements are SQL statements that River does not have, for one of the databases.
type statements struct {
	// fence is true, and locks the row, if a job is still in this attempt (ID, attempt, client).
	fence string
	// counts returns all [Count]s as JSON, as River's executors read one row.
	counts string
}

// use sets the driver of an open database.
func (s *store[TTx]) use(driver riverdriver.Driver[TTx], log *slog.Logger) error {
	inserter, err := newInserter(driver, log)
	s.driver, s.inserter = driver, inserter
	return err
}

// newInserter makes a client that enqueues, and works nothing.
func newInserter[TTx any](driver riverdriver.Driver[TTx], log *slog.Logger) (*river.Client[TTx], error) {
	return river.NewClient(driver, &river.Config{
		Logger: log, FetchCooldown: fetchCooldown, Hooks: []rivertype.Hook{&insertHook{}},
	})
}

func (*store[TTx]) txTypes() []reflect.Type { return []reflect.Type{reflect.TypeFor[TTx]()} }

func (s *store[TTx]) insert(ctx context.Context, jobs []river.InsertManyParams) ([]*rivertype.JobInsertResult, error) {
	return s.inserter.InsertMany(ctx, jobs)
}

func (s *store[TTx]) insertTx(ctx context.Context, tx any, jobs []river.InsertManyParams) ([]*rivertype.JobInsertResult, error) {
	own, ok := tx.(TTx)
	if !ok {
		return nil, fmt.Errorf("transaction is a %T, want a %v as the app's queue has it", tx, reflect.TypeFor[TTx]())
	}
	return insertManyTx(ctx, s.inserter, own, jobs)
}

// insertManyTx enqueues jobs in a transaction.
func insertManyTx[TTx any](ctx context.Context, inserter *river.Client[TTx], tx TTx, jobs []river.InsertManyParams,
) ([]*rivertype.JobInsertResult, error) {
	if v := reflect.ValueOf(tx); v.Kind() == reflect.Pointer && v.IsNil() {
		return nil, fmt.Errorf("transaction is a nil %T", tx)
	}
	results, err := inserter.InsertManyTx(ctx, tx, jobs)
	if errors.Is(err, sql.ErrTxDone) || errors.Is(err, pgx.ErrTxClosed) {
		return nil, fmt.Errorf("transaction has ended before: %w", err)
	}
	return results, err
}

func (s *store[TTx]) job(ctx context.Context, id int64) (*rivertype.JobRow, error) {
	row, err := s.inserter.JobGet(ctx, id)
	if errors.Is(err, rivertype.ErrNotFound) {
		err = ErrNoJob
	}
	return row, err
}

func (s *store[TTx]) jobs(ctx context.Context, filter JobFilter, order river.SortOrder) ([]*rivertype.JobRow, error) {
	params := river.NewJobListParams().Kinds(filter.Kinds...).Queues(filter.Queues...).
		First(filter.Limit).OrderBy(river.JobListOrderByID, order)
	if len(filter.States) > 0 {
		wanted := make([]rivertype.JobState, len(filter.States))
		for i, state := range filter.States {
			wanted[i] = rivertype.JobState(state)
		}
		params = params.States(wanted...)
	}
	if filter.AfterID > 0 {
		params = params.Where("id > @after_id", river.NamedArgs{"after_id": filter.AfterID})
	}
	list, err := s.inserter.JobList(ctx, params)
	if err != nil {
		return nil, err
	}
	return list.Jobs, nil
}

func (s *store[TTx]) requeue(ctx context.Context, id int64) error {
	row, err := s.job(ctx, id)
	if err != nil {
		return err
	}
	if row.State != rivertype.JobStateDiscarded && row.State != rivertype.JobStateCancelled {
		return fmt.Errorf("%w among the dead letters: it is %s", ErrNoJob, row.State)
	}
	if _, err = s.inserter.JobRetry(ctx, id); isDuplicate(err) {
		return fmt.Errorf("%w that can be: one like it was enqueued meanwhile, and it is unique", ErrNoJob)
	}
	if err != nil {
		return err
	}
	return notifyQueues(ctx, s.driver.GetExecutor(), row.Queue)
}

// isDuplicate tells whether an error of PostgreSQL or SQLite says that there is such a row already.
func isDuplicate(err error) bool {
	const sqliteConstraintUnique = 2067
	return sqliteCode(err) == sqliteConstraintUnique || hasCode(err, "23505")
}

// sqliteCode is the code of an error of SQLite, or 0.
func sqliteCode(err error) int {
	lite, ok := errors.AsType[interface {
		error
		Code() int
	}](err)
	if !ok {
		return 0
	}
	return lite.Code()
}

func (s *store[TTx]) cancel(ctx context.Context, id int64) error {
	row, err := s.job(ctx, id)
	if err != nil {
		return err
	}
	if row.FinalizedAt == nil {
		if row, err = s.inserter.JobCancel(ctx, id); err != nil {
			return err
		}
	}
	if row.FinalizedAt != nil && row.State != rivertype.JobStateCancelled {
		return fmt.Errorf("%w that could be cancelled: it is %s", ErrNoJob, row.State)
	}
	return nil
}

func (s *store[TTx]) count(ctx context.Context) (counts []Count, err error) {
	var found []byte
	if err := s.driver.GetExecutor().QueryRow(ctx, s.counts).Scan(&found); err != nil {
		return nil, err
	}
	return counts, json.Unmarshal(found, &counts)
}

// due uses one query: with two, a job that changes its state between them would be missed.
func (s *store[TTx]) due(ctx context.Context, queues []string) (bool, error) {
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

func (s *store[TTx]) newClient(config *river.Config, joined *session, stacks *stacks) (client, error) {
	driver := s.driver
	if own, ok := joined.driver.(riverdriver.Driver[TTx]); ok {
		driver = own
	}
	config.ID = joined.clientID
	return river.NewClient(fencedDriver[TTx]{
		Driver:   driver,
		executor: &fencedExecutor{Executor: driver.GetExecutor(), session: joined, stacks: stacks},
	}, config)
}

// migrateIn runs the missing migrations. If apply is false, it only names them.
func (s *store[TTx]) migrateIn(ctx context.Context, log *slog.Logger, apply bool) error {
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

// complete ends a job within a transaction. It fails with [ErrTakenOver] if the row is not in the caller's attempt
// any more.
func (s *store[TTx]) complete(ctx context.Context, exec riverdriver.Executor, job *rivertype.JobRow) error {
	var ours bool
	err := exec.QueryRow(ctx, s.fence, job.ID, job.Attempt, job.AttemptedBy[len(job.AttemptedBy)-1]).Scan(&ours)
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

// inSQLTx calls do in a transaction. It commits unless do fails or panics.
func inSQLTx(ctx context.Context, db *sql.DB, do func(tx *sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // after a commit it does nothing
	if err := do(tx); err != nil {
		return err
	}
	return tx.Commit()
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
