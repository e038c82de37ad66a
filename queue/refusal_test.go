package queue_test

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/fxtest"
	"github.com/workerfx/workerfx/queue"
	"github.com/workerfx/workerfx/queue/internal/pgtest"
)

// refusals are two ways in which a database answers and refuses to work.
func refusals(t *testing.T, test func(t *testing.T, db testDB, refuse, allow func())) {
	t.Helper()
	t.Run("SQLite on a full disk", func(t *testing.T) {
		dir := newSmallDisk(t)
		path := filepath.Join(dir, "jobs.db")
		refuse, allow := fillDisk(t, dir)
		test(t, newSQLiteIn(path), refuse, allow)
	})
	t.Run("PostgreSQL that is read-only", func(t *testing.T) {
		db := newPostgres(t)
		test(t, db, func() { pgtest.SetReadOnly(t, true) }, func() { pgtest.SetReadOnly(t, false) })
	})
}

// worse counts the log records of level warn and above, by their message, without those about one job.
func worse(logs []fxtest.Log) map[string]int {
	lines := make(map[string]int)
	for _, l := range logs {
		if l.Level >= zerolog.WarnLevel && l.Fields["kind"] == nil {
			lines[l.Message]++
		}
	}
	return lines
}

func TestADatabaseThatRefusesToWorkIsNamedAndLosesNoJob(t *testing.T) {
	refusals(t, func(t *testing.T, db testDB, refuse, allow func()) {
		var done atomic.Int64
		a := startApp(t, db, handle(func(context.Context, *queue.Job[mail]) error {
			done.Add(1)
			return nil
		}))
		jobs := make([]queue.Entry, 200)
		for i := range jobs {
			jobs[i] = queue.NewEntry(mail{To: "load"})
		}
		_, err := a.client.EnqueueBatch(t.Context(), jobs...)
		require.NoError(t, err)
		eventually(t, "jobs are worked", func() bool { return done.Load() > 20 })
		require.NoError(t, a.Pool.Health())

		refuse()
		eventually(t, "its health tells", func() bool { return errors.Is(a.Pool.Health(), queue.ErrDatabaseRefuses) })
		_, err = a.client.Enqueue(t.Context(), mail{To: "refused"})
		require.Error(t, err)
		eventually(t, "the next run tries to join", func() bool {
			health, ok := errors.AsType[*workerfx.HealthError](a.Pool.Health())
			return ok && health.Has(workerfx.TroubleNotReady) && !health.Has(workerfx.TroubleFailing)
		})
		require.ErrorIs(t, a.Pool.Health(), queue.ErrDatabaseRefuses)

		allow()
		eventually(t, "its health tells of the recovery", func() bool { return a.Pool.Health() == nil })
		for text, lines := range worse(a.Logs()) {
			require.Equal(t, 1, lines, "the log says %q once", text)
		}
		require.NoError(t, a.client.Drain(within(t)))
		require.Equal(t, len(jobs), db.count(t, `SELECT count(*) FROM river_job WHERE state = 'completed'`))
	})
}

// lockHolders are two ways in which somebody else holds a lock, so that the end of a job cannot be written.
func lockHolders(t *testing.T, test func(t *testing.T, module fx.Option, lock func(job int64) (unlock func()))) {
	t.Helper()
	t.Run("SQLite with another writer", func(t *testing.T) {
		db := newSQLite(t)
		impatient, err := sql.Open("sqlite", "file:"+db.path+"?_pragma=busy_timeout(50)&_pragma=journal_mode(WAL)&_txlock=immediate")
		require.NoError(t, err)
		t.Cleanup(func() { impatient.Close() })
		impatient.SetMaxOpenConns(1)
		test(t, fx.Options(queue.Module(queue.UseSQLite()), fx.Supply(impatient)), func(int64) func() {
			tx, err := db.openSQLite(t).Begin()
			require.NoError(t, err)
			return func() { require.NoError(t, tx.Rollback()) }
		})
	})
	t.Run("PostgreSQL with a transaction of the app", func(t *testing.T) {
		db := newPostgres(t)
		test(t, db.module(queue.WithLease(2*testLease)), func(job int64) func() {
			tx, err := db.openPostgres(t).Begin(t.Context())
			require.NoError(t, err)
			_, err = tx.Exec(t.Context(), `SELECT id FROM river_job WHERE id = $1 FOR UPDATE`, job)
			require.NoError(t, err)
			return func() { require.NoError(t, tx.Rollback(t.Context())) }
		})
	})
}

func TestALockThatSomebodyHoldsIsNoRefusal(t *testing.T) {
	lockHolders(t, func(t *testing.T, module fx.Option, lock func(job int64) func()) {
		begun, locked := make(chan int64, 2), make(chan struct{})
		a := newAppWith(t, module, handle(func(_ context.Context, job *queue.Job[mail]) error {
			begun <- job.ID
			<-locked
			return nil
		}))
		a.RequireStart()
		id := a.enqueue(t, mail{To: "locked"})
		unlock := lock(receive(t, begun))
		close(locked)
		time.Sleep(3 * testLease) // the database would be taken for one that refuses after 2s, or the lock for a lost one
		unlock()
		job := a.awaitState(t, id, queue.StateCompleted)
		require.Equal(t, 1, job.Attempt)
		execution, _ := a.Pool.Execution("queue/default")
		require.EqualValues(t, 1, execution.Runs, "its worker went on")
	})
}
