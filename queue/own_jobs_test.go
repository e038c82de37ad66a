package queue_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx/queue"
)

func TestAJobThatIsLostBetweenTheDatabaseAndItsProcessIsWorked(t *testing.T) {
	onBoth(t, func(t *testing.T, db testDB) {
		a := startApp(t, db, handle(func(context.Context, *queue.Job[mail]) error { return nil }))
		first := a.enqueue(t, mail{To: "first"})
		a.awaitState(t, first, queue.StateCompleted)
		ids := []int64{
			a.enqueue(t, mail{To: "lost"}, queue.In(time.Hour), queue.MaxAttempts(1)),
			a.enqueue(t, mail{To: "cancelled"}, queue.In(time.Hour)),
		}
		past := "now() - interval '30 seconds'"
		if db.isSQLite() {
			past = "datetime('now', 'subsec', '-30 seconds')"
		}
		for _, id := range ids { // as a fetch does whose answer does not arrive
			db.exec(t, fmt.Sprintf(`UPDATE river_job SET state = 'running', attempt = 1, attempted_at = CURRENT_TIMESTAMP,
				attempted_by = (SELECT attempted_by FROM river_job WHERE id = %d), scheduled_at = %s WHERE id = %d`, first, past, id))
		}
		require.NoError(t, a.client.Cancel(t.Context(), ids[1])) // before it may be taken for a lost one
		db.exec(t, `UPDATE river_job SET attempted_at = `+past+` WHERE state = 'running'`)
		require.Equal(t, 1, a.awaitState(t, ids[0], queue.StateCompleted).Attempt, "the lost attempt does not count")
		a.awaitState(t, ids[1], queue.StateCancelled)
	})
}

func TestALongJobIsNotTakenForALostOne(t *testing.T) {
	onBoth(t, func(t *testing.T, db testDB) {
		begun, release := make(chan int64, 2), make(chan struct{})
		a := startApp(t, db, handle(func(_ context.Context, job *queue.Job[mail]) error {
			begun <- job.ID
			<-release
			return nil
		}))
		id := a.enqueue(t, mail{})
		receive(t, begun)
		past := "now() - interval '30 seconds'"
		if db.isSQLite() {
			past = "datetime('now', 'subsec', '-30 seconds')"
		}
		db.exec(t, `UPDATE river_job SET attempted_at = `+past)
		time.Sleep(2500 * time.Millisecond) // it looks every second
		close(release)
		require.Equal(t, 1, a.awaitState(t, id, queue.StateCompleted).Attempt)
		require.Empty(t, begun)
	})
}

func TestCancelReachesAJobWhoseWorkerIsPaused(t *testing.T) {
	onBoth(t, func(t *testing.T, db testDB) {
		begun, ended := make(chan int64, 1), make(chan struct{})
		a := startApp(t, db, handle(func(ctx context.Context, job *queue.Job[mail]) error {
			begun <- job.ID
			<-ctx.Done()
			close(ended)
			return ctx.Err()
		}))
		id := a.enqueue(t, mail{})
		receive(t, begun)
		require.NoError(t, a.Pool.Pause("queue/default"))
		time.Sleep(500 * time.Millisecond) // its client does not hear of messages any more
		require.NoError(t, a.client.Cancel(t.Context(), id))
		select {
		case <-ended:
		case <-time.After(20 * time.Second): // River looks once a minute
			require.Fail(t, "its context goes on")
		}
		a.awaitState(t, id, queue.StateCancelled)
	})
}
