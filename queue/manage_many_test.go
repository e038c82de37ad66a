package queue_test

import (
	"context"
	"database/sql"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx/queue"
)

// many is more than one batch.
const many = 1100

// enqueueMany adds jobs that are due in an hour.
func (a *app) enqueueMany(t testing.TB, n int, args func(i int) queue.Args, opts ...queue.EnqueueOption) {
	t.Helper()
	entries := make([]queue.Entry, n)
	for i := range entries {
		entries[i] = queue.NewEntry(args(i), append(opts, queue.In(time.Hour))...)
	}
	_, err := a.client.EnqueueBatch(t.Context(), entries...)
	require.NoError(t, err)
}

func mailTo(i int) queue.Args { return mail{To: fmt.Sprint(i)} }

func monthly(i int) queue.Args { return &report{Month: fmt.Sprint(i)} }

// insert adds jobs to the default queue that are due in a far future. Enqueuing them would take long on SQLite.
func (db testDB) insert(t testing.TB, n int, kind string) {
	t.Helper()
	values := `'scheduled'::river_job_state, timestamptz '2100-01-01 00:00:00', '{}'::jsonb`
	if db.isSQLite() {
		values = `'scheduled', '2100-01-01 00:00:00', jsonb('{}')`
	}
	db.exec(t, fmt.Sprintf(`WITH RECURSIVE jobs(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM jobs WHERE n < %d)
		INSERT INTO river_job (kind, max_attempts, state, scheduled_at, args) SELECT '%s', 25, %s FROM jobs`, n, kind, values))
}

// discard makes dead letters of jobs, as if their attempts were used up.
func (db testDB) discard(t testing.TB, where string) {
	t.Helper()
	db.exec(t, `UPDATE river_job SET state = 'discarded', attempt = max_attempts, finalized_at = CURRENT_TIMESTAMP WHERE `+where)
}

// countIn counts the jobs in a state.
func (db testDB) countIn(t testing.TB, state queue.State) int {
	t.Helper()
	return db.count(t, fmt.Sprintf(`SELECT count(*) FROM river_job WHERE state = '%s'`, state))
}

var deadMails = queue.JobFilter{Kinds: []string{"mail"}}

func TestRequeueAllMakesTheChosenDeadLettersAvailable(t *testing.T) {
	onBoth(t, func(t *testing.T, db testDB) {
		a := startApp(t, db)
		db.insert(t, many, "mail")
		db.insert(t, 10, "report")
		db.discard(t, `id % 2 = 1 OR kind = 'report'`)
		n, err := a.client.RequeueAll(t.Context(), deadMails)
		require.NoError(t, err)
		require.EqualValues(t, many/2, n)
		require.Equal(t, many/2, db.countIn(t, queue.StateAvailable))
		require.Equal(t, many/2, db.countIn(t, queue.StateScheduled), "they were not dead letters")
		require.Equal(t, 10, db.countIn(t, queue.StateDiscarded), "they are of another kind")
		first, err := a.client.Job(t.Context(), 1)
		require.NoError(t, err)
		require.Equal(t, first.Attempt+1, first.MaxAttempts, "there is one more attempt")
		require.WithinDuration(t, time.Now(), first.ScheduledAt, time.Minute)
		require.Zero(t, first.FinishedAt)

		n, err = a.client.RequeueAll(t.Context(), deadMails)
		require.NoError(t, err)
		require.Zero(t, n)
	})
}

func TestJobsThatAreRequeuedTogetherAreWorkedAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, db testDB) {
		a := startApp(t, db, handle(func(context.Context, *queue.Job[mail]) error { return nil }))
		db.insert(t, 40, "mail")
		db.discard(t, `id > 10`)
		n, err := a.client.CancelAll(t.Context(), queue.JobFilter{Queues: []string{queue.DefaultQueue}})
		require.NoError(t, err)
		require.EqualValues(t, 10, n)
		n, err = a.client.RequeueAll(t.Context(), queue.JobFilter{States: []queue.State{queue.StateCancelled}})
		require.NoError(t, err)
		require.EqualValues(t, 10, n)
		n, err = a.client.RequeueAll(t.Context(), deadMails)
		require.NoError(t, err)
		require.EqualValues(t, 30, n)
		require.NoError(t, a.client.Drain(within(t)))
		require.Equal(t, 40, db.countIn(t, queue.StateCompleted))
	})
}

func TestLimitAndAfterIDBoundAChangeOfManyJobs(t *testing.T) {
	onBoth(t, func(t *testing.T, db testDB) {
		a := startApp(t, db)
		a.enqueueMany(t, 5, mailTo, queue.Unique())
		db.insert(t, many, "mail")
		db.discard(t, `true`)
		a.enqueueMany(t, 5, mailTo, queue.Unique()) // dead letters 1 to 5 cannot be requeued now
		n, err := a.client.RequeueAll(t.Context(), queue.JobFilter{Kinds: []string{"mail"}, Limit: 1050})
		require.NoError(t, err)
		require.EqualValues(t, 1050, n)
		require.Equal(t, 1050, db.count(t, `SELECT count(*) FROM river_job WHERE state = 'available' AND id BETWEEN 6 AND 1055`))
		n, err = a.client.DeleteAll(t.Context(), queue.JobFilter{States: []queue.State{queue.StateDiscarded}, AfterID: 1100})
		require.NoError(t, err)
		require.EqualValues(t, many+5-1100, n)
		require.Equal(t, 5+1100-1055, db.countIn(t, queue.StateDiscarded))
	})
}

func TestRequeueAllLeavesDeadLettersWhoseUniqueJobIsThere(t *testing.T) {
	onBoth(t, func(t *testing.T, db testDB) {
		a := startApp(t, db)
		for range 3 { // three dead letters of each month
			a.enqueueMany(t, 50, monthly, queue.Unique())
			db.discard(t, `true`)
		}
		a.enqueueMany(t, 10, monthly, queue.Unique()) // the first ten months are there
		n, err := a.client.RequeueAll(t.Context(), queue.JobFilter{Queues: []string{"reports"}})
		require.NoError(t, err)
		require.EqualValues(t, 40, n)
		require.Equal(t, 40, db.count(t, `SELECT count(*) FROM river_job WHERE state = 'available' AND id BETWEEN 11 AND 50`))
		require.Equal(t, 110, db.countIn(t, queue.StateDiscarded))
	})
}

func TestCancelAllReachesJobsThatWaitAndJobsThatRun(t *testing.T) {
	onBoth(t, func(t *testing.T, db testDB) {
		begun, discarded := make(chan int64, 10), make(chan queue.JobInfo, 10)
		worker := startApp(t, db, slow(begun, nil), sendDiscarded(discarded))
		running := map[int64]bool{worker.enqueue(t, mail{}): true, worker.enqueue(t, mail{}): true}
		db.insert(t, many, "mail")
		report := worker.enqueue(t, &report{}, queue.In(time.Hour))
		for range running {
			receive(t, begun)
		}
		another := startApp(t, db)
		n, err := another.client.CancelAll(t.Context(), queue.JobFilter{Kinds: []string{"mail"}})
		require.NoError(t, err)
		require.EqualValues(t, many+len(running), n)
		for len(running) > 0 {
			job := receive(t, discarded)
			require.Equal(t, queue.StateCancelled, job.State)
			require.True(t, running[job.ID])
			delete(running, job.ID)
			worker.awaitState(t, job.ID, queue.StateCancelled)
		}
		require.Equal(t, many+2, db.countIn(t, queue.StateCancelled))
		worker.awaitState(t, report, queue.StateScheduled)
	})
}

func TestCancelAllOfJobsThatWaitLeavesJobsThatRun(t *testing.T) {
	onBoth(t, func(t *testing.T, db testDB) {
		begun, goOn := make(chan int64, 10), make(chan struct{})
		a := startApp(t, db, slow(begun, goOn))
		running := a.enqueue(t, mail{})
		receive(t, begun)
		db.insert(t, 10, "mail")
		n, err := a.client.CancelAll(t.Context(), queue.JobFilter{States: []queue.State{queue.StateScheduled}})
		require.NoError(t, err)
		require.EqualValues(t, 10, n)
		close(goOn)
		a.awaitState(t, running, queue.StateCompleted)
	})
}

func TestDeleteAllDeletesJobsThatDoNotRun(t *testing.T) {
	onBoth(t, func(t *testing.T, db testDB) {
		begun, goOn := make(chan int64, 10), make(chan struct{})
		a := startApp(t, db, slow(begun, goOn))
		running := a.enqueue(t, mail{})
		receive(t, begun)
		db.insert(t, many, "mail")
		db.insert(t, 10, "report")
		db.discard(t, `id % 2 = 0`)
		n, err := a.client.DeleteAll(t.Context(), queue.JobFilter{Kinds: []string{"mail"}})
		require.NoError(t, err)
		require.EqualValues(t, many, n)
		require.Equal(t, 11, db.count(t, `SELECT count(*) FROM river_job`))
		close(goOn)
		a.awaitState(t, running, queue.StateCompleted)
		_, err = a.client.Job(t.Context(), 2)
		require.ErrorIs(t, err, queue.ErrNoJob)
	})
}

func TestChangeOfManyJobsStopsWhenItsContextEndsAndSaysHowMany(t *testing.T) {
	onBoth(t, func(t *testing.T, db testDB) {
		a := startApp(t, db)
		n := int64(50_000) // many batches, so that the one that ends the context need not be quick
		if db.isSQLite() { // whose batches take long
			n = 5000
		}
		db.insert(t, int(n), "mail")
		ctx, cancel := context.WithCancel(t.Context())
		go func() { // ends the context after the first batch
			defer cancel()
			for {
				jobs, err := a.client.Jobs(ctx, queue.JobFilter{States: []queue.State{queue.StateCancelled}, Limit: 1})
				if len(jobs) > 0 || err != nil {
					return
				}
			}
		}()
		changed, err := a.client.CancelAll(ctx, queue.JobFilter{Kinds: []string{"mail"}})
		require.ErrorIs(t, err, context.Canceled)
		require.Positive(t, changed)
		require.Less(t, changed, n)
		require.EqualValues(t, changed, db.countIn(t, queue.StateCancelled))
	})
}

func TestChangeOfManyJobsThatFailsSaysHowMany(t *testing.T) {
	onBoth(t, func(t *testing.T, db testDB) {
		a := startApp(t, db)
		db.insert(t, many, "mail")
		if db.isSQLite() {
			db.exec(t, `CREATE TRIGGER refuse BEFORE DELETE ON river_job WHEN old.id = 1050 BEGIN SELECT RAISE(ABORT, 'boom'); END`)
		} else {
			db.exec(t, `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'boom'; END $$`)
			db.exec(t, `CREATE TRIGGER refuse BEFORE DELETE ON river_job FOR EACH ROW WHEN (old.id = 1050) EXECUTE FUNCTION refuse()`)
		}
		n, err := a.client.DeleteAll(t.Context(), queue.JobFilter{Kinds: []string{"mail"}})
		require.ErrorContains(t, err, "queue: delete all: ")
		require.ErrorContains(t, err, "boom")
		require.EqualValues(t, 1000, n)
		require.Equal(t, many-1000, db.countIn(t, queue.StateScheduled))
	})
}

func TestChangeOfManyJobsRefusesBadFilters(t *testing.T) {
	a := startApp(t, newSQLite(t))
	type call func(context.Context, queue.JobFilter) (int64, error)
	calls := map[string]call{"requeue all": a.client.RequeueAll, "cancel all": a.client.CancelAll, "delete all": a.client.DeleteAll}
	for name, change := range calls {
		for want, filter := range map[string]queue.JobFilter{
			"filter without States, Kinds and Queues: set one of them (for all jobs: States [": {},
			"filter without States, Kinds and Queues: ":                                        {AfterID: 5, Limit: 5},
			"limit -1: must not be negative, 0 is all jobs":                                    {Kinds: []string{"mail"}, Limit: -1},
			"after ID -1: must not be negative":                                                {Kinds: []string{"mail"}, AfterID: -1},
			`state "lost": must be one of ["available" `:                                       {States: []queue.State{"lost"}},
			`kind "": no job can have it`:                                                      {Kinds: []string{""}},
			`queue name "a b": must be lower case letters`:                                     {Queues: []string{"a b"}},
		} {
			n, err := change(t.Context(), filter)
			require.ErrorContains(t, err, "queue: "+name+": "+want)
			require.Zero(t, n)
		}
	}
	for _, bad := range []struct {
		call   string
		states []queue.State
		want   string
	}{
		{"requeue all", []queue.State{queue.StateRunning, queue.StateCompleted, queue.StateScheduled}, `only dead letters can be requeued: must be one of ["discarded" "cancelled"]`},
		{"cancel all", []queue.State{queue.StateCompleted, queue.StateDiscarded, queue.StateCancelled}, `only jobs that are not over can be cancelled: must be one of ["available" `},
		{"delete all", []queue.State{queue.StateRunning}, `a job that runs cannot be deleted, cancel it before: must be one of ["available" `},
	} {
		for _, state := range bad.states {
			_, err := calls[bad.call](t.Context(), queue.JobFilter{States: []queue.State{queue.StateDiscarded, state}, Kinds: []string{"mail"}})
			require.ErrorContains(t, err, fmt.Sprintf("queue: %s: ", bad.call))
			require.ErrorContains(t, err, fmt.Sprintf("state %q: %s", state, bad.want))
		}
	}
}

func TestChangeOfManyJobsFailsInATransactionOnSQLiteAndBeforeTheStart(t *testing.T) {
	failed := make(chan error, 1)
	var a *app
	a = newApp(t, newSQLite(t), queue.ProvideHandler[mail](func() queue.HandlerTxFunc[mail, *sql.Tx] {
		return func(ctx context.Context, _ *sql.Tx, _ *queue.Job[mail]) error {
			_, err := a.client.DeleteAll(ctx, deadMails)
			failed <- err
			return nil
		}
	}))
	_, err := a.client.DeleteAll(t.Context(), deadMails)
	require.ErrorIs(t, err, queue.ErrNotStarted)
	a.RequireStart()
	a.enqueue(t, mail{})
	require.ErrorContains(t, receive(t, failed), "queue: delete all: the handler's transaction is open")
}
