package queue_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/queue"
)

func TestEnqueuedJobIsWorkedOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, db testDB) {
		worked := make(chan queue.Job[mail], 10)
		a := startApp(t, db, handle(func(_ context.Context, job *queue.Job[mail]) error {
			worked <- *job
			return nil
		}))
		id := a.enqueue(t, mail{To: "ada"})
		job := receive(t, worked)
		require.Equal(t, id, job.ID)
		require.Equal(t, "ada", job.Args.To)
		require.Equal(t, "mail", job.Kind)
		require.Equal(t, queue.DefaultQueue, job.Queue)
		require.Equal(t, 1, job.Attempt)
		require.Equal(t, queue.StateRunning, job.State)
		done := a.awaitState(t, id, queue.StateCompleted)
		require.False(t, done.FinishedAt.IsZero())
		require.Empty(t, worked)
	})
}

func TestManyJobsAreAllWorked(t *testing.T) {
	onBoth(t, func(t *testing.T, db testDB) {
		const n = 200
		worked := make(chan int64, 2*n)
		a := startApp(t, db, handle(func(_ context.Context, job *queue.Job[mail]) error {
			worked <- job.ID
			return nil
		}))
		var entries []queue.Entry
		for i := range n {
			entries = append(entries, queue.NewEntry(mail{To: fmt.Sprint(i)}))
		}
		added, err := a.client.EnqueueBatch(t.Context(), entries...)
		require.NoError(t, err)
		require.NoError(t, a.client.Drain(within(t)))
		seen := make(map[int64]int)
		for range n {
			seen[receive(t, worked)]++
		}
		require.Empty(t, worked)
		for _, e := range added {
			require.Equal(t, 1, seen[e.ID])
		}
	})
}

func TestQueueIsAWorkerOfThePool(t *testing.T) {
	onBoth(t, func(t *testing.T, db testDB) {
		a := startApp(t, db, handle(func(_ context.Context, job *queue.Job[mail]) error {
			if job.Args.To == "nobody" {
				return queue.Discard(errBoom)
			}
			return nil
		}))
		a.AwaitStatus("queue/default", workerfx.StatusRunning)
		a.enqueue(t, mail{To: "ada"})
		a.enqueue(t, mail{To: "nobody"})
		require.NoError(t, a.client.Drain(within(t)))
		eventually(t, "both are counted", func() bool {
			e, err := a.Pool.Execution("queue/default")
			require.NoError(t, err)
			return e.Jobs == 1 && e.FailedJobs == 1
		})
		require.EqualValues(t, 1, a.Metric("worker_jobs_total", "worker", "queue/default", "status", "success"))
		require.EqualValues(t, 1, a.Metric("worker_jobs_total", "worker", "queue/default", "status", "error"))
		a.RequireStop()
		a.AwaitStatus("queue/default", workerfx.StatusStopped)
	})
}

func TestTwoNamesOfAFileHaveTheSameLocks(t *testing.T) {
	dir := t.TempDir()
	file, link := filepath.Join(dir, "jobs.db"), filepath.Join(dir, "link.db")
	begun, goOn := make(chan int64, 2), make(chan struct{})
	a := startApp(t, newSQLiteIn(file), slow(begun, goOn))
	require.NoError(t, os.Symlink(file, link))
	id := a.enqueue(t, mail{})
	require.Equal(t, id, receive(t, begun))
	startApp(t, newSQLiteIn(link), slow(begun, goOn))
	time.Sleep(2500 * time.Millisecond) // it looks for jobs of dead processes every second
	require.Empty(t, begun, "the job runs twice")
	close(goOn)
	require.Equal(t, 1, a.awaitState(t, id, queue.StateCompleted).Attempt)
}
