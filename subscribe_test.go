package workerfx_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx"
)

// changesOf receives the messages that are in the buffer once nothing moves any more.
func changesOf(sub *workerfx.Subscription) (changes []workerfx.Change) {
	synctest.Wait()
	for {
		select {
		case c, open := <-sub.C:
			if !open {
				return changes
			}
			changes = append(changes, c)
		default:
			return changes
		}
	}
}

// told is what a change says, without its time and ID.
type told struct {
	worker  string
	replica int
	status  workerfx.Status
	message string
}

func tell(changes []workerfx.Change) (all []told) {
	for _, c := range changes {
		all = append(all, told{c.Worker, c.Replica, c.Status, c.Message})
	}
	return all
}

func TestASubscriptionHasEveryChangeInItsOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := newPool(t)
		sub := pool.Subscribe(100)
		defer sub.Close()
		runs := 0
		require.NoError(t, pool.Add(workerfx.NewWorker("w", func(context.Context) error {
			if runs++; runs == 1 {
				return errBoom
			}
			return nil
		}, workerfx.WithMaxAttempts(2), workerfx.WithBackoff(workerfx.StaticBackoff{Sleep: time.Second}))))
		require.NoError(t, pool.Start(t.Context()))
		time.Sleep(2 * time.Second)

		changes := changesOf(sub)
		require.Equal(t, []told{
			{"w", 0, workerfx.StatusPending, workerfx.EventAdded},
			{"w", 0, workerfx.StatusRunning, workerfx.EventStarted},
			{"w", 0, workerfx.StatusWaiting, workerfx.EventFailed + "boom"},
			{"w", 0, workerfx.StatusWaiting, workerfx.EventWaiting + "1s"},
			{"w", 0, workerfx.StatusRunning, workerfx.EventStarted},
			{"w", 0, workerfx.StatusSuccess, workerfx.EventSucceeded},
		}, tell(changes))
		e := execution(t, pool, "w")
		require.Equal(t, e.ID, changes[5].ExecutionID)
		require.Equal(t, e.FinishedAt, changes[5].Time)
		require.Zero(t, sub.Dropped())
		require.NoError(t, pool.Stop(t.Context()))
	})
}

func TestASubscriptionHearsOfCommandsSchedulesReplicasAndChildren(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := startPool(t)
		sub := pool.Subscribe(100)
		defer sub.Close()
		require.NoError(t, pool.Add(workerfx.NewWorker("tick", untilStopped, workerfx.WithInterval(time.Hour))))
		require.Equal(t, []told{
			{"tick", 0, workerfx.StatusPending, workerfx.EventAdded},
			{"tick", 0, workerfx.StatusWaiting, ""},
		}, tell(changesOf(sub)))

		require.NoError(t, pool.Pause("tick"))
		require.Equal(t, []told{{"tick", 0, workerfx.StatusPaused, workerfx.EventPaused}}, tell(changesOf(sub)))
		require.NoError(t, pool.Note("tick", "paused by alice"))
		require.Equal(t, []told{{"tick", 0, workerfx.StatusPaused, workerfx.EventNoted + "paused by alice"}}, tell(changesOf(sub)))
		require.NoError(t, pool.Scale("tick", 2))
		require.Equal(t, []told{{"tick", 1, workerfx.StatusPaused, workerfx.EventPaused}}, tell(changesOf(sub)))
		require.NoError(t, pool.Remove(t.Context(), "tick"))
		require.Contains(t, tell(changesOf(sub)), told{"tick", 0, workerfx.StatusStopped, workerfx.EventRemoved})

		require.NoError(t, pool.Add(workerfx.NewWorker("parent", func(ctx context.Context) error {
			return workerfx.AddChild(ctx, workerfx.NewWorker("child", untilStopped))
		})))
		heard := tell(changesOf(sub))
		require.Contains(t, heard, told{"parent/child", 0, workerfx.StatusPending, workerfx.EventAdded})
		require.Contains(t, heard, told{"parent/child", 0, workerfx.StatusStopped, workerfx.EventRemoved})
	})
}

func TestASlowReaderLosesChangesAndThePoolDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sub := &workerfx.Subscription{}
		pool := newPool(t, workerfx.NewWorker("w", func(context.Context) error { return nil }))
		for _, buffer := range []int{-1, 0, 1} {
			sub = pool.Subscribe(buffer)
			t.Cleanup(sub.Close)
		}
		require.NoError(t, pool.Start(t.Context()))
		require.Equal(t, workerfx.StatusSuccess, execution(t, pool, "w").Status)

		require.Equal(t, []told{{"w", 0, workerfx.StatusRunning, workerfx.EventStarted}}, tell(changesOf(sub)))
		require.EqualValues(t, 1, sub.Dropped())
		require.NoError(t, pool.Stop(t.Context()))
	})
}

func TestSubscribersComeAndGoBesideEverythingElse(t *testing.T) {
	pool := startPool(t, workerfx.NewWorker("w", func(context.Context) error { return errBoom },
		workerfx.WithMaxAttempts(0), workerfx.WithBackoff(workerfx.StaticBackoff{Sleep: time.Microsecond})))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				sub := pool.Subscribe(2)
				c := <-sub.C
				assert.Equal(t, "w", c.Worker)
				sub.Close()
				for range sub.C { // what is in the buffer, and then the end
				}
			}
		})
	}
	wg.Wait()
	last := pool.Subscribe(0)
	go func() { _ = pool.Stop(context.Background()) }()
	for range last.C { // it ends when the pool has stopped
	}
	last.Close()
}

func TestASubscriptionEndsWhenItIsClosedAndWhenThePoolHasStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := newPool(t, workerfx.NewWorker("w", untilStopped))
		closed, open := pool.Subscribe(10), pool.Subscribe(10)
		closed.Close()
		closed.Close()
		require.Empty(t, changesOf(closed))
		_, more := <-closed.C
		require.False(t, more)

		require.NoError(t, pool.Start(t.Context()))
		require.NoError(t, pool.Stop(t.Context()))
		var last workerfx.Change
		for last = range open.C { // the loop ends, which is the promise
		}
		require.Equal(t, workerfx.StatusStopped, last.Status)
		open.Close()

		_, more = <-pool.Subscribe(10).C
		require.False(t, more, "after the stop there is nothing to wait for")
	})
}

func TestANoteNeedsAWorkerAndIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log logBuffer
		pool := must(workerfx.NewPool(workerfx.WithLogger(*log.logger())))
		require.ErrorIs(t, pool.Note("w", "x"), workerfx.ErrUnknownWorker)
		require.NoError(t, pool.Add(workerfx.NewWorker("w", untilStopped)))
		require.NoError(t, pool.Note("w", "two\nlines"+string(make([]byte, 1<<20))))

		events := execution(t, pool, "w").Events
		require.Len(t, events, 1)
		require.Contains(t, events[0].Message, workerfx.EventNoted+"two; lines")
		require.Less(t, len(events[0].Message), 4096)
		require.Equal(t, "w", log.find(t, "note")["worker"])

		require.NoError(t, pool.Note("", "of nobody"))
		records := log.records(t)
		require.Equal(t, map[string]any{"level": "info", "message": "note", "note": "of nobody"}, records[len(records)-1])
	})
}

func TestAReportTellsReadinessTroubleAndTheLastSuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := startPool(t,
			workerfx.NewWorker("done", func(context.Context) error { return nil }),
			workerfx.NewWorker("bad", func(context.Context) error { return errBoom }),
			workerfx.NewWorker("main", untilStopped, workerfx.WithEssential(), workerfx.WithReadiness()),
			workerfx.NewWorker("next", untilStopped, workerfx.WithAfter("main")),
			workerfx.NewWorker("silent", untilStopped, workerfx.WithHeartbeat(time.Second)),
		)
		time.Sleep(2 * time.Second)
		done := execution(t, pool, "done")
		require.Equal(t, done.FinishedAt, done.SucceededAt)
		require.True(t, done.Ready)
		require.Equal(t, "boom", execution(t, pool, "bad").ErrText)
		main := execution(t, pool, "main")
		require.True(t, main.Essential)
		require.False(t, main.Ready)
		require.Zero(t, main.SucceededAt)
		require.Equal(t, "main", execution(t, pool, "next").WaitsFor)
		require.True(t, execution(t, pool, "silent").Stuck)
	})
}

func TestExcludedNamesTheWorkersOfOtherProcesses(t *testing.T) {
	pool := must(workerfx.NewPool(silent, workerfx.WithConfig(workerfx.Config{Name: "jobs", Except: []string{"b", "a"}})))
	for _, name := range []string{"b", "c", "a"} {
		require.NoError(t, pool.Add(workerfx.NewWorker(name, untilStopped)))
	}
	require.Equal(t, []string{"a", "b"}, pool.Excluded())
	require.Equal(t, "jobs", pool.Name())
}

func TestASubscriptionHearsThatAScheduleHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := newPool(t)
		sub := pool.Subscribe(100)
		defer sub.Close()
		begin := time.Now()
		require.NoError(t, pool.Add(workerfx.NewWorker("w", func(context.Context) error { return nil }, workerfx.WithSchedule(once(begin.Add(time.Second))))))
		require.NoError(t, pool.Start(t.Context()))
		time.Sleep(time.Minute)
		changes := changesOf(sub)
		require.Equal(t, workerfx.StatusSuccess, changes[len(changes)-1].Status)
		require.Equal(t, workerfx.StatusSuccess, execution(t, pool, "w").Status)
	})
}

// once is a schedule with one tick.
type once time.Time

func (o once) Next(t time.Time) time.Time {
	if t.Before(time.Time(o)) {
		return time.Time(o)
	}
	return time.Time{}
}

func TestEveryChangeOfTheStatusIsToldWithItsRun(t *testing.T) {
	bubble("", t, func(t *testing.T) {
		pool := newPool(t, workerfx.NewWorker("first", untilStopped),
			workerfx.NewWorker("deferred", untilStopped, workerfx.WithAfter("first"), workerfx.WithDeferredStart(time.Minute)),
			workerfx.NewWorker("scheduled", succeeds, workerfx.WithSchedule(&endsAfterOneTick{})))
		changes := pool.Subscribe(100)
		require.NoError(t, pool.Start(t.Context()))
		time.Sleep(2 * time.Second)
		require.NoError(t, pool.Stop(context.Background()))
		statuses := make(map[string][]workerfx.Status)
		for c := range changes.C {
			statuses[c.Worker] = append(statuses[c.Worker], c.Status)
			if c.Worker == "scheduled" && c.Status == workerfx.StatusSuccess {
				require.NotEmpty(t, c.ExecutionID)
			}
		}
		require.Contains(t, statuses["deferred"], workerfx.StatusDeferred)
		require.Contains(t, statuses["scheduled"], workerfx.StatusSuccess)
	})
}
