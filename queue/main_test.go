package queue_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/fxtest"
	"github.com/workerfx/workerfx/queue"
	"github.com/workerfx/workerfx/queue/internal/pgtest"
)

var errBoom = errors.New("boom")

func TestMain(m *testing.M) {
	if database := os.Getenv(processEnv); database != "" {
		if err := runProcess(database); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	pgtest.Main(m)
}

// testDB is an empty database of one of the two kinds.
type testDB struct {
	queue.Database

	name   string
	path   string // of SQLite
	url    string // of PostgreSQL itself
	appURL string // of PostgreSQL, for the app: through PgBouncer or not
	direct string // of PostgreSQL, for WithDirectURL; empty without

	useSQLTx bool // handlers have transactions of database/sql, on PostgreSQL, too
}

func (db testDB) isSQLite() bool { return db.path != "" }

// module makes the app's queue in the database.
func (db testDB) module(opts ...queue.Option) fx.Option {
	if db.direct != "" {
		opts = append([]queue.Option{queue.WithDirectURL(db.direct)}, opts...)
	}
	return queue.Module(db.Database, opts...)
}

// onBoth runs a test on an empty database of each kind, and on PostgreSQL also through PgBouncer. All tests do so, not a
// choice of them, as each has calls to the database that no other test has. The four run side by side: they mostly wait,
// so all of them take about as long as two do one after the other.
func onBoth(t *testing.T, test func(t *testing.T, db testDB)) {
	t.Helper()
	onEach(t, test, map[string]func(testing.TB) testDB{
		"SQLite":                        newSQLite,
		"PostgreSQL":                    newPostgres,
		"PgBouncer in session mode":     newBehindSessions,
		"PgBouncer in transaction mode": newBehindTransactions,
	})
}

// onPostgres runs a test on an empty PostgreSQL, and on one behind PgBouncer in transaction mode.
func onPostgres(t *testing.T, test func(t *testing.T, db testDB)) {
	t.Helper()
	onEach(t, test, map[string]func(testing.TB) testDB{
		"PostgreSQL":                    newPostgres,
		"PgBouncer in transaction mode": newBehindTransactions,
	})
}

func onEach(t *testing.T, test func(t *testing.T, db testDB), databases map[string]func(testing.TB) testDB) {
	t.Helper()
	for name, newDB := range databases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, newDB(t))
		})
	}
}

func newBehindSessions(t testing.TB) testDB { return newPostgres(t).through(t, pgtest.SessionMode) }

func newBehindTransactions(t testing.TB) testDB {
	return newPostgres(t).through(t, pgtest.TransactionMode)
}

func newSQLite(t testing.TB) testDB {
	t.Helper()
	return newSQLiteIn(filepath.Join(t.TempDir(), "jobs.db"))
}

func newSQLiteIn(path string) testDB {
	return testDB{Database: queue.SQLite(path), name: "SQLite", path: path}
}

// newPostgres makes a database of its own for a test, or skips the test if there is no server.
func newPostgres(t testing.TB) testDB {
	t.Helper()
	return newPostgresAt(pgtest.NewDatabase(t))
}

func newPostgresAt(url string) testDB {
	return testDB{Database: queue.Postgres(url), name: "PostgreSQL", url: url, appURL: url}
}

// through returns the database for apps that reach it through PgBouncer, in transaction mode with a direct URL.
func (db testDB) through(t testing.TB, mode string, settings ...string) testDB {
	t.Helper()
	db.appURL = pgtest.ThroughPgBouncer(t, db.url, append(settings, mode)...)
	db.Database = queue.Postgres(db.appURL)
	if mode == pgtest.TransactionMode {
		db.direct = db.url
	}
	return db
}

// environment tells another process which database it works.
func (db testDB) environment(name string) []string {
	return append(os.Environ(), name+"="+db.path+db.appURL, directEnv+"="+db.direct)
}

// directEnv has the direct URL of a process, or nothing.
const directEnv = "WORKERFX_TEST_DIRECT_URL"

// databaseOf returns the database that the environment of this process names.
func databaseOf(value string) testDB {
	if !strings.HasPrefix(value, "postgres://") {
		return newSQLiteIn(value)
	}
	db := newPostgresAt(value)
	if db.direct = os.Getenv(directEnv); db.direct != "" {
		db.url = db.direct
	}
	return db
}

// exec changes the database, beside the app.
func (db testDB) exec(t testing.TB, statement string, args ...any) {
	t.Helper()
	if db.isSQLite() {
		raw := db.openSQLite(t)
		_, err := raw.Exec(statement, args...)
		require.NoError(t, err)
		return
	}
	db.onConn(t, func(conn *pgx.Conn) error {
		_, err := conn.Exec(context.Background(), statement, args...)
		return err
	})
}

// count asks the database for a number, beside the app.
func (db testDB) count(t testing.TB, query string, args ...any) (n int) {
	t.Helper()
	if db.isSQLite() {
		require.NoError(t, db.openSQLite(t).QueryRow(query, args...).Scan(&n))
		return n
	}
	db.onConn(t, func(conn *pgx.Conn) error { return conn.QueryRow(context.Background(), query, args...).Scan(&n) })
	return n
}

// onConn calls do with a connection to PostgreSQL. It is closed at once, as tests that poll call it often.
func (db testDB) onConn(t testing.TB, do func(*pgx.Conn) error) {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), db.url)
	require.NoError(t, err)
	defer conn.Close(context.Background())
	require.NoError(t, do(conn))
}

func (db testDB) openSQLite(t testing.TB) *sql.DB {
	t.Helper()
	raw, err := sql.Open("sqlite", "file:"+db.path+"?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_txlock=immediate")
	require.NoError(t, err)
	raw.SetMaxOpenConns(1)
	t.Cleanup(func() { raw.Close() })
	return raw
}

func (db testDB) openPostgres(t testing.TB) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(context.Background(), db.url)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return pool
}

// app is an app under test with a queue.
type app struct {
	*fxtest.App

	client *queue.Client
}

// newApp makes an app with a queue in db, and does not start it.
func newApp(t testing.TB, db testDB, opts ...fx.Option) *app {
	t.Helper()
	return newAppWith(t, db.module(), opts...)
}

func newAppWith(t testing.TB, module fx.Option, opts ...fx.Option) *app {
	t.Helper()
	a := &app{}
	a.App = fxtest.New(t, module, fx.Options(opts...), fx.Populate(&a.client)).Within(waitLimit)
	return a
}

// startApp makes an app with a queue in db, and starts it.
func startApp(t testing.TB, db testDB, opts ...fx.Option) *app {
	t.Helper()
	a := newApp(t, db, opts...)
	a.RequireStart()
	return a
}

// errorOf returns the error of fx.New.
func errorOf(opts ...fx.Option) error {
	return fx.New(fx.NopLogger, workerfx.Module, fx.Options(opts...)).Err()
}

// testLease is short, so that jobs of a silent process are soon taken over.
const testLease = 2 * time.Second

// waitLimit bounds every wait of a test. It is long, as the machine may be busy with other things.
const waitLimit = time.Minute

// eventually waits until a condition holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(waitLimit); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v in vain: %s", waitLimit, what)
		}
	}
}

// receive waits for an item.
func receive[T any](t testing.TB, ch <-chan T) T {
	t.Helper()
	select {
	case item := <-ch:
		return item
	case <-time.After(waitLimit):
		t.Fatalf("waited %v in vain for an item", waitLimit)
		panic("unreachable")
	}
}

// awaitState waits until a job is in a state, and returns it.
func (a *app) awaitState(t testing.TB, id int64, state queue.State) queue.JobInfo {
	t.Helper()
	var job queue.JobInfo
	eventually(t, fmt.Sprintf("job %d is %s", id, state), func() bool {
		var err error
		job, err = a.client.Job(context.Background(), id)
		require.NoError(t, err)
		return job.State == state
	})
	return job
}

// enqueue adds a job.
func (a *app) enqueue(t testing.TB, args queue.Args, opts ...queue.EnqueueOption) int64 {
	t.Helper()
	added, err := a.client.Enqueue(context.Background(), args, opts...)
	require.NoError(t, err)
	return added.ID
}

// mail are the arguments of jobs in most tests.
type mail struct {
	To string `json:"to"`
}

func (mail) Kind() string { return "mail" }

// handle provides a handler of mail.
func handle(do queue.HandlerFunc[mail], opts ...queue.HandlerOption) fx.Option {
	return queue.ProvideHandler[mail](func() queue.HandlerFunc[mail] { return do }, opts...)
}

// within returns a context that ends after waitLimit.
func within(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), waitLimit)
	t.Cleanup(cancel)
	return ctx
}
