package queue_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/dashboard"
	"github.com/workerfx/workerfx/middleware"
	"github.com/workerfx/workerfx/queue"
	"github.com/workerfx/workerfx/queue/internal/pgtest"
)

// Greeting is what a job is about.
type Greeting struct {
	Name string `json:"name"`
}

// Kind names such jobs in the database.
func (Greeting) Kind() string { return "greeting" }

// Greeter does the jobs.
type Greeter struct{}

// NewGreeter may take whatever the app provides.
func NewGreeter() *Greeter { return &Greeter{} }

// Handle does one job. Returning nil, it says that the job is done.
func (*Greeter) Handle(ctx context.Context, job *queue.Job[Greeting]) error {
	workerfx.CtxLogger(ctx).Info().Msg("greeting") // has the fields kind and attempt
	fmt.Printf("Hello, %s!\n", job.Args.Name)
	return nil
}

// An app that enqueues jobs and works them. In another process, each half would do without the other.
func Example() {
	dir, err := os.MkdirTemp("", "queue")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	var client *queue.Client
	app := fx.New(
		fx.NopLogger,
		workerfx.Module, // works the jobs
		queue.Module(queue.SQLite(filepath.Join(dir, "jobs.db"))), // or queue.Postgres("postgres://...")
		queue.ProvideHandler[Greeting](NewGreeter),
		fx.Populate(&client),
	)
	ctx := context.Background()
	if err := app.Start(ctx); err != nil {
		panic(err)
	}
	if _, err := client.Enqueue(ctx, Greeting{Name: "Ada"}); err != nil {
		panic(err)
	}
	if err := client.Drain(ctx); err != nil { // until nothing is left to do
		panic(err)
	}
	if err := app.Stop(ctx); err != nil {
		panic(err)
	}
	// Output: Hello, Ada!
}

// example is an app with a queue in a new file, started.
type example struct {
	client *queue.Client
	pool   *workerfx.Pool
	path   string
	stop   func()
}

func newExample(opts ...fx.Option) *example {
	dir, err := os.MkdirTemp("", "queue")
	must(err)
	e := &example{path: filepath.Join(dir, "jobs.db")}
	app := fx.New(
		fx.NopLogger, workerfx.Module, queue.Module(queue.SQLite(e.path)), fx.Populate(&e.client, &e.pool), fx.Options(opts...),
	)
	must(app.Start(context.Background()))
	e.stop = func() { must(errors.Join(app.Stop(context.Background()), os.RemoveAll(dir))) }
	return e
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// greet provides a handler of greetings.
func greet(do queue.HandlerFunc[Greeting], opts ...queue.HandlerOption) fx.Option {
	return queue.ProvideHandler[Greeting](func() queue.HandlerFunc[Greeting] { return do }, opts...)
}

// An app without workers enqueues for others, and needs no pool.
func ExampleModule_enqueueOnly() {
	e := newExample()
	defer e.stop()
	var client *queue.Client
	web := fx.New(fx.NopLogger, queue.Module(queue.SQLite(e.path)), fx.Populate(&client))
	ctx := context.Background()
	must(web.Start(ctx))
	defer web.Stop(ctx)

	added, err := client.Enqueue(ctx, Greeting{Name: "Ada"}, queue.In(time.Hour))
	must(err)
	job, err := client.Job(ctx, added.ID)
	must(err)
	fmt.Println(job.Kind, job.State, string(job.RawArgs))
	// Output: greeting scheduled {"name":"Ada"}
}

// Options say when a job is due, its priority, and that there is only one such job.
func ExampleClient_Enqueue() {
	e := newExample()
	defer e.stop()
	client := e.client
	ctx := context.Background()

	_, err := client.Enqueue(ctx, Greeting{Name: "Ada"},
		queue.In(10*time.Minute), queue.Priority(2), queue.MaxAttempts(5), queue.Unique())
	must(err)
	again, err := client.Enqueue(ctx, Greeting{Name: "Ada"}, queue.Unique())
	must(err)
	fmt.Println("duplicate:", again.Duplicate)
	_, err = client.Enqueue(ctx, Greeting{Name: "Bob"}, queue.Priority(7))
	fmt.Println(err)
	// Output:
	// duplicate: true
	// queue: enqueue "greeting": priority 7: must be from 1, the first to be worked, to 4
}

// A job of a transaction exists if the transaction is committed.
func ExampleClient_EnqueueTx() {
	dir, err := os.MkdirTemp("", "queue")
	must(err)
	defer os.RemoveAll(dir)
	db, err := sql.Open("sqlite", filepath.Join(dir, "app.db")+"?_pragma=journal_mode(WAL)&_pragma=busy_timeout(10000)")
	must(err)
	defer db.Close()
	db.SetMaxOpenConns(1)
	var client *queue.Client
	app := fx.New(fx.NopLogger, fx.Supply(db), queue.Module(queue.UseSQLite()), fx.Populate(&client))
	ctx := context.Background()
	must(app.Start(ctx))
	defer app.Stop(ctx)

	tx, err := db.BeginTx(ctx, nil)
	must(err)
	added, err := client.EnqueueTx(ctx, tx, Greeting{Name: "Ada"})
	must(err)
	must(tx.Rollback()) // the order that the greeting was for did not come about

	_, err = client.Job(ctx, added.ID)
	fmt.Println("no such job:", errors.Is(err, queue.ErrNoJob))
	// Output: no such job: true
}

// Biller writes bills.
type Biller struct{ fail atomic.Bool }

// NewBiller makes a biller whose first bill fails.
func NewBiller() *Biller {
	b := &Biller{}
	b.fail.Store(true)
	return b
}

// HandleTx writes the bill in the transaction that ends its job: both are there, or neither.
func (b *Biller) HandleTx(ctx context.Context, tx *sql.Tx, job *queue.Job[Greeting]) error {
	if _, err := tx.ExecContext(ctx, `INSERT INTO bills (name) VALUES (?)`, job.Args.Name); err != nil {
		return err
	}
	if b.fail.CompareAndSwap(true, false) {
		return errors.New("out of paper") // the bill goes with it, and is written by the next attempt
	}
	return nil
}

// The writes of a HandlerTx happen exactly once, after any number of attempts.
func ExampleHandlerTx() {
	e := newExample(
		queue.ProvideHandler[Greeting](NewBiller, queue.WithBackoff(workerfx.StaticBackoff{})),
	)
	defer e.stop()
	client := e.client
	db, err := sql.Open("sqlite", e.path+"?_pragma=busy_timeout(10000)")
	must(err)
	defer db.Close()
	_, err = db.Exec(`CREATE TABLE bills (name text)`)
	must(err)

	ctx := context.Background()
	added, err := client.Enqueue(ctx, Greeting{Name: "Ada"})
	must(err)
	must(client.Drain(ctx))

	job, err := client.Job(ctx, added.ID)
	must(err)
	var bills int
	must(db.QueryRow(`SELECT count(*) FROM bills`).Scan(&bills))
	fmt.Println(job.State, "at attempt", job.Attempt, "with bills:", bills)
	// Output: completed at attempt 2 with bills: 1
}

// The error of a handler says how its job goes on.
func ExampleHandler() {
	handler := queue.HandlerFunc[Greeting](func(_ context.Context, job *queue.Job[Greeting]) error {
		switch {
		case job.Args.Name == "":
			return queue.Discard(errors.New("there is no name")) // a dead letter, at once, with the state cancelled
		case job.Args.Name == "Bob" && time.Since(job.EnqueuedAt) < 50*time.Millisecond:
			return queue.RescheduleIn(50 * time.Millisecond) // later, and the attempt does not count
		case job.Attempt == 1:
			return errors.New("the line is busy") // again, after the backoff
		}
		fmt.Printf("Hello, %s! (attempt %d)\n", job.Args.Name, job.Attempt)
		return nil
	})
	e := newExample(
		queue.ProvideHandler[Greeting](func() queue.HandlerFunc[Greeting] { return handler },
			queue.WithBackoff(workerfx.ExponentialBackoff{Initial: time.Millisecond, Max: time.Hour}),
			queue.WithTimeout(time.Minute)),
	)
	defer e.stop()
	client := e.client

	ctx := context.Background()
	for _, name := range []string{"", "Bob"} {
		added, err := client.Enqueue(ctx, Greeting{Name: name})
		must(err)
		fmt.Println(e.await(added.ID).State)
	}
	// Output:
	// cancelled
	// Hello, Bob! (attempt 2)
	// completed
}

// await waits until a job is done or given up.
func (e *example) await(id int64) queue.JobInfo {
	for {
		job, err := e.client.Job(context.Background(), id)
		must(err)
		if !job.FinishedAt.IsZero() {
			return job
		}
		time.Sleep(time.Millisecond)
	}
}

// Jobs that were given up are kept for a week (a day if their handler discarded them), and may be tried again.
func ExampleClient_DeadLetters() {
	var repaired atomic.Bool
	e := newExample(greet(func(context.Context, *queue.Job[Greeting]) error {
		if repaired.Load() {
			return nil
		}
		return errors.New("the line is cut")
	}))
	defer e.stop()
	client := e.client
	ctx := context.Background()
	added, err := client.Enqueue(ctx, Greeting{Name: "Ada"}, queue.MaxAttempts(1))
	must(err)
	e.await(added.ID)

	letters, err := client.DeadLetters(ctx, 100)
	must(err)
	repaired.Store(true)
	for _, job := range letters {
		fmt.Println(job.State, string(job.RawArgs), job.Errors[0].Error)
		must(client.Requeue(ctx, job.ID))
		fmt.Println(e.await(job.ID).State)
	}
	// Output:
	// discarded {"name":"Ada"} the line is cut
	// completed
}

// Cancel gives up a job that is not needed any more.
func ExampleClient_Cancel() {
	e := newExample(greet(func(context.Context, *queue.Job[Greeting]) error { return nil }))
	defer e.stop()
	client := e.client
	ctx := context.Background()
	added, err := client.Enqueue(ctx, Greeting{Name: "Ada"}, queue.In(time.Hour))
	must(err)
	id := added.ID

	must(client.Cancel(ctx, id))
	fmt.Println(e.await(id).State)
	// Output: cancelled
}

// An operator handles many jobs at once.
func ExampleClient_RequeueAll() {
	var repaired atomic.Bool
	e := newExample(greet(func(context.Context, *queue.Job[Greeting]) error {
		if !repaired.Load() {
			return queue.Discard(errors.New("the printer is broken"))
		}
		return nil
	}))
	defer e.stop()
	client := e.client
	ctx := context.Background()
	_, err := client.EnqueueBatch(ctx, queue.NewEntry(Greeting{Name: "Ada"}), queue.NewEntry(Greeting{Name: "Grace"}))
	must(err)
	must(client.Drain(ctx))
	repaired.Store(true)

	failed := queue.JobFilter{States: []queue.State{queue.StateDiscarded, queue.StateCancelled}, Kinds: []string{"greeting"}}
	page, err := client.Jobs(ctx, failed) // 100 jobs; for the next page set AfterID
	must(err)
	requeued, err := client.RequeueAll(ctx, failed)
	must(err)
	fmt.Println(len(page), requeued)
	// Output: 2 2
}

// The database counts its jobs.
func ExampleClient_Counts() {
	e := newExample(greet(func(context.Context, *queue.Job[Greeting]) error { return nil }))
	defer e.stop()
	client := e.client
	ctx := context.Background()
	_, err := client.EnqueueBatch(ctx,
		queue.NewEntry(Greeting{Name: "Ada"}),
		queue.NewEntry(Greeting{Name: "Grace"}),
		queue.NewEntry(Greeting{Name: "Barbara"}, queue.In(time.Hour)))
	must(err)
	must(client.Drain(ctx))

	counts, err := client.Counts(ctx)
	must(err)
	for _, c := range counts {
		fmt.Println(c.Queue, c.State, c.Jobs)
	}
	// Output:
	// default completed 2
	// default scheduled 1
}

// Hooks are called for events of jobs.
func ExampleProvideHooks() {
	newHooks := func() queue.Hooks { // may take what the app provides
		return queue.Hooks{
			OnLocked: func(_ context.Context, job queue.JobInfo) { fmt.Println(job.Kind, "begins") },
			OnDone:   func(_ context.Context, job queue.JobInfo, err error) { fmt.Println(job.Kind, "ended:", err) },
			OnDiscard: func(_ context.Context, job queue.JobInfo, err error) {
				fmt.Println(job.Kind, "is given up after", job.Attempt, "attempt:", err)
			},
		}
	}
	e := newExample(queue.ProvideHooks(newHooks), greet(func(context.Context, *queue.Job[Greeting]) error {
		return errors.New("the line is cut")
	}))
	defer e.stop()
	client := e.client
	added, err := client.Enqueue(context.Background(), Greeting{Name: "Ada"}, queue.MaxAttempts(1))
	must(err)
	e.await(added.ID)
	// Output:
	// greeting begins
	// greeting ended: the line is cut
	// greeting is given up after 1 attempt: the line is cut
}

// A queue is a worker of the pool, which can pause and resume it.
func ExampleWithQueue() {
	dir, err := os.MkdirTemp("", "queue")
	must(err)
	defer os.RemoveAll(dir)
	var client *queue.Client
	var pool *workerfx.Pool
	app := fx.New(
		fx.NopLogger,
		workerfx.Module,
		queue.Module(queue.SQLite(filepath.Join(dir, "jobs.db")),
			queue.WithQueue("default", 10), // ten jobs at a time
			queue.WithQueue("reports", 1, workerfx.WithReplicas(2), workerfx.WithReplicaLimits(1, 8)), // two replicas of one
		),
		queue.ProvideHandler[Greeting](NewGreeter),
		fx.Populate(&client, &pool),
	)
	ctx := context.Background()
	must(app.Start(ctx))
	defer app.Stop(ctx)

	must(pool.Pause("queue/default"))    // the jobs that run end, no other begins in this process
	must(pool.Scale("queue/reports", 4)) // four jobs at a time
	must(pool.Resume("queue/default"))
	_, err = client.Enqueue(ctx, Greeting{Name: "Ada"}, queue.Queue("reports"))
	must(err)
	must(client.Drain(ctx))
	// Output: Hello, Ada!
}

// In some processes, the configuration can turn off all queues. These processes still enqueue.
func ExampleModule_except() {
	e := newExample(
		queue.ProvideHandler[Greeting](NewGreeter),
		fx.Supply(workerfx.Config{Except: []string{"queue"}}),
	)
	defer e.stop()
	fmt.Println("workers:", len(e.pool.Executions()))
	// Output: workers: 0
}

// A periodic job is enqueued by one of all processes that work a queue of the database.
func ExamplePeriodic() {
	greeted := make(chan string, 10)
	e := newExample(
		queue.Periodic("@every 1s", Greeting{Name: "Ada"}), // or "30 4 * * *", or with its time zone "CRON_TZ=Europe/Berlin 30 4 * * *"
		greet(func(_ context.Context, job *queue.Job[Greeting]) error {
			greeted <- job.Args.Name
			return nil
		}))
	defer e.stop()
	fmt.Println(<-greeted)
	// Output: Ada
}

// A worker that runs in one process at a time, with a lock in PostgreSQL.
func singleton(pool *workerfx.Pool, locker middleware.Locker) error {
	return pool.Add(workerfx.NewWorker("feed", untilStopped, workerfx.WithMiddleware(middleware.Singleton(locker))))
}

func untilStopped(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// place writes an order and enqueues its mail, both or neither.
func place(ctx context.Context, client *queue.Client, conn *pgx.Conn) error {
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `INSERT INTO orders (name) VALUES ($1)`, "Ada"); err != nil {
			return err
		}
		_, err := client.EnqueueTx(ctx, tx, Greeting{Name: "Ada"})
		return err
	})
}

func TestOrderAndItsJobAreOneCommit(t *testing.T) {
	db := newPostgres(t)
	db.exec(t, `CREATE TABLE orders (name text UNIQUE)`)
	a := startApp(t, db)
	conn, err := pgx.Connect(t.Context(), db.url)
	require.NoError(t, err)
	defer conn.Close(context.Background())
	require.NoError(t, place(t.Context(), a.client, conn))
	require.ErrorContains(t, place(t.Context(), a.client, conn), "duplicate key")
	require.Equal(t, 1, db.count(t, `SELECT count(*) FROM river_job`))
}

func TestSingletonsLockIsInPostgreSQL(t *testing.T) {
	db := newPostgres(t)
	a := startApp(t, db)
	require.NoError(t, singleton(a.Pool, queue.PostgresLocker(db.openPostgres(t))))
	a.AwaitStatus("feed", workerfx.StatusRunning)
}

func TestLocksMayHaveADirectURL(t *testing.T) {
	directURL := pgtest.NewDatabase(t)
	poolerURL := pgtest.ThroughPgBouncer(t, directURL, pgtest.TransactionMode)
	app := fx.New(fx.NopLogger,
		queue.Module(queue.Postgres(poolerURL), queue.WithDirectURL(directURL)),
	)
	require.NoError(t, app.Start(within(t)))
	require.NoError(t, app.Stop(within(t)))
}

func TestTheSectionIsProvidedToAnApp(t *testing.T) {
	a := startApp(t, newSQLite(t),
		dashboard.Module,
		dashboard.ProvideSection(queue.Section),
		fx.Supply(dashboard.Config{Listen: "127.0.0.1:0"}),
	)
	require.NoError(t, a.Err())
}

// All code in docs/queue.md is also in this file, where it is compiled and run.
func TestCodeOfTheDocumentationIsChecked(t *testing.T) {
	read := func(path string) string {
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		return string(data)
	}
	checked := make(map[string]bool)
	for line := range strings.Lines(read("example_test.go")) {
		checked[strings.TrimSpace(line)] = true
	}
	frame := regexp.MustCompile(`^(fx\.New\(|\)\.Run\(\)|queue\.Module\(queue\.(SQLite|Postgres)\(".*"\)\),)?$`) // of a program
	parts := strings.Split(read(filepath.Join("..", "docs", "queue.md")), "\n```go\n")
	require.Greater(t, len(parts), 1)
	for _, part := range parts[1:] {
		block, _, _ := strings.Cut(part, "\n```\n")
		for line := range strings.Lines(block) {
			line = strings.TrimSpace(line)
			assert.True(t, checked[line] || frame.MatchString(line), "not in an example: %s", line)
		}
	}
}
