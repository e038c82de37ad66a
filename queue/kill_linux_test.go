package queue_test

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"github.com/workerfx/workerfx/queue"
)

// entry is a job that writes into the table entries within the transaction that ends it, note one that writes into
// notes beside it.
type (
	entry struct{}
	note  struct{}
)

func (entry) Kind() string { return "entry" }
func (note) Kind() string  { return "note" }

// writers are the handlers of a process for both.
func writers(database string) fx.Option {
	if strings.HasPrefix(database, "postgres://") {
		return fx.Options(
			queue.ProvideHandler[entry](func() queue.HandlerTxFunc[entry, pgx.Tx] {
				return func(ctx context.Context, tx pgx.Tx, job *queue.Job[entry]) error {
					_, err := tx.Exec(ctx, `INSERT INTO entries VALUES ($1)`, job.ID)
					return err
				}
			}),
			queue.ProvideHandler[note](func() (queue.HandlerFunc[note], error) {
				pool, err := pgxpool.New(context.Background(), database)
				return func(ctx context.Context, job *queue.Job[note]) error {
					_, err := pool.Exec(ctx, `INSERT INTO notes VALUES ($1)`, job.ID)
					return err
				}, err
			}),
		)
	}
	return fx.Options(
		queue.ProvideHandler[entry](func() queue.HandlerTxFunc[entry, *sql.Tx] {
			return func(ctx context.Context, tx *sql.Tx, job *queue.Job[entry]) error {
				_, err := tx.ExecContext(ctx, `INSERT INTO entries VALUES (?)`, job.ID)
				return err
			}
		}),
		queue.ProvideHandler[note](func() (queue.HandlerFunc[note], error) {
			db, err := sql.Open("sqlite", "file:"+database+"?_pragma=busy_timeout(10000)&_pragma=synchronous(OFF)")
			db.SetMaxOpenConns(1)
			return func(ctx context.Context, job *queue.Job[note]) error {
				_, err := db.ExecContext(ctx, `INSERT INTO notes VALUES (?)`, job.ID)
				return err
			}, err
		}),
	)
}

func TestNothingIsLostWhenProcessesAreKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("it kills processes for many seconds")
	}
	onBoth(t, func(t *testing.T, db testDB) {
		n := 10_000
		if db.isSQLite() && underRace {
			n = 1_000 // SQLite is translated to Go, and many times slower when each access to memory is watched
		}
		db.exec(t, `CREATE TABLE entries (job bigint)`)
		db.exec(t, `CREATE TABLE notes (job bigint)`)
		a := startApp(t, db) // it enqueues, and works no queue
		processes := []*process{startProcess(t, db), startProcess(t, db), startProcess(t, db)}
		jobs := make([]queue.Entry, 0, n)
		for i := range n {
			if i%2 == 0 {
				jobs = append(jobs, queue.NewEntry(entry{}))
			} else {
				jobs = append(jobs, queue.NewEntry(note{}))
			}
		}
		_, err := a.client.EnqueueBatch(t.Context(), jobs...)
		require.NoError(t, err)

		const left = `SELECT count(*) FROM river_job WHERE state <> 'completed'`
		begun, kills := time.Now(), 0
		for ; db.count(t, left) > 0; kills++ {
			require.Less(t, time.Since(begun), 3*time.Minute, "%d jobs are left", db.count(t, left))
			time.Sleep(time.Second)
			victim := processes[kills%len(processes)]
			victim.signal(t, syscall.SIGKILL)
			_ = victim.Wait()
			processes[kills%len(processes)] = startProcess(t, db)
		}
		t.Logf("%d jobs in %v, %d processes killed", n, time.Since(begun).Round(time.Millisecond), kills)
		half := fmt.Sprint(n / 2)
		require.Equal(t, half, fmt.Sprint(db.count(t, `SELECT count(*) FROM entries`)), "each entry is written exactly once")
		require.Equal(t, half, fmt.Sprint(db.count(t, `SELECT count(DISTINCT job) FROM entries`)))
		require.Equal(t, half, fmt.Sprint(db.count(t, `SELECT count(DISTINCT job) FROM notes`)), "each note at least once")
		t.Logf("%d notes were written again, %d jobs were begun again", db.count(t, `SELECT count(*) FROM notes`)-n/2,
			db.count(t, `SELECT count(*) FROM river_job WHERE attempt > 1`))
	})
}
