package queue_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"github.com/workerfx/workerfx/queue"
)

// sendDiscarded provides a hook that sends each job that is given up.
func sendDiscarded(discarded chan<- queue.JobInfo) fx.Option {
	return queue.ProvideHooks(func() queue.Hooks {
		return queue.Hooks{OnDiscard: func(_ context.Context, job queue.JobInfo, _ error) { discarded <- job }}
	})
}

func TestCancelledJobThatWaitsDoesNotRunUnlessItIsRequeued(t *testing.T) {
	onBoth(t, func(t *testing.T, db testDB) {
		begun, goOn := make(chan int64, 10), make(chan struct{})
		close(goOn)
		a := startApp(t, db, slow(begun, goOn))
		id := a.enqueue(t, mail{}, queue.In(time.Hour))
		require.NoError(t, a.client.Cancel(t.Context(), id))
		require.NoError(t, a.client.Cancel(t.Context(), id), "it is cancelled")
		job := a.awaitState(t, id, queue.StateCancelled)
		require.NotZero(t, job.FinishedAt)
		letters, err := a.client.DeadLetters(t.Context(), 10)
		require.NoError(t, err)
		require.Equal(t, id, letters[0].ID)
		require.Empty(t, begun)

		require.NoError(t, a.client.Requeue(t.Context(), id))
		require.Equal(t, id, receive(t, begun))
		a.awaitState(t, id, queue.StateCompleted)
		err = a.client.Cancel(t.Context(), id)
		require.ErrorIs(t, err, queue.ErrNoJob)
		require.ErrorContains(t, err, "completed")
		require.ErrorIs(t, a.client.Cancel(t.Context(), 4711), queue.ErrNoJob)
	})
}

// A message about a job that waits could come when the job runs again, after a requeue, and would end that run.
func TestCancelTellsTheClientsOnlyOfAJobThatRuns(t *testing.T) {
	onPostgres(t, func(t *testing.T, db testDB) {
		begun := make(chan int64, 10)
		a := startApp(t, db, slow(begun, nil))
		waits, runs := a.enqueue(t, mail{}, queue.In(time.Hour)), a.enqueue(t, mail{})
		require.Equal(t, runs, receive(t, begun))
		db.onConn(t, func(conn *pgx.Conn) error {
			_, err := conn.Exec(t.Context(), `LISTEN "public.river_control"`)
			require.NoError(t, err)
			require.NoError(t, a.client.Cancel(t.Context(), waits))
			require.NoError(t, a.client.Cancel(t.Context(), runs))
			heard, err := conn.WaitForNotification(within(t))
			require.NoError(t, err)
			require.JSONEq(t, fmt.Sprintf(`{"action":"cancel","job_id":%d,"queue":"default"}`, runs), heard.Payload, "the first message")
			return nil
		})
	})
}

func TestCancelledJobThatRunsIsNotTriedAgainUnlessItIsRequeued(t *testing.T) {
	onBoth(t, func(t *testing.T, db testDB) {
		begun, discarded := make(chan int64, 10), make(chan queue.JobInfo, 10)
		fail, causes := make(chan struct{}, 10), make(chan error, 10)
		a := startApp(t, db, sendDiscarded(discarded), handle(func(ctx context.Context, job *queue.Job[mail]) error {
			begun <- job.ID
			select {
			case <-fail:
				return errBoom
			case <-ctx.Done():
				causes <- context.Cause(ctx)
				return context.Cause(ctx)
			}
		}, atOnce))
		id := a.enqueue(t, mail{})
		receive(t, begun)
		require.NoError(t, a.client.Cancel(t.Context(), id))
		require.ErrorIs(t, receive(t, causes), queue.ErrCancelled)
		require.Equal(t, queue.StateCancelled, receive(t, discarded).State)
		a.awaitState(t, id, queue.StateCancelled)
		require.Empty(t, begun)

		require.NoError(t, a.client.Requeue(t.Context(), id))
		receive(t, begun)
		fail <- struct{}{}
		receive(t, begun) // the cancellation was for the attempt before
		close(fail)
	})
}

func TestCancelledJobIsNotRescheduled(t *testing.T) {
	onBoth(t, func(t *testing.T, db testDB) {
		begun, discarded := make(chan int64, 10), make(chan queue.JobInfo, 10)
		a := startApp(t, db, sendDiscarded(discarded), handle(func(ctx context.Context, job *queue.Job[mail]) error {
			begun <- job.ID
			<-ctx.Done()
			return queue.RescheduleIn(0)
		}))
		id := a.enqueue(t, mail{})
		receive(t, begun)
		another := startApp(t, db)
		require.NoError(t, another.client.Cancel(t.Context(), id))
		require.Equal(t, id, receive(t, discarded).ID)
		a.awaitState(t, id, queue.StateCancelled)
	})
}

func TestCancelledJobDoesNotRunAgainWhenItsProcessDies(t *testing.T) {
	onBoth(t, func(t *testing.T, db testDB) {
		begun, discarded := make(chan int64, 10), make(chan queue.JobInfo, 10)
		a := startApp(t, db, slow(begun, nil), sendDiscarded(discarded))
		id := a.enqueue(t, mail{}, queue.In(time.Hour))
		db.exec(t, `UPDATE river_job SET metadata = '{"cancel_attempted_at": "2026-01-01T00:00:00Z"}'`)
		db.setDeadProcess(t, id)
		job := receive(t, discarded)
		require.Equal(t, id, job.ID)
		a.awaitState(t, id, queue.StateCancelled)
		require.Empty(t, begun)
	})
}

// setDeadProcess makes a job look as if it runs in a process that died.
func (db testDB) setDeadProcess(t testing.TB, id int64) {
	t.Helper()
	dead := `'{workerfx:dead:1:x}'`
	if db.isSQLite() {
		dead = `jsonb('["workerfx:dead:1:x"]')`
	}
	const begun = "2130-01-01 00:00:00" // the clock of its machine was ahead
	db.exec(t, fmt.Sprintf(`UPDATE river_job SET state = 'running', attempt = 1, attempted_at = '%s', attempted_by = %s WHERE id = %d`,
		begun, dead, id))
}

func TestCountsAreByQueueAndState(t *testing.T) {
	onBoth(t, func(t *testing.T, db testDB) {
		a := startApp(t, db, handle(func(context.Context, *queue.Job[mail]) error { return nil }))
		counts, err := a.client.Counts(t.Context())
		require.NoError(t, err)
		require.Empty(t, counts)
		for range 3 {
			a.enqueue(t, mail{})
		}
		a.enqueue(t, mail{}, queue.In(time.Hour))
		a.enqueue(t, mail{}, queue.Queue("other"))
		require.NoError(t, a.client.Drain(within(t)))
		counts, err = a.client.Counts(t.Context())
		require.NoError(t, err)
		require.Equal(t, []queue.Count{
			{"default", queue.StateCompleted, 3}, {"default", queue.StateScheduled, 1}, {"other", queue.StateAvailable, 1},
		}, counts)
	})
}

func TestJobsArePagedAndFiltered(t *testing.T) {
	onBoth(t, func(t *testing.T, db testDB) {
		a := startApp(t, db)
		var reports, mails []int64
		for range 5 {
			reports = append(reports, a.enqueue(t, &report{}))
			mails = append(mails, a.enqueue(t, mail{}, queue.In(time.Hour)))
		}
		require.NoError(t, a.client.Cancel(t.Context(), mails[1]))
		require.NoError(t, a.client.Cancel(t.Context(), reports[1]))
		ids := func(filter queue.JobFilter) (ids []int64) {
			for {
				jobs, err := a.client.Jobs(t.Context(), filter)
				require.NoError(t, err)
				if len(jobs) == 0 {
					return ids
				}
				for _, job := range jobs {
					ids = append(ids, job.ID)
				}
				filter.AfterID = ids[len(ids)-1]
			}
		}
		for limit := range 12 {
			require.Equal(t, []int64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, ids(queue.JobFilter{Limit: limit}))
			require.Equal(t, reports, ids(queue.JobFilter{Limit: limit, Kinds: []string{"report"}}))
			require.Equal(t, reports[1:], ids(queue.JobFilter{Limit: limit, Queues: []string{"reports"}, AfterID: reports[0]}))
		}
		require.Equal(t, []int64{mails[0], mails[2], mails[3], mails[4]}, ids(queue.JobFilter{States: []queue.State{queue.StateScheduled}}))
		cancelled := queue.JobFilter{States: []queue.State{queue.StateCancelled, queue.StateDiscarded}}
		require.Equal(t, []int64{reports[1], mails[1]}, ids(cancelled))
		cancelled.Kinds = []string{"mail", "other"}
		require.Equal(t, mails[1:2], ids(cancelled))
	})
}

func TestBadFilterIsAnErrorThatNamesItsFields(t *testing.T) {
	a := startApp(t, newSQLite(t))
	for want, filter := range map[string]queue.JobFilter{
		"limit -1: must be from 1 to 10000, or 0 for 100": {Limit: -1},
		"limit 10001: must be":                            {Limit: 10_001},
		"after ID -1: must not be negative":               {AfterID: -1},
		`state "lost": must be one of ["available" `:      {States: []queue.State{queue.StateRunning, "lost"}},
		`kind "": no job can have it`:                     {Kinds: []string{""}},
		`queue name "a b": must be lower case letters`:    {Queues: []string{"a b"}},
	} {
		_, err := a.client.Jobs(t.Context(), filter)
		require.ErrorContains(t, err, "queue: jobs: "+want)
	}
}

func TestACallWhoseContextEndsSaysWhy(t *testing.T) {
	db := newPostgres(t)
	a := startApp(t, db)
	id := a.enqueue(t, mail{})
	because := errors.New("the user has gone")
	ended, cancel := context.WithCancelCause(t.Context())
	cancel(because)
	require.ErrorIs(t, a.client.Cancel(ended, id), because)
	require.Equal(t, queue.StateAvailable, a.awaitState(t, id, queue.StateAvailable).State)
	require.NoError(t, a.client.Cancel(t.Context(), id))

	tx, err := db.openPostgres(t).Begin(t.Context())
	require.NoError(t, err)
	defer tx.Rollback(context.Background())
	_, err = tx.Exec(t.Context(), `SELECT 1 FROM river_job FOR UPDATE`)
	require.NoError(t, err)
	short := func() context.Context {
		ctx, cancel := context.WithTimeoutCause(t.Context(), 100*time.Millisecond, because)
		t.Cleanup(cancel)
		return ctx
	}
	require.ErrorIs(t, a.client.Requeue(short(), id), because)
	_, err = a.client.RequeueAll(short(), queue.JobFilter{Kinds: []string{"mail"}})
	require.ErrorIs(t, err, because)
}
