package queue_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/queue"
)

// load fills an empty database with a dump of River 0.47. It has a job in each state.
func (db testDB) load(t *testing.T) {
	t.Helper()
	if db.isSQLite() {
		data, err := os.ReadFile(filepath.Join("testdata", "river047.db"))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(db.path, data, 0o600))
		db.exec(t, `UPDATE river_job SET finalized_at = datetime('now') WHERE finalized_at IS NOT NULL`)
		db.exec(t, `UPDATE river_job SET scheduled_at = datetime('now', '+1 hour') WHERE state = 'retryable'`)
		return
	}
	data, err := os.ReadFile(filepath.Join("testdata", "river047.sql"))
	require.NoError(t, err)
	db.exec(t, string(data))
	db.exec(t, `UPDATE river_job SET finalized_at = now() WHERE finalized_at IS NOT NULL`)                // else they are too old to be kept
	db.exec(t, `UPDATE river_job SET scheduled_at = now() + interval '1 hour' WHERE state = 'retryable'`) // else it is due
}

func TestADatabaseOfRiver047LosesNoJob(t *testing.T) {
	onBoth(t, func(t *testing.T, db testDB) {
		db.load(t)
		handled := make(chan string, 10)
		a := startApp(t, db, workerfx.Module, handle(func(_ context.Context, job *queue.Job[mail]) error {
			handled <- job.Args.To
			return nil
		}))
		defer a.RequireStop()
		require.ElementsMatch(t, []string{"available", "running"}, []string{receive(t, handled), receive(t, handled)})

		for id, want := range map[int64]queue.State{
			1: queue.StateCompleted, 2: queue.StateRetryable, 3: queue.StateCancelled, 4: queue.StateDiscarded, 5: queue.StateScheduled,
			6: queue.StateCompleted, 7: queue.StateScheduled, 8: queue.StateCompleted, 9: queue.StatePending,
		} {
			a.awaitState(t, id, want)
		}
		added, err := a.client.Enqueue(t.Context(), mail{To: "unique"}, queue.In(time.Hour), queue.Unique())
		require.NoError(t, err)
		require.True(t, added.Duplicate)
		require.EqualValues(t, 5, added.ID)
		require.NoError(t, a.client.Requeue(t.Context(), 4))
		require.Equal(t, "discarded", receive(t, handled))
		require.Greater(t, a.enqueue(t, mail{To: "new"}), int64(9), "the numbers go on")
	})
}
