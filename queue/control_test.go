package queue_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/queue"
)

// slow provides a handler that says when it begins and works until it may go on or its context ends.
func slow(begun chan<- int64, goOn <-chan struct{}) fx.Option {
	return handle(func(ctx context.Context, job *queue.Job[mail]) error {
		begun <- job.ID
		select {
		case <-goOn:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
}

func TestPausedQueueFinishesItsJobsAndBeginsNone(t *testing.T) {
	onBoth(t, func(t *testing.T, db testDB) {
		begun, goOn := make(chan int64, 10), make(chan struct{})
		a := newAppWith(t, db.module(queue.WithQueue("default", 2), queue.WithQueue("other", 1)), slow(begun, goOn))
		a.RequireStart()
		first := a.enqueue(t, mail{})
		receive(t, begun)
		require.NoError(t, a.Pool.Pause("queue/default"))
		close(goOn)
		a.AwaitStatus("queue/default", workerfx.StatusPaused)
		a.awaitState(t, first, queue.StateCompleted)
		second := a.enqueue(t, mail{})
		elsewhere := a.enqueue(t, mail{}, queue.Queue("other"))
		require.Equal(t, elsewhere, receive(t, begun), "the other queue goes on")
		a.awaitState(t, elsewhere, queue.StateCompleted)
		require.Empty(t, begun)

		require.NoError(t, a.Pool.Resume("queue/default"))
		require.Equal(t, second, receive(t, begun))
		a.awaitState(t, second, queue.StateCompleted)
	})
}

func TestStopLetsJobsFinish(t *testing.T) {
	onBoth(t, func(t *testing.T, db testDB) {
		begun, goOn := make(chan int64, 10), make(chan struct{})
		var finished atomic.Bool
		a := startApp(t, db, handle(func(ctx context.Context, job *queue.Job[mail]) error {
			begun <- job.ID
			<-goOn
			finished.Store(ctx.Err() == nil)
			return nil
		}))
		a.enqueue(t, mail{})
		receive(t, begun)
		time.AfterFunc(300*time.Millisecond, func() { close(goOn) })
		a.RequireStop()
		require.True(t, finished.Load(), "the context lived until the job was done")
		require.Equal(t, 1, db.count(t, `SELECT count(*) FROM river_job WHERE state = 'completed'`))
	})
}

func TestScalingMultipliesTheSlots(t *testing.T) {
	onBoth(t, func(t *testing.T, db testDB) {
		begun, goOn := make(chan int64, 10), make(chan struct{})
		a := newAppWith(t, db.module(queue.WithQueue("default", 2)), slow(begun, goOn))
		a.RequireStart()
		for range 4 {
			a.enqueue(t, mail{})
		}
		receive(t, begun)
		receive(t, begun)
		require.Equal(t, 2, db.count(t, `SELECT count(*) FROM river_job WHERE state = 'running'`))
		require.NoError(t, a.Pool.Scale("queue/default", 2))
		receive(t, begun)
		receive(t, begun)
		require.NoError(t, a.Pool.Scale("queue/default", 1))
		close(goOn)
		require.NoError(t, a.client.Drain(within(t)))
		require.Equal(t, 4, db.count(t, `SELECT count(*) FROM river_job WHERE state = 'completed' AND attempt = 1`))
	})
}

func TestQueuesAreWorkedApart(t *testing.T) {
	onBoth(t, func(t *testing.T, db testDB) {
		worked := make(chan string, 10)
		a := newAppWith(t, db.module(queue.WithQueue("fast", 3), queue.WithQueue("slow", 1)),
			handle(func(_ context.Context, job *queue.Job[mail]) error {
				worked <- job.Queue
				return nil
			}))
		a.RequireStart()
		a.enqueue(t, mail{}, queue.Queue("slow"))
		require.Equal(t, "slow", receive(t, worked))
		a.enqueue(t, mail{}, queue.Queue("fast"))
		require.Equal(t, "fast", receive(t, worked))
		nobodys := a.enqueue(t, mail{})
		require.NoError(t, a.client.Drain(within(t)))
		job, err := a.client.Job(t.Context(), nobodys)
		require.NoError(t, err)
		require.Equal(t, queue.StateAvailable, job.State)
		require.Len(t, a.Pool.Executions(), 2)
	})
}

func TestDrainWaitsForJobsThatJobsEnqueue(t *testing.T) {
	onBoth(t, func(t *testing.T, db testDB) {
		var worked atomic.Int64
		var a *app
		a = newApp(t, db, handle(func(ctx context.Context, job *queue.Job[mail]) error {
			worked.Add(1)
			if job.Args.To == "first" {
				_, err := a.client.Enqueue(ctx, mail{To: "second"})
				return err
			}
			return nil
		}))
		a.RequireStart()
		a.enqueue(t, mail{To: "first"})
		later := a.enqueue(t, mail{To: "later"}, queue.In(time.Hour))
		require.NoError(t, a.client.Drain(within(t)))
		require.EqualValues(t, 2, worked.Load())
		a.awaitState(t, later, queue.StateScheduled)

		require.NoError(t, a.Pool.Pause("queue/default"))
		a.AwaitStatus("queue/default", workerfx.StatusPaused)
		a.enqueue(t, mail{})
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		require.ErrorIs(t, a.client.Drain(ctx), context.DeadlineExceeded)
	})
}

func TestDrainDoesNotWaitForTheHandlerThatCallsIt(t *testing.T) {
	drained := make(chan error, 1)
	var a *app
	a = newApp(t, newSQLite(t), handle(func(ctx context.Context, _ *queue.Job[mail]) error {
		drained <- a.client.Drain(ctx)
		return nil
	}))
	a.RequireStart()
	a.enqueue(t, mail{})
	require.ErrorContains(t, receive(t, drained), "wait for itself")
}

func TestDrainNeedsAQueue(t *testing.T) {
	for name, opts := range map[string]fx.Option{
		"no handler": fx.Options(),
		"excluded": fx.Options(fx.Supply(workerfx.Config{Except: []string{"queue"}}),
			handle(func(context.Context, *queue.Job[mail]) error { return nil })),
	} {
		t.Run(name, func(t *testing.T) {
			a := startApp(t, newSQLite(t), opts)
			require.EqualError(t, a.client.Drain(t.Context()), "queue: drain: this process works no queue")
		})
	}
}

func TestStopInterruptsJobsThatTakeTooLong(t *testing.T) {
	onBoth(t, func(t *testing.T, db testDB) {
		begun := make(chan int64, 10)
		cause := make(chan error, 10)
		a := startApp(t, db, fx.StopTimeout(6*time.Second), handle(func(ctx context.Context, job *queue.Job[mail]) error {
			begun <- job.ID
			<-ctx.Done()
			cause <- context.Cause(ctx)
			return context.Cause(ctx)
		}))
		a.enqueue(t, mail{}, queue.MaxAttempts(1))
		receive(t, begun)
		asked := time.Now()
		a.RequireStop()
		require.Greater(t, time.Since(asked), time.Second, "it was given time")
		require.ErrorIs(t, receive(t, cause), workerfx.ErrStopping)
		require.Equal(t, 1, db.count(t, `SELECT count(*) FROM river_job WHERE state = 'available' AND attempt = 0`), "the attempt does not count")
	})
}

func TestAJobThatIsGivenUpDuringAStopDoesNotRunAgain(t *testing.T) {
	onBoth(t, func(t *testing.T, db testDB) {
		begun := make(chan int64, 10)
		a := startApp(t, db, fx.StopTimeout(6*time.Second), handle(func(ctx context.Context, job *queue.Job[mail]) error {
			begun <- job.ID
			<-ctx.Done()
			return queue.Discard(fmt.Errorf("half done: %w", ctx.Err()))
		}))
		a.enqueue(t, mail{})
		receive(t, begun)
		a.RequireStop()
		require.Equal(t, 1, db.count(t, `SELECT count(*) FROM river_job WHERE state = 'cancelled' AND attempt = 1`))
	})
}

func TestAppHasStartedOnceItsQueuesAreWorked(t *testing.T) {
	onBoth(t, func(t *testing.T, db testDB) {
		a := startApp(t, db, handle(nothing))
		require.NoError(t, a.Pool.Ready(within(t)))
		require.NoError(t, a.Pool.Health())
		e, err := a.Pool.Execution("queue/default")
		require.NoError(t, err)
		require.Equal(t, workerfx.StatusRunning, e.Status)
	})
}

func TestAQueueWhoseRunTimeIsOverIsWorkedByTheNextRun(t *testing.T) {
	onBoth(t, func(t *testing.T, db testDB) {
		begun := make(chan int64, 10)
		a := newAppWith(t, db.module(queue.WithQueue("default", 1, workerfx.WithRunTimeout(time.Second))), slow(begun, nil))
		a.RequireStart()
		id := a.enqueue(t, mail{})
		require.Equal(t, id, receive(t, begun))
		require.Equal(t, id, receive(t, begun), "the time of the run is over, and another one has the job")
		require.NoError(t, a.client.Cancel(t.Context(), id))
		a.awaitState(t, id, queue.StateCancelled)
	})
}

func TestStopDoesNotWaitForACountOfJobs(t *testing.T) {
	db := newPostgres(t)
	a := startApp(t, db)
	tx, err := db.openPostgres(t).Begin(t.Context())
	require.NoError(t, err)
	defer tx.Rollback(context.Background())
	_, err = tx.Exec(t.Context(), `LOCK TABLE river_job IN ACCESS EXCLUSIVE MODE`)
	require.NoError(t, err)
	eventually(t, "it counts", func() bool {
		return db.count(t, `SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%json_build_object%'`) > 0
	})
	begun := time.Now()
	require.NoError(t, a.Stop(t.Context()))
	require.Less(t, time.Since(begun), 4*time.Second, "a count may take five seconds")
}

func TestAQueueIsNotStuckWhileItIsIdleOrWorks(t *testing.T) {
	const heartbeat = 300 * time.Millisecond // shorter than the time between two sweeps
	onBoth(t, func(t *testing.T, db testDB) {
		begun, goOn := make(chan int64, 1), make(chan struct{})
		a := newAppWith(t, db.module(queue.WithQueue("default", 1, workerfx.WithHeartbeat(heartbeat, workerfx.RestartStuck))), slow(begun, goOn))
		a.RequireStart()
		stayWell := func() {
			time.Sleep(4 * heartbeat)
			require.NoError(t, a.Pool.Health())
		}
		stayWell() // idle
		id := a.enqueue(t, mail{})
		receive(t, begun)
		stayWell() // busy
		close(goOn)
		a.awaitState(t, id, queue.StateCompleted)
		e, err := a.Pool.Execution("queue/default")
		require.NoError(t, err)
		require.EqualValues(t, 1, e.Runs)
		for _, event := range e.Events {
			require.NotContains(t, event.Message, "stuck")
		}
	})
}
