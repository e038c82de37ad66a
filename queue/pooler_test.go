package queue_test

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/queue"
	"github.com/workerfx/workerfx/queue/internal/pgtest"
)

// startError starts and stops an app that works jobs, and returns the error of the start.
func startError(t *testing.T, opts ...fx.Option) error {
	t.Helper()
	return startErrorOf(t, append(opts, workerfx.Module, handle(nothing))...)
}

// startErrorOf starts and stops an app, and returns the error of the start.
func startErrorOf(t *testing.T, opts ...fx.Option) error {
	t.Helper()
	app := fx.New(fx.NopLogger, fx.Options(opts...))
	require.NoError(t, app.Err())
	defer func() { require.NoError(t, app.Stop(within(t))) }()
	return app.Start(within(t))
}

// with returns a URL with a parameter.
func with(t testing.TB, to, name, value string) string {
	t.Helper()
	u, err := url.Parse(to)
	require.NoError(t, err)
	query := u.Query()
	query.Set(name, value)
	u.RawQuery = query.Encode()
	return u.String()
}

const (
	queryMode  = "default_query_exec_mode"
	noSession  = "a pooler in transaction mode is in between, such as PgBouncer or Supavisor, but locks and notifications need"
	useTheCure = "use queue.WithDirectURL"
)

// requireToldAtOnce checks an error of the start that names cause and cure, and for which there was no other try.
func requireToldAtOnce(t *testing.T, err error, texts ...string) {
	t.Helper()
	for _, text := range texts {
		require.ErrorContains(t, err, text)
	}
	require.NotContains(t, err.Error(), "cannot be used", "it is not tried again")
}

// A pooler gives out its connections to the server in the order of a stack or of a queue.
var poolerOrders = []string{"server_round_robin=0", "server_round_robin=1"}

func TestPoolerInTransactionModeIsToldAtTheStart(t *testing.T) {
	db := newPostgres(t)
	for _, order := range poolerOrders {
		for _, size := range []string{"1", "2", "3", "20"} {
			t.Run(order+" size "+size, func(t *testing.T) {
				pooler := pgtest.ThroughPgBouncer(t, db.url, pgtest.TransactionMode, order, "default_pool_size="+size)
				// In mode exec, statements go well, as they do with a PgBouncer that supports prepared statements.
				for _, mode := range []string{"cache_statement", "exec"} {
					err := startError(t, queue.Module(queue.Postgres(with(t, pooler, queryMode, mode))))
					requireToldAtOnce(t, err, noSession, useTheCure)
				}
				err := startError(t, queue.Module(queue.Postgres(db.url), queue.WithDirectURL(pooler)))
				requireToldAtOnce(t, err, "WithDirectURL (PostgreSQL at 127.0.0.1:", noSession)
			})
		}
	}
}

func TestPoolerWithOtherClientsIsToldAtTheStart(t *testing.T) {
	db := newPostgres(t)
	for _, order := range poolerOrders {
		t.Run(order, func(t *testing.T) {
			pooler := pgtest.ThroughPgBouncer(t, db.url, pgtest.TransactionMode, order, "default_pool_size=4")
			defer keepBusy(t, pooler)()
			for range 20 {
				requireToldAtOnce(t, startError(t, queue.Module(queue.Postgres(pooler))), noSession)
			}
		})
	}
}

// keepBusy runs transactions on a URL from several clients until end is called. None of them may fail.
func keepBusy(t *testing.T, to string) (end func()) {
	t.Helper()
	pool, err := pgxpool.New(context.Background(), with(t, to, queryMode, "exec"))
	require.NoError(t, err)
	stop := make(chan struct{})
	var clients sync.WaitGroup
	for range 3 {
		clients.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				err := pgx.BeginFunc(context.Background(), pool, func(tx pgx.Tx) error {
					_, err := tx.Exec(context.Background(), `SELECT pg_sleep(0.001)`)
					return err
				})
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	return func() {
		close(stop)
		clients.Wait()
		pool.Close()
	}
}

func TestServerAndSessionModeRaiseNoAlarm(t *testing.T) {
	db := newPostgres(t)
	for name, to := range map[string]string{
		"server":       db.url,
		"session mode": pgtest.ThroughPgBouncer(t, db.url, pgtest.SessionMode),
	} {
		t.Run(name, func(t *testing.T) {
			defer keepBusy(t, db.url)()
			var starts sync.WaitGroup
			for range 4 {
				starts.Go(func() {
					for range 5 {
						if err := startError(t, queue.Module(queue.Postgres(to))); err != nil {
							t.Error(err)
						}
					}
				})
			}
			starts.Wait()
		})
	}
}

func TestDirectURLMustLeadToTheSameDatabaseAndSchema(t *testing.T) {
	db := newPostgres(t).through(t, pgtest.TransactionMode)
	other := pgtest.NewDatabase(t)
	requireToldAtOnce(t, startError(t, queue.Module(db.Database, queue.WithDirectURL(other))),
		"WithDirectURL (PostgreSQL at ", "leads to another database than that of PostgreSQL at ")
	db.exec(t, `CREATE SCHEMA jobs`)
	requireToldAtOnce(t, startError(t, queue.Module(db.Database, queue.WithDirectURL(with(t, db.url, "search_path", "jobs")))),
		`uses the schema "jobs", but PostgreSQL at `, `uses "public"`)
	require.NoError(t, startError(t, db.module()))
}

func TestDirectURLIsUsedForLocksAndNotificationsOnly(t *testing.T) {
	db := newPostgres(t).through(t, pgtest.TransactionMode, "default_pool_size=3")
	db.direct = with(t, db.direct, "application_name", "direct")
	a := startApp(t, db, handle(nothing))
	for range 100 {
		a.enqueue(t, mail{})
	}
	require.NoError(t, a.client.Drain(within(t)))
	const direct = `SELECT count(*) FROM pg_stat_activity WHERE application_name = 'direct'`
	eventually(t, "one for the lock, one that listens", func() bool { // those of the start may not be gone
		return db.count(t, direct) == 2 && db.count(t, direct+` AND query LIKE 'LISTEN%'`) == 1
	})
	require.NoError(t, a.Pool.Scale("queue/default", 2))
	eventually(t, "each replica has two", func() bool { return db.count(t, direct) == 4 })

	pooled, err := pgx.Connect(t.Context(), with(t, db.appURL, queryMode, "exec"))
	require.NoError(t, err)
	defer pooled.Close(t.Context())
	for range 10 {
		var statements int
		require.NoError(t, pooled.QueryRow(t.Context(), `SELECT count(*) FROM pg_prepared_statements WHERE name <> ''`).Scan(&statements))
		require.Zero(t, statements)
	}
}

// newPool makes the app's own pool.
func newPool(t testing.TB, to string, configure func(*pgxpool.Config)) *pgxpool.Pool {
	t.Helper()
	config, err := pgxpool.ParseConfig(to)
	require.NoError(t, err)
	configure(config)
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return pool
}

func TestAppsOwnPoolMustWorkWithItsPooler(t *testing.T) {
	db := newPostgres(t).through(t, pgtest.TransactionMode)
	for _, order := range poolerOrders {
		pooler := pgtest.ThroughPgBouncer(t, db.url, pgtest.TransactionMode, order)
		for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeCacheStatement, pgx.QueryExecModeDescribeExec} {
			pool := newPool(t, pooler, func(c *pgxpool.Config) { c.ConnConfig.DefaultQueryExecMode = mode })
			err := startError(t, queue.Module(queue.UsePostgres(), queue.WithDirectURL(db.url)), fx.Supply(pool))
			requireToldAtOnce(t, err, `the query mode "`+mode.String()+`"`, "default_query_exec_mode=cache_describe", "pgx.QueryExecModeCacheDescribe")
		}
	}
	keepsStatements := newPool(t, db.url, func(*pgxpool.Config) {})
	require.NoError(t, startError(t, queue.Module(queue.UsePostgres(), queue.WithDirectURL(db.url)), fx.Supply(keepsStatements)))
}

func TestHookOfTheAppsPoolThatPreparesStatementsIsTold(t *testing.T) {
	db := newPostgres(t).through(t, pgtest.TransactionMode)
	pool := newPool(t, db.appURL, func(c *pgxpool.Config) {
		c.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
			var seven int
			return conn.QueryRow(ctx, `SELECT $1::int`, 7).Scan(&seven)
		}
	})
	first, err := pool.Acquire(t.Context())
	require.NoError(t, err)
	defer first.Release()
	err = startError(t, queue.Module(queue.UsePostgres(), queue.WithDirectURL(db.direct)), fx.Supply(pool))
	requireToldAtOnce(t, err, "such as PgBouncer or Supavisor", "default_query_exec_mode=cache_describe")
}

func TestAppsOwnPoolWorksJobsThroughAPooler(t *testing.T) {
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol} {
		for _, useSQLTx := range []bool{false, true} {
			t.Run(fmt.Sprintf("%v, database/sql %v", mode, useSQLTx), func(t *testing.T) { testOwnPool(t, mode, useSQLTx) })
		}
	}
}

func testOwnPool(t *testing.T, mode pgx.QueryExecMode, useSQLTx bool) {
	t.Helper()
	db := newPostgres(t).through(t, pgtest.TransactionMode, "default_pool_size=5")
	db.useSQLTx = useSQLTx
	db.exec(t, `CREATE TABLE written_mails (job bigint)`)
	pool := newPool(t, db.appURL, func(c *pgxpool.Config) { c.ConnConfig.DefaultQueryExecMode = mode })
	a := newAppWith(t, queue.Module(queue.UsePostgres(), queue.WithDirectURL(db.direct)), fx.Supply(pool),
		written(db, func(context.Context, any, *queue.Job[mail]) error { return nil }))
	a.RequireStart()
	raw := openSQL(t, with(t, db.appURL, queryMode, strings.ReplaceAll(mode.String(), " ", "_")))
	for _, to := range []string{`"quotes" and \ slashes`, "ümläut", ""} {
		_, err := a.client.EnqueueBatch(t.Context(), queue.NewEntry(mail{To: to}), queue.NewEntry(mail{To: to}))
		require.NoError(t, err)
		for _, duplicate := range []bool{false, true} {
			added, err := a.client.Enqueue(t.Context(), mail{To: "unique " + to}, queue.Unique(), queue.In(time.Hour))
			require.NoError(t, err)
			require.Equal(t, duplicate, added.Duplicate)
		}
		tx, err := raw.Begin()
		require.NoError(t, err)
		_, err = a.client.EnqueueTx(t.Context(), tx, mail{To: to})
		require.NoError(t, err)
		require.NoError(t, tx.Commit())
	}
	require.NoError(t, a.client.Drain(within(t)))
	require.Equal(t, 9, db.ledgerEntries(t))
}

func openSQL(t testing.TB, to string) *sql.DB {
	t.Helper()
	raw, err := sql.Open("pgx", to)
	require.NoError(t, err)
	t.Cleanup(func() { raw.Close() })
	return raw
}

func TestProcessThatOnlyEnqueuesNeedsNoSession(t *testing.T) {
	db := newPostgres(t)
	require.NoError(t, startError(t, db.module()), "it migrates")
	pooler := pgtest.ThroughPgBouncer(t, db.url, pgtest.TransactionMode)
	module := func(to string, opts ...queue.Option) fx.Option {
		return queue.Module(queue.Postgres(to), append(opts, queue.WithoutMigrations())...)
	}
	requireToldAtOnce(t, startErrorOf(t, module(pooler)), `the query mode "cache statement"`, useTheCure, "default_query_exec_mode=cache_describe")
	require.NoError(t, startErrorOf(t, module(with(t, pooler, queryMode, "exec"))))
	excluded := fx.Options(workerfx.Module, fx.Supply(workerfx.Config{Except: []string{"queue"}}),
		handle(func(context.Context, *queue.Job[mail]) error { return nil }))
	require.NoError(t, startErrorOf(t, module(with(t, pooler, queryMode, "exec")), excluded), "the configuration excludes its queue")
	require.NoError(t, startErrorOf(t, module(pooler, queue.WithDirectURL("postgres://nobody@127.0.0.1:1/nowhere"))), "it is not used")
	requireToldAtOnce(t, startErrorOf(t, queue.Module(queue.Postgres(pooler))), noSession)
}

func TestTransactionOfACutOffProcessIsEndedBehindAPoolerAndNoOther(t *testing.T) {
	db := newPostgres(t).through(t, pgtest.TransactionMode, "default_pool_size=6")
	db.exec(t, `CREATE TABLE bills (job bigint PRIMARY KEY)`)
	begun := make(chan int, 10)
	bills := billing(begun)
	toPooler, pooled := newProxy(t, db.appURL)
	toServer, direct := newProxy(t, db.direct)
	far := newAppWith(t, queue.Module(queue.Postgres(pooled), queue.WithDirectURL(direct), queue.WithLease(testLease)), bills)
	far.RequireStart()
	id := far.enqueue(t, mail{})
	require.Equal(t, 1, receive(t, begun))
	require.Equal(t, 0, receive(t, begun))
	near := newAppWith(t, db.module(queue.WithLease(testLease)), bills)
	near.RequireStart()
	defer keepBusy(t, db.appURL)() // on the same connections of the pooler: no transaction of these clients fails
	toPooler.cut()
	toServer.cut()
	require.Equal(t, 2, receive(t, begun))
	near.awaitState(t, id, queue.StateCompleted)
	require.Equal(t, 1, db.count(t, `SELECT count(*) FROM bills`))
}

func TestPoolerThatIsOutOfReachIsToldAndJobsAreWorkedAgain(t *testing.T) {
	db := newPostgres(t).through(t, pgtest.TransactionMode)
	network, pooled := newProxy(t, db.appURL)
	worked := make(chan int64, 10)
	a := newAppWith(t, queue.Module(queue.Postgres(pooled), queue.WithDirectURL(db.direct), queue.WithLease(testLease)),
		handle(func(_ context.Context, job *queue.Job[mail]) error {
			worked <- job.ID
			return nil
		}))
	a.RequireStart()
	require.Equal(t, a.enqueue(t, mail{}), receive(t, worked))
	network.cut()
	eventually(t, "its health tells", func() bool { return a.Pool.Health() != nil })
	require.ErrorContains(t, a.AwaitRuns("queue/default", 2).Err, "the pooler in between does not answer")
	network.heal()
	eventually(t, "it works again", func() bool { return a.Pool.Health() == nil })
	require.Equal(t, a.enqueue(t, mail{}), receive(t, worked))
}

func TestBusyPoolerKeepsItsLock(t *testing.T) {
	db := newPostgres(t).through(t, pgtest.TransactionMode, "default_pool_size=2")
	db.exec(t, `CREATE TABLE written_mails (job bigint)`)
	begun, goOn := make(chan int64, 2), make(chan struct{})
	const lease = 3 * testLease // a pooler that does not answer for a quarter of it is taken for a silent one
	a := newAppWith(t, db.module(queue.WithLease(lease)), written(db, func(ctx context.Context, _ any, job *queue.Job[mail]) error {
		begun <- job.ID
		select {
		case <-goOn:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}))
	a.RequireStart()
	_, err := a.client.EnqueueBatch(t.Context(), queue.NewEntry(mail{}), queue.NewEntry(mail{}))
	require.NoError(t, err)
	receive(t, begun)
	receive(t, begun) // both connections to the server are in a transaction
	time.Sleep(lease) // a lock that would be lost is lost by then
	close(goOn)
	require.NoError(t, a.client.Drain(within(t)))
	require.Equal(t, 2, db.ledgerEntries(t))
	require.Empty(t, begun, "no job was worked again")
}
