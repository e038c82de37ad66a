package queue_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	"github.com/riverqueue/river"
	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/queue"
)

// report brings defaults along.
type report struct {
	Month string `json:"month" river:"unique"`
	Note  string `json:"note,omitempty"`
}

func (*report) Kind() string { return "report" }

func (*report) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: "reports", MaxAttempts: 3, Priority: 2}
}

func TestJobsAreDueWhenTheySay(t *testing.T) {
	onBoth(t, func(t *testing.T, db testDB) {
		worked := make(chan time.Time, 10)
		a := startApp(t, db, handle(func(context.Context, *queue.Job[mail]) error {
			worked <- time.Now()
			return nil
		}))
		due := time.Now().Add(600 * time.Millisecond).Truncate(time.Millisecond) // SQLite rounds it
		soon := a.enqueue(t, mail{}, queue.At(due))
		require.False(t, receive(t, worked).Before(due))
		a.awaitState(t, soon, queue.StateCompleted)
		job, err := a.client.Job(t.Context(), a.enqueue(t, mail{}, queue.In(time.Hour)))
		require.NoError(t, err)
		require.Equal(t, queue.StateScheduled, job.State)
		require.InDelta(t, time.Hour, time.Until(job.ScheduledAt), float64(time.Minute))
		a.enqueue(t, mail{}, queue.At(time.Now().Add(-time.Hour)))
		receive(t, worked)
	})
}

func TestPriorityIsWorkedFirst(t *testing.T) {
	onBoth(t, func(t *testing.T, db testDB) {
		worked := make(chan string, 10)
		a := newAppWith(t, db.module(queue.WithQueue("default", 1)),
			handle(func(_ context.Context, job *queue.Job[mail]) error {
				worked <- job.Args.To
				return nil
			}))
		a.RequireStart()
		require.NoError(t, a.Pool.Pause("queue/default"))
		a.AwaitStatus("queue/default", workerfx.StatusPaused)
		for p := 4; p >= 1; p-- {
			a.enqueue(t, mail{To: fmt.Sprint(p)}, queue.Priority(p))
		}
		require.NoError(t, a.Pool.Resume("queue/default"))
		for p := 1; p <= 4; p++ {
			require.Equal(t, fmt.Sprint(p), receive(t, worked))
		}
	})
}

func TestUniqueJobIsThereOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, db testDB) {
		a := startApp(t, db, handle(func(context.Context, *queue.Job[mail]) error { return nil }))
		enqueue := func(args queue.Args, opts ...queue.EnqueueOption) queue.Enqueued {
			added, err := a.client.Enqueue(t.Context(), args, opts...)
			require.NoError(t, err)
			return added
		}
		first := enqueue(&report{Month: "May"}, queue.Unique())
		require.False(t, first.Duplicate)
		again := enqueue(&report{Month: "May", Note: "not part of it"}, queue.Unique())
		require.Equal(t, queue.Enqueued{ID: first.ID, Duplicate: true}, again)
		require.False(t, enqueue(&report{Month: "June"}, queue.Unique()).Duplicate)

		once := enqueue(mail{To: "ada"}, queue.Unique())
		a.awaitState(t, once.ID, queue.StateCompleted)
		require.False(t, enqueue(mail{To: "ada"}, queue.Unique()).Duplicate, "the first one is done")
		const century = 36_500 * 24 * time.Hour // a day may end meanwhile
		once = enqueue(mail{To: "bob"}, queue.UniqueFor(century))
		a.awaitState(t, once.ID, queue.StateCompleted)
		require.True(t, enqueue(mail{To: "bob"}, queue.UniqueFor(century)).Duplicate)
	})
}

func TestArgumentsBringDefaults(t *testing.T) {
	onBoth(t, func(t *testing.T, db testDB) {
		a := startApp(t, db)
		job, err := a.client.Job(t.Context(), a.enqueue(t, &report{Month: "May"}, queue.Priority(3)))
		require.NoError(t, err)
		require.Equal(t, "reports", job.Queue)
		require.Equal(t, 3, job.MaxAttempts)
		require.Equal(t, 3, job.Priority, "the call's own options win")
		require.JSONEq(t, `{"month": "May"}`, string(job.RawArgs))
	})
}

// list encodes to a JSON array, badly named has a kind that River does not take.
type (
	list       []string
	badlyNamed struct{}
	longNamed  struct{}
	uncodable  map[string]any
)

func (list) Kind() string       { return "list" }
func (badlyNamed) Kind() string { return "bad kind" }
func (longNamed) Kind() string  { return strings.Repeat("k", 128) }
func (uncodable) Kind() string  { return "uncodable" }

func TestBadJobsAreRefusedWithAReason(t *testing.T) {
	a := startApp(t, newSQLite(t))
	for _, c := range []struct {
		args queue.Args
		opt  queue.EnqueueOption
		want string
	}{
		{mail{}, queue.Priority(0), `queue: enqueue "mail": priority 0: must be from 1, the first to be worked, to 4`},
		{mail{}, queue.Priority(5), `queue: enqueue "mail": priority 5: must be from 1, the first to be worked, to 4`},
		{mail{}, queue.In(-time.Second), `queue: enqueue "mail": in -1s: must not be negative`},
		{mail{}, queue.At(time.Time{}), `queue: enqueue "mail": at 0001-01-01 00:00:00 +0000 UTC: is the zero time`},
		{mail{}, queue.MaxAttempts(0), `queue: enqueue "mail": max attempts 0: must be from 1 to 32767`},
		{mail{}, queue.UniqueFor(time.Millisecond), `queue: enqueue "mail": unique for 1ms: must be at least a second`},
		{mail{}, queue.Queue("no spaces"), `queue: enqueue "mail": queue name "no spaces": must be lower case letters and digits with single - or _ between them, 64 at most`},
		{mail{}, queue.Queue("Reports"), `queue: enqueue "mail": queue name "Reports": must be lower case letters and digits with single - or _ between them, 64 at most`},
		{mail{}, queue.Queue("a--b"), `queue: enqueue "mail": queue name "a--b": must be lower case letters and digits with single - or _ between them, 64 at most`},
		{mail{}, nil, `queue: enqueue "mail": option 1 is nil`},
		{nil, queue.Priority(1), `queue: enqueue: the arguments are nil`},
		{(*report)(nil), queue.Priority(1), `queue: enqueue: the arguments are nil`},
		{list{"a"}, queue.Priority(1), `queue: enqueue "list": arguments ["a"]: a queue_test.list must encode to a JSON object, put it into a struct`},
		{uncodable{"x": func() {}}, queue.Priority(1), `queue: enqueue "uncodable": encode the arguments: json: unsupported type: func()`},
		{longNamed{}, queue.Priority(1), `queue: enqueue: queue_test.longNamed: kind "` + strings.Repeat("k", 128) + `" has 128 characters: 127 at most`},
		{badlyNamed{}, queue.Priority(1), `queue: enqueue: queue_test.badlyNamed: kind "bad kind" must have two or more letters, digits or -_<>[]/.:+ and begin with a letter, digit or _`},
	} {
		_, err := a.client.Enqueue(t.Context(), c.args, c.opt)
		require.EqualError(t, err, c.want)
	}
	_, err := a.client.Enqueue(t.Context(), mail{}, queue.Priority(0), queue.MaxAttempts(0))
	require.EqualError(t, err, `queue: enqueue "mail": priority 0: must be from 1, the first to be worked, to 4`+"\n"+
		`queue: enqueue "mail": max attempts 0: must be from 1 to 32767`, "each line says what it is about")
	added, err := a.client.EnqueueBatch(t.Context())
	require.NoError(t, err)
	require.Empty(t, added)
	_, err = a.client.EnqueueTx(t.Context(), "no transaction", mail{})
	require.EqualError(t, err, `queue: enqueue "mail": transaction is a string, want a *sql.Tx as the app's queue has it`)
}

func TestAtAndInTogetherAreAnError(t *testing.T) {
	a := startApp(t, newSQLite(t))
	at := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	const want = `queue: enqueue "mail": in 1h0m0s: stands beside at 2030-01-02T03:04:05Z: only one of them may be given`
	for _, opts := range [][]queue.EnqueueOption{{queue.At(at), queue.In(time.Hour)}, {queue.In(time.Hour), queue.At(at)}} {
		_, err := a.client.Enqueue(t.Context(), mail{}, opts...)
		require.EqualError(t, err, want)
	}
	job := a.awaitState(t, a.enqueue(t, mail{}, queue.In(time.Hour), queue.In(2*time.Hour)), queue.StateScheduled)
	require.Greater(t, time.Until(job.ScheduledAt), 90*time.Minute, "of an option that is given twice, the last one counts")
}

func TestBatchIsAllOrNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, db testDB) {
		a := startApp(t, db)
		_, err := a.client.EnqueueBatch(t.Context(), queue.NewEntry(mail{}), queue.NewEntry(mail{}, queue.Priority(9)))
		require.ErrorContains(t, err, "priority 9")
		require.Zero(t, db.count(t, `SELECT count(*) FROM river_job`))
	})
}

func TestClientNeedsAStartedApp(t *testing.T) {
	onBoth(t, func(t *testing.T, db testDB) {
		a := newApp(t, db)
		use := func() {
			_, err := a.client.Enqueue(t.Context(), mail{})
			require.ErrorIs(t, err, queue.ErrNotStarted)
			_, err = a.client.Job(t.Context(), 1)
			require.ErrorIs(t, err, queue.ErrNotStarted)
			_, err = a.client.Jobs(t.Context(), queue.JobFilter{})
			require.ErrorIs(t, err, queue.ErrNotStarted)
			_, err = a.client.DeadLetters(t.Context(), 1)
			require.ErrorIs(t, err, queue.ErrNotStarted)
			require.ErrorIs(t, a.client.Requeue(t.Context(), 1), queue.ErrNotStarted)
			require.ErrorIs(t, a.client.Cancel(t.Context(), 1), queue.ErrNotStarted)
			_, err = a.client.Counts(t.Context())
			require.ErrorIs(t, err, queue.ErrNotStarted)
		}
		use()
		a.RequireStart()
		a.enqueue(t, mail{})
		a.RequireStop()
		use()
	})
}

func TestEnqueueIsPartOfTheTransaction(t *testing.T) {
	t.Run("PostgreSQL", func(t *testing.T) {
		db := newPostgres(t)
		pool := db.openPostgres(t)
		a := newAppWith(t, queue.Module(queue.UsePostgres()), fx.Supply(pool))
		a.RequireStart()
		for _, failure := range []error{nil, errBoom} {
			err := pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
				_, err := a.client.EnqueueTx(t.Context(), tx, mail{})
				require.NoError(t, err)
				return failure
			})
			require.ErrorIs(t, err, failure)
		}
		a.RequireStop()
		require.Equal(t, 1, db.count(t, `SELECT count(*) FROM river_job`))
		require.NoError(t, pool.Ping(t.Context()), "the app's own pool stays open")
	})
	t.Run("database/sql on PostgreSQL", func(t *testing.T) {
		db := newPostgres(t)
		raw, err := sql.Open("pgx", db.url)
		require.NoError(t, err)
		defer raw.Close()
		worked := make(chan string, 10)
		a := startApp(t, db, handle(func(_ context.Context, job *queue.Job[mail]) error {
			worked <- job.Args.To
			return nil
		}))
		for to, end := range map[string]func(*sql.Tx) error{"ada": (*sql.Tx).Commit, "bob": (*sql.Tx).Rollback} {
			tx, err := raw.BeginTx(t.Context(), nil)
			require.NoError(t, err)
			added, err := a.client.EnqueueBatchTx(t.Context(), tx, queue.NewEntry(mail{To: to}), queue.NewEntry(mail{To: to}, queue.Unique()))
			require.NoError(t, err)
			require.Len(t, added, 2)
			require.NoError(t, end(tx))
		}
		require.Equal(t, "ada", receive(t, worked))
		require.Equal(t, "ada", receive(t, worked))
		require.NoError(t, a.client.Drain(within(t)))
		require.Equal(t, 2, db.count(t, `SELECT count(*) FROM river_job`))
	})
	t.Run("SQLite", func(t *testing.T) {
		db := newSQLite(t)
		raw := db.openSQLite(t)
		a := newAppWith(t, queue.Module(queue.UseSQLite()), fx.Supply(raw))
		a.RequireStart()
		for _, end := range []func(*sql.Tx) error{(*sql.Tx).Commit, (*sql.Tx).Rollback} {
			tx, err := raw.BeginTx(t.Context(), nil)
			require.NoError(t, err)
			_, err = a.client.EnqueueTx(t.Context(), tx, mail{})
			require.NoError(t, err)
			require.NoError(t, end(tx))
		}
		a.RequireStop()
		require.Equal(t, 1, db.count(t, `SELECT count(*) FROM river_job`))
		require.NoError(t, raw.PingContext(t.Context()), "the app's own database stays open")
	})
}

func TestTransactionThatCannotBeUsedIsAnError(t *testing.T) {
	ctx := t.Context()
	ended := func(db *sql.DB) *sql.Tx {
		tx, err := db.BeginTx(ctx, nil)
		require.NoError(t, err)
		require.NoError(t, tx.Rollback())
		return tx
	}
	t.Run("PostgreSQL", func(t *testing.T) {
		db := newPostgres(t)
		raw, err := sql.Open("pgx", db.url)
		require.NoError(t, err)
		defer raw.Close()
		pgxTx, err := db.openPostgres(t).Begin(ctx)
		require.NoError(t, err)
		require.NoError(t, pgxTx.Commit(ctx))
		foreign, err := newSQLite(t).openSQLite(t).BeginTx(ctx, nil)
		require.NoError(t, err)
		defer foreign.Rollback()
		a := startApp(t, db)
		for want, tx := range map[string]any{
			`transaction is not one of pgx's driver "pgx" for database/sql, as the app's queue is PostgreSQL at`: foreign,
			"transaction is a <nil>, want a pgx.Tx or a *sql.Tx as the app's queue is PostgreSQL at":             nil,
			"transaction is a *sql.DB, want a pgx.Tx or a *sql.Tx":                                               raw,
			"transaction is a nil *sql.Tx":               (*sql.Tx)(nil),
			"transaction is a nil *pgxpool.Tx":           (*pgxpool.Tx)(nil),
			"transaction has ended before: sql":          ended(raw),
			"transaction has ended before: tx is closed": pgxTx,
		} {
			_, err := a.client.EnqueueTx(ctx, tx, mail{})
			require.ErrorContains(t, err, `queue: enqueue "mail": `+want)
		}
		for _, spoil := range []string{`SELECT nonsense`, `SELECT pg_terminate_backend(pg_backend_pid())`} {
			tx, err := raw.BeginTx(ctx, nil)
			require.NoError(t, err)
			_, err = tx.ExecContext(ctx, spoil)
			require.Error(t, err)
			_, err = a.client.EnqueueTx(ctx, tx, mail{})
			require.Error(t, err)
			require.NotContains(t, err.Error(), "driver \"pgx\"", "it is one of pgx, and of no use any more")
			_ = tx.Rollback()
		}
		require.Zero(t, db.count(t, `SELECT count(*) FROM river_job`))
	})
	t.Run("SQLite", func(t *testing.T) {
		db := newSQLite(t)
		raw := db.openSQLite(t)
		a := newAppWith(t, queue.Module(queue.UseSQLite()), fx.Supply(raw))
		a.RequireStart()
		for want, tx := range map[string]any{
			"transaction is a <nil>, want a *sql.Tx": nil,
			"transaction is a nil *sql.Tx":           (*sql.Tx)(nil),
			"transaction has ended before: sql":      ended(raw),
		} {
			_, err := a.client.EnqueueTx(ctx, tx, mail{})
			require.ErrorContains(t, err, `queue: enqueue "mail": `+want)
		}
		require.Zero(t, db.count(t, `SELECT count(*) FROM river_job`))
	})
}

// parcel has texts in many places.
type parcel struct {
	To    string            `json:"to"`
	Lines []string          `json:"lines"`
	Notes map[string]string `json:"notes"`
	Raw   json.RawMessage   `json:"raw"`
}

func (parcel) Kind() string { return "parcel" }

func TestZeroByteInArgumentsIsAnErrorThatSaysWhere(t *testing.T) {
	onBoth(t, func(t *testing.T, db testDB) {
		a := startApp(t, db)
		for where, args := range map[string]parcel{
			"arguments.to":                  {To: "a\x00b"},
			"arguments.lines[1]":            {Lines: []string{"a", "\x00"}},
			"arguments.notes.x":             {Notes: map[string]string{"w": "", "x": "\x00"}},
			`arguments.notes, name "\x00",`: {Notes: map[string]string{"\x00": ""}},
			"arguments.raw.deep[0]":         {Raw: json.RawMessage(`{"deep": ["\u0000"]}`)},
		} {
			_, err := a.client.EnqueueBatch(t.Context(), queue.NewEntry(parcel{}), queue.NewEntry(args))
			require.ErrorContains(t, err, where+` of kind "parcel": there is a zero byte, which PostgreSQL cannot store`)
		}
		require.Zero(t, db.count(t, `SELECT count(*) FROM river_job`))
		job, err := a.client.Job(t.Context(), a.enqueue(t, parcel{To: `a\u0000b`}))
		require.NoError(t, err)
		require.JSONEq(t, `{"to": "a\\u0000b", "lines": null, "notes": null, "raw": null}`, string(job.RawArgs), "a backslash is none")
	})
}

func TestTwoUniqueJobsThatAreTheSameInOneBatchAreAnErrorThatSaysSo(t *testing.T) {
	onBoth(t, func(t *testing.T, db testDB) {
		a := startApp(t, db)
		_, err := a.client.EnqueueBatch(t.Context(),
			queue.NewEntry(mail{To: "a"}, queue.Unique()), queue.NewEntry(mail{To: "a"}, queue.Unique()))
		require.ErrorContains(t, err, "batch")
		require.ErrorContains(t, err, "unique")
		require.Zero(t, db.count(t, `SELECT count(*) FROM river_job`))
	})
}
