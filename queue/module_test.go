package queue_test

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/queue"
)

func nothing(context.Context, *queue.Job[mail]) error { return nil }

// namesNothing has a kind only if it is not nil.
type names struct{ kind string }

func (n names) Kind() string { return n.kind }

// both has a method of a Handler, and its pointer also that of a HandlerTx.
type both struct{ calls chan string }

func (b both) Handle(context.Context, *queue.Job[mail]) error {
	b.calls <- "Handle"
	return nil
}

func (b *both) HandleTx(context.Context, *sql.Tx, *queue.Job[mail]) error {
	b.calls <- "HandleTx"
	return nil
}

type bothMethods interface {
	queue.Handler[mail]
	queue.HandlerTx[mail, *sql.Tx]
}

func TestTheResultsTypeSaysWhetherAHandlerGetsATransaction(t *testing.T) {
	calls := make(chan string, 1)
	for want, handler := range map[string]fx.Option{
		"Handle":   queue.ProvideHandler[mail](func() queue.Handler[mail] { return &both{calls} }),
		"HandleTx": queue.ProvideHandler[mail](func() queue.HandlerTx[mail, *sql.Tx] { return &both{calls} }),
	} {
		a := startApp(t, newSQLite(t), handler)
		a.enqueue(t, mail{})
		require.Equal(t, want, receive(t, calls))
	}
}

func TestBadConfigurationIsRefusedBeforeAnythingStarts(t *testing.T) {
	file := queue.SQLite(filepath.Join(t.TempDir(), "jobs.db"))
	pgxHandler := func() queue.HandlerTxFunc[mail, pgx.Tx] {
		return func(context.Context, pgx.Tx, *queue.Job[mail]) error { return nil }
	}
	for name, c := range map[string]struct {
		opts []fx.Option
		want string
	}{
		"no database":         {[]fx.Option{queue.Module(queue.Database{})}, "the Database is zero"},
		"empty path":          {[]fx.Option{queue.Module(queue.SQLite(""))}, "SQLite: the path is empty"},
		"memory":              {[]fx.Option{queue.Module(queue.SQLite(":memory:"))}, "is not a file"},
		"empty URL":           {[]fx.Option{queue.Module(queue.Postgres(""))}, "PostgreSQL: the URL is empty"},
		"bad URL":             {[]fx.Option{queue.Module(queue.Postgres("postgres://u:secret@host:x/db"))}, "PostgreSQL: cannot parse"},
		"no pool":             {[]fx.Option{queue.Module(queue.UsePostgres())}, "UsePostgres: the app provides no *pgxpool.Pool"},
		"no sql.DB":           {[]fx.Option{queue.Module(queue.UseSQLite())}, "UseSQLite: the app provides no *sql.DB"},
		"lease":               {[]fx.Option{queue.Module(file, queue.WithLease(time.Millisecond))}, "queue: lease 1ms: must be from 1s to 24h0m0s"},
		"long lease":          {[]fx.Option{queue.Module(file, queue.WithLease(60*24*time.Hour))}, "queue: lease 1440h0m0s: must be from 1s"},
		"empty direct URL":    {[]fx.Option{queue.Module(queue.Postgres("postgres://host/db"), queue.WithDirectURL(""))}, "queue: WithDirectURL: the URL is empty"},
		"bad direct URL":      {[]fx.Option{queue.Module(queue.Postgres("postgres://host/db"), queue.WithDirectURL("postgres://u:secret@host:x/db"))}, "queue: WithDirectURL: cannot parse `postgres://u:xxxxx@host:x/db`"},
		"no direct URL":       {[]fx.Option{queue.Module(queue.Postgres("postgres://host/db"), queue.WithDirectURL("nonsense"))}, "queue: WithDirectURL: cannot parse `nonsense`"},
		"direct, SQLite":      {[]fx.Option{queue.Module(file, queue.WithDirectURL("postgres://u:secret@host/db"))}, "queue: WithDirectURL (PostgreSQL at host:5432/db): is for PostgreSQL, and the jobs are in SQLite"},
		"direct, UseSQLite":   {[]fx.Option{queue.Module(queue.UseSQLite(), queue.WithDirectURL("postgres://u:secret@host/db")), fx.Supply(&sql.DB{})}, "queue: WithDirectURL (PostgreSQL at host:5432/db): is for PostgreSQL"},
		"handler, no module":  {[]fx.Option{handle(nothing)}, "the app has no queue: add queue.Module"},
		"periodic, no module": {[]fx.Option{queue.Periodic("@daily", mail{})}, "queue.Periodic: the app has no queue"},
		"queue name":          {[]fx.Option{queue.Module(file, queue.WithQueue("", 1))}, `queue name ""`},
		"slots":               {[]fx.Option{queue.Module(file, queue.WithQueue("mail", 0))}, `queue "mail": slots 0: must be from 1 to 10000`},
		"queue twice":         {[]fx.Option{queue.Module(file, queue.WithQueue("m", 1), queue.WithQueue("m", 2))}, `queue "m": is named twice`},
		"queue, no handlers":  {[]fx.Option{queue.Module(file, queue.WithQueue("mail", 1))}, `queue "mail": there is no handler for its jobs`},
		"nil option":          {[]fx.Option{queue.Module(file, nil)}, "queue: option 1 is nil"},
		"worker option": {
			[]fx.Option{queue.Module(file, queue.WithQueue("mail", 1, workerfx.WithReplicas(-1))), handle(nothing)},
			`worker "queue/mail": replicas -1`,
		},
		"no constructor":        {[]fx.Option{queue.Module(file), queue.ProvideHandler[mail](7)}, "queue.ProvideHandler: got int, want a constructor"},
		"no handler":            {[]fx.Option{queue.Module(file), queue.ProvideHandler[mail](func() int { return 7 })}, "int has neither Handle("},
		"handler of other":      {[]fx.Option{queue.Module(file), queue.ProvideHandler[letter](func() queue.HandlerFunc[mail] { return nothing })}, "has neither Handle("},
		"both, a pointer":       {[]fx.Option{queue.Module(file), queue.ProvideHandler[mail](func() *both { return &both{} })}, "*queue_test.both has both Handle and HandleTx for queue_test.mail, want one of them"},
		"both, with a pointer":  {[]fx.Option{queue.Module(file), queue.ProvideHandler[mail](func() both { return both{} })}, "queue_test.both has both Handle and HandleTx"},
		"both, as an interface": {[]fx.Option{queue.Module(file), queue.ProvideHandler[mail](func() bothMethods { return &both{} })}, "queue_test.bothMethods has both Handle and HandleTx"},
		"nil handler":           {[]fx.Option{queue.Module(file), handle(nil)}, "the constructor returned a nil"},
		"two handlers":          {[]fx.Option{queue.Module(file), handle(nothing), handle(nothing)}, `kind "mail" has two handlers`},
		"no kind":               {[]fx.Option{queue.Module(file), queue.ProvideHandler[names](func() queue.HandlerFunc[names] { return func(context.Context, *queue.Job[names]) error { return nil } })}, `kind "" must have`},
		"timeout":               {[]fx.Option{queue.Module(file), handle(nothing, queue.WithTimeout(-1))}, `handler of kind "mail": timeout -1ns: must not be negative`},
		"nil backoff":           {[]fx.Option{queue.Module(file), handle(nothing, queue.WithBackoff(nil))}, `handler of kind "mail": backoff <nil>: is nil`},
		"backoff":               {[]fx.Option{queue.Module(file), handle(nothing, queue.WithBackoff(workerfx.StaticBackoff{Sleep: -1}))}, "sleep -1ns must not be negative"},
		"nil middleware":        {[]fx.Option{queue.Module(file), handle(nothing, queue.WithMiddleware(nil))}, "middleware 1: is nil"},
		"wrong tx":              {[]fx.Option{queue.Module(file), queue.ProvideHandler[mail](pgxHandler)}, "wants its transaction as pgx.Tx, SQLite in"},
		"hooks":                 {[]fx.Option{queue.Module(file), queue.ProvideHooks(func() int { return 7 })}, "int is not queue.Hooks"},
		"cron":                  {[]fx.Option{queue.Module(file), queue.Periodic("61 * * * *", mail{})}, `periodic job of kind "mail": cron "61 * * * *"`},
		"short interval":        {[]fx.Option{queue.Module(file), queue.Periodic("@every 1ms", mail{})}, "must be at least a second"},
		"periodic options": {[]fx.Option{queue.Module(file), queue.Periodic("@daily", mail{}, queue.Priority(7), queue.MaxAttempts(0))}, `queue.Periodic: cron "@daily": enqueue "mail": priority 7: must be from 1, the first to be worked, to 4
queue.Periodic: cron "@daily": enqueue "mail": max attempts 0`},
	} {
		t.Run(name, func(t *testing.T) {
			err := errorOf(c.opts...)
			require.ErrorContains(t, err, c.want)
			require.NotContains(t, err.Error(), "secret")
		})
	}
}

func TestHandlersNeedAPool(t *testing.T) {
	file := queue.SQLite(filepath.Join(t.TempDir(), "jobs.db"))
	err := fx.New(fx.NopLogger, queue.Module(file), handle(nothing)).Err()
	require.ErrorContains(t, err, `there is a handler for kind "mail" and no pool to work its jobs: add workerfx.Module`)
	err = fx.New(fx.NopLogger, queue.Module(file, queue.WithQueue("reports", 1))).Err()
	require.ErrorContains(t, err, `WithQueue names queue "reports" and there is no pool to work it: add workerfx.Module`)
	require.NoError(t, fx.New(fx.NopLogger, queue.Module(file)).Err(), "to enqueue needs none")
}

func TestUnreachableDatabaseIsTriedUntilTheStartTimeout(t *testing.T) {
	const nobody = "127.0.0.1:1" // a free port could be somebody's by now
	url := "postgres://ada:secret@" + nobody + "/jobs"
	app := fx.New(fx.NopLogger, workerfx.Module, queue.Module(queue.Postgres(url)))
	require.NoError(t, app.Err())
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	err := app.Start(ctx)
	require.ErrorContains(t, err, "queue: PostgreSQL at "+nobody+"/jobs: cannot be used (")
	require.ErrorContains(t, err, "connection refused")
	require.NotContains(t, err.Error(), "secret")
	require.NoError(t, app.Stop(t.Context()))
}

func TestFileThatCannotBeMadeIsToldAtOnce(t *testing.T) {
	text := filepath.Join(t.TempDir(), "text")
	require.NoError(t, os.WriteFile(text, []byte(strings.Repeat("no database, but a text\n", 100)), 0o600))
	for path, want := range map[string]string{
		filepath.Join(t.TempDir(), "missing", "jobs.db"): "no such file or directory",
		t.TempDir(): "unable to open database file",
		text:        "file is not a database",
	} {
		app := fx.New(fx.NopLogger, workerfx.Module, queue.Module(queue.SQLite(path)))
		begun := time.Now()
		require.ErrorContains(t, app.Start(within(t)), want)
		require.Less(t, time.Since(begun), waitLimit/2, "it is not tried again")
		require.NoError(t, app.Stop(t.Context()))
	}
}

func TestAppsOwnSQLiteNeedsOneConnection(t *testing.T) {
	raw, err := sql.Open("sqlite", filepath.Join(t.TempDir(), "jobs.db"))
	require.NoError(t, err)
	defer raw.Close()
	app := fx.New(fx.NopLogger, workerfx.Module, queue.Module(queue.UseSQLite()), fx.Supply(raw))
	require.ErrorContains(t, app.Start(t.Context()), "want 1: SetMaxOpenConns(1)")
	require.NoError(t, app.Stop(t.Context()))
}

func TestSchemaThatIsBehindIsTold(t *testing.T) {
	onBoth(t, func(t *testing.T, db testDB) {
		start := func(opts ...queue.Option) error {
			app := fx.New(fx.NopLogger, workerfx.Module, db.module(opts...))
			require.NoError(t, app.Err())
			defer func() { require.NoError(t, app.Stop(t.Context())) }()
			return app.Start(t.Context())
		}
		err := start(queue.WithoutMigrations())
		require.ErrorIs(t, err, queue.ErrSchemaBehind)
		require.ErrorContains(t, err, "Unapplied migrations: [1 2")
		require.NoError(t, start())
		require.NoError(t, start(queue.WithoutMigrations()))
	})
}

func TestManyAppsMigrateAtATime(t *testing.T) {
	onBoth(t, func(t *testing.T, db testDB) {
		failures := make(chan error, 4)
		for range cap(failures) {
			go func() {
				app := fx.New(fx.NopLogger, workerfx.Module, db.module())
				err := app.Start(context.Background())
				_ = app.Stop(context.Background())
				failures <- err
			}()
		}
		for range cap(failures) {
			require.NoError(t, receive(t, failures))
		}
	})
}
