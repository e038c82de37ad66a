package queue_test

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/queue"
)

// onEachTx runs a test on an empty database for each type of a handler's transaction.
func onEachTx(t *testing.T, test func(t *testing.T, db testDB)) {
	t.Helper()
	onBoth(t, test)
	t.Run("database/sql", func(t *testing.T) {
		onPostgres(t, func(t *testing.T, db testDB) {
			db.useSQLTx = true
			test(t, db)
		})
	})
}

// written provides a handler that writes each mail into the table written_mails, in the transaction that ends its job.
func written(db testDB, after func(ctx context.Context, tx any, job *queue.Job[mail]) error) fx.Option {
	if db.isSQLite() || db.useSQLTx {
		return queue.ProvideHandler[mail](func() queue.HandlerTxFunc[mail, *sql.Tx] {
			return func(ctx context.Context, tx *sql.Tx, job *queue.Job[mail]) error {
				if _, err := tx.ExecContext(ctx, `INSERT INTO written_mails (job) VALUES ($1)`, job.ID); err != nil {
					return err
				}
				return after(ctx, tx, job)
			}
		}, atOnce)
	}
	return queue.ProvideHandler[mail](func() queue.HandlerTxFunc[mail, pgx.Tx] {
		return func(ctx context.Context, tx pgx.Tx, job *queue.Job[mail]) error {
			if _, err := tx.Exec(ctx, `INSERT INTO written_mails (job) VALUES ($1)`, job.ID); err != nil {
				return err
			}
			return after(ctx, tx, job)
		}
	}, atOnce)
}

func (db testDB) ledgerEntries(t testing.TB) int {
	t.Helper()
	return db.count(t, `SELECT count(*) FROM written_mails`)
}

func TestHandlersWritesAndTheJobsEndAreOneCommit(t *testing.T) {
	onEachTx(t, func(t *testing.T, db testDB) {
		db.exec(t, `CREATE TABLE written_mails (job bigint)`)
		a := startApp(t, db, written(db, func(_ context.Context, _ any, job *queue.Job[mail]) error {
			switch job.Attempt {
			case 1:
				return errBoom
			case 2:
				panic("boom")
			}
			return nil
		}))
		id := a.enqueue(t, mail{})
		job := a.awaitState(t, id, queue.StateCompleted)
		require.Equal(t, 3, job.Attempt)
		require.Len(t, job.Errors, 2)
		require.Equal(t, 1, db.ledgerEntries(t))
	})
}

func TestJobThatWasTakenOverCommitsNothing(t *testing.T) {
	onEachTx(t, func(t *testing.T, db testDB) {
		db.exec(t, `CREATE TABLE written_mails (job bigint)`)
		outcomes := make(chan error, 10)
		a := startApp(t, db, written(db, func(ctx context.Context, tx any, job *queue.Job[mail]) error {
			const takeOver = `UPDATE river_job SET attempt = 7 WHERE id = `
			if db.isSQLite() {
				_, err := tx.(*sql.Tx).ExecContext(ctx, takeOver+fmt.Sprint(job.ID))
				return err
			}
			db.exec(t, takeOver+fmt.Sprint(job.ID))
			return nil
		}), queue.ProvideHooks(func() queue.Hooks {
			return queue.Hooks{OnDone: func(_ context.Context, _ queue.JobInfo, err error) { outcomes <- err }}
		}))
		a.enqueue(t, mail{}, queue.MaxAttempts(1))
		require.ErrorIs(t, receive(t, outcomes), queue.ErrTakenOver)
		require.Zero(t, db.ledgerEntries(t))
	})
}

func TestHandlerThatDoesNotStopLeavesTheOtherHooksTheirTurn(t *testing.T) {
	onEachTx(t, func(t *testing.T, db testDB) {
		db.exec(t, `CREATE TABLE written_mails (job bigint)`)
		begun, goOn, ended := make(chan struct{}), make(chan struct{}), make(chan struct{})
		var order []string
		var left time.Duration
		appendHook := func(l fx.Lifecycle, name string) {
			l.Append(fx.StopHook(func(ctx context.Context) {
				deadline, _ := ctx.Deadline()
				left = time.Until(deadline)
				order = append(order, name)
			}))
		}
		// The pool takes its configuration before there are workers, and the queue's hooks before its own hook is appended. So
		// the hooks stop in this order: the pool, "between", the queue, "last".
		last := fx.Provide(func(l fx.Lifecycle) workerfx.Config {
			appendHook(l, "last")
			return workerfx.Config{}
		})
		between := queue.ProvideHooks(func(l fx.Lifecycle) queue.Hooks {
			appendHook(l, "between")
			return queue.Hooks{}
		})
		a := newAppWith(t, last, between, db.module(), written(db, func(context.Context, any, *queue.Job[mail]) error {
			defer close(ended)
			close(begun)
			<-goOn
			return nil
		}))
		a.RequireStart()
		a.enqueue(t, mail{})
		receive(t, begun)
		ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second) // the last part of it is for the other hooks
		defer cancel()
		require.ErrorContains(t, a.Stop(ctx), "queue/default")
		require.Equal(t, []string{"between", "last"}, order)
		t.Logf("the last hook had %v", left)
		close(goOn)
		receive(t, ended)
		freed := time.Now()
		eventually(t, "its client ends", func() bool {
			stacks := make([]byte, 1<<20)
			return !bytes.Contains(stacks[:runtime.Stack(stacks, true)], []byte("river.(*Client"))
		})
		t.Logf("its client had ended after %v", time.Since(freed))
	})
}

func TestJobsOfTheDeadAreTakenOverWhileHandlersHaveAllConnections(t *testing.T) {
	db := newPostgres(t)
	db.exec(t, `CREATE TABLE written_mails (job bigint)`)
	begun, goOn := make(chan int64, 10), make(chan struct{})
	u, err := url.Parse(db.url)
	require.NoError(t, err)
	query := u.Query()
	query.Set("pool_max_conns", "2")
	u.RawQuery = query.Encode()
	a := newAppWith(t, queue.Module(queue.Postgres(u.String())),
		written(db, func(ctx context.Context, _ any, job *queue.Job[mail]) error {
			begun <- job.ID
			<-goOn
			return nil
		}))
	a.RequireStart()
	id := a.enqueue(t, mail{}, queue.In(time.Hour), queue.MaxAttempts(1))
	a.enqueue(t, mail{})
	a.enqueue(t, mail{})
	receive(t, begun)
	receive(t, begun)
	db.setDeadProcess(t, id)
	eventually(t, "it is found", func() bool {
		return db.count(t, `SELECT count(*) FROM river_job WHERE state = 'discarded'`) == 1
	})
	close(goOn)
}

func TestAllSlotsMayEnqueueBesideTheirTransactions(t *testing.T) {
	for _, useSQLTx := range []bool{false, true} {
		t.Run(fmt.Sprintf("database/sql %v", useSQLTx), func(t *testing.T) {
			onPostgres(t, func(t *testing.T, db testDB) {
				db.useSQLTx = useSQLTx
				testAllSlotsEnqueue(t, db)
			})
		})
	}
}

func testAllSlotsEnqueue(t *testing.T, db testDB) {
	t.Helper()
	db.exec(t, `CREATE TABLE written_mails (job bigint)`)
	begun, goOn := make(chan int64, 2*queue.DefaultSlots), make(chan struct{})
	var a *app
	a = newApp(t, db, written(db, func(ctx context.Context, _ any, job *queue.Job[mail]) error {
		if job.Args.To == "second" {
			return nil
		}
		begun <- job.ID
		<-goOn
		_, err := a.client.Enqueue(ctx, mail{To: "second"})
		return err
	}))
	a.RequireStart()
	for range queue.DefaultSlots {
		a.enqueue(t, mail{To: "first"})
	}
	for range queue.DefaultSlots {
		receive(t, begun)
	}
	close(goOn)
	require.NoError(t, a.client.Drain(within(t)))
	require.Equal(t, 2*queue.DefaultSlots, db.ledgerEntries(t))
}

func TestTransactionEnqueuesJobs(t *testing.T) {
	onEachTx(t, func(t *testing.T, db testDB) {
		db.exec(t, `CREATE TABLE written_mails (job bigint)`)
		var a *app
		var refused atomic.Value
		a = newApp(t, db, written(db, func(ctx context.Context, tx any, job *queue.Job[mail]) error {
			if job.Args.To == "second" {
				return nil
			}
			if _, err := a.client.EnqueueTx(ctx, tx, mail{To: "second"}); err != nil {
				return err
			}
			if job.Attempt == 1 {
				return errBoom
			}
			if db.isSQLite() {
				_, err := a.client.Enqueue(ctx, mail{To: "second"})
				refused.Store(err)
				_, err = a.client.Job(ctx, job.ID)
				require.ErrorContains(t, err, "transaction is open")
			}
			return nil
		}))
		a.RequireStart()
		a.enqueue(t, mail{To: "first"})
		eventually(t, "both are done", func() bool { return db.ledgerEntries(t) == 2 })
		require.Equal(t, 2, db.count(t, `SELECT count(*) FROM river_job`))
		if db.isSQLite() {
			require.ErrorContains(t, refused.Load().(error), "use EnqueueTx")
		}
	})
}

func TestATransactionThatAStopEndsIsNoFailedAttempt(t *testing.T) {
	onEachTx(t, func(t *testing.T, db testDB) {
		db.exec(t, `CREATE TABLE written_mails (job bigint)`)
		begun := make(chan int64, 1)
		a := newAppWith(t, db.module(queue.WithQueue("default", 1, workerfx.WithStopTimeout(2*time.Second))),
			written(db, func(ctx context.Context, tx any, job *queue.Job[mail]) error {
				begun <- job.ID
				<-ctx.Done()
				time.Sleep(50 * time.Millisecond) // database/sql rolls the transaction back
				if tx, ok := tx.(*sql.Tx); ok {
					_, err := tx.Exec(`SELECT 1`)
					return err
				}
				return ctx.Err()
			}))
		a.RequireStart()
		id := a.enqueue(t, mail{}, queue.MaxAttempts(1))
		receive(t, begun)
		a.RequireStop()
		require.Equal(t, 1, db.count(t, fmt.Sprintf(`SELECT count(*) FROM river_job WHERE id = %d AND state = 'available' AND attempt = 0`, id)))
	})
}
