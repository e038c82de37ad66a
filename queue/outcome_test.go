package queue_test

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/riverqueue/river"
	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/queue"
)

// atOnce is a short backoff, so that tests need not wait for attempts.
var atOnce = queue.WithBackoff(workerfx.StaticBackoff{})

func TestFailedJobIsTriedAgainAfterItsBackoff(t *testing.T) {
	onBoth(t, func(t *testing.T, db testDB) {
		attempts := make(chan time.Time, 10)
		a := startApp(t, db, handle(func(_ context.Context, job *queue.Job[mail]) error {
			attempts <- time.Now()
			if job.Attempt < 3 {
				return errBoom
			}
			return nil
		}, queue.WithBackoff(workerfx.StaticBackoff{Sleep: 300 * time.Millisecond})))
		id := a.enqueue(t, mail{})
		first, second := receive(t, attempts), receive(t, attempts)
		require.GreaterOrEqual(t, second.Sub(first), 290*time.Millisecond)
		job := a.awaitState(t, id, queue.StateCompleted)
		require.Equal(t, 3, job.Attempt)
		require.Len(t, job.Errors, 2)
		require.Equal(t, "boom", job.Errors[0].Error)
		require.Equal(t, 1, job.Errors[0].Attempt)
	})
}

func TestWithoutABackoffRiverDecides(t *testing.T) {
	onBoth(t, func(t *testing.T, db testDB) {
		failed, goOn := make(chan time.Time, 1), make(chan struct{})
		defer close(goOn)
		a := startApp(t, db, handle(func(_ context.Context, job *queue.Job[mail]) error {
			if job.Attempt > 1 {
				<-goOn // the next failure would set another time
				return nil
			}
			failed <- time.Now()
			return errBoom
		}))
		id := a.enqueue(t, mail{})
		eventually(t, "the attempt failed", func() bool {
			job, err := a.client.Job(t.Context(), id)
			require.NoError(t, err)
			return len(job.Errors) == 1
		})
		job, err := a.client.Job(t.Context(), id)
		require.NoError(t, err)
		require.WithinRange(t, job.ScheduledAt, receive(t, failed).Add(890*time.Millisecond), time.Now().Add(1110*time.Millisecond))
		require.Equal(t, 25, job.MaxAttempts)
	})
}

func TestDeadLettersAreListedAndRequeued(t *testing.T) {
	onBoth(t, func(t *testing.T, db testDB) {
		var healed atomic.Bool
		discarded := make(chan queue.JobInfo, 10)
		a := startApp(t, db, handle(func(_ context.Context, job *queue.Job[mail]) error {
			switch {
			case healed.Load():
				return nil
			case job.Args.To == "discard":
				return queue.Discard(errBoom)
			}
			return errBoom
		}, atOnce), queue.ProvideHooks(func() queue.Hooks {
			return queue.Hooks{OnDiscard: func(_ context.Context, job queue.JobInfo, err error) {
				require.ErrorIs(t, err, errBoom)
				discarded <- job
			}}
		}))
		exhausted := a.enqueue(t, mail{To: "fail"}, queue.MaxAttempts(2))
		job := receive(t, discarded)
		require.Equal(t, exhausted, job.ID)
		require.Equal(t, queue.StateDiscarded, job.State)
		given := a.enqueue(t, mail{To: "discard"})
		require.Equal(t, given, receive(t, discarded).ID)
		a.awaitState(t, exhausted, queue.StateDiscarded)
		job = a.awaitState(t, given, queue.StateCancelled)
		require.Equal(t, 1, job.Attempt)
		require.Equal(t, "boom", job.Errors[0].Error)

		letters, err := a.client.DeadLetters(t.Context(), 10)
		require.NoError(t, err)
		require.Len(t, letters, 2)
		require.Equal(t, given, letters[0].ID)
		require.Equal(t, exhausted, letters[1].ID)
		require.JSONEq(t, `{"to": "fail"}`, string(letters[1].RawArgs))

		healed.Store(true)
		for _, id := range []int64{exhausted, given} {
			require.NoError(t, a.client.Requeue(t.Context(), id))
			a.awaitState(t, id, queue.StateCompleted)
		}
		require.ErrorIs(t, a.client.Requeue(t.Context(), given), queue.ErrNoJob)
		require.ErrorIs(t, a.client.Requeue(t.Context(), 4711), queue.ErrNoJob)
		letters, err = a.client.DeadLetters(t.Context(), 10)
		require.NoError(t, err)
		require.Empty(t, letters)
		_, err = a.client.DeadLetters(t.Context(), 0)
		require.EqualError(t, err, "queue: dead letters: limit 0: must be from 1 to 10000")
	})
}

func TestDeadLetterGivesWayToOneLikeIt(t *testing.T) {
	onBoth(t, func(t *testing.T, db testDB) {
		a := startApp(t, db, handle(func(context.Context, *queue.Job[mail]) error { return queue.Discard(errBoom) }))
		id := a.enqueue(t, mail{}, queue.Unique())
		a.awaitState(t, id, queue.StateCancelled)
		like := a.enqueue(t, mail{}, queue.Unique(), queue.In(time.Hour))
		err := a.client.Requeue(t.Context(), id)
		require.ErrorIs(t, err, queue.ErrNoJob)
		require.ErrorContains(t, err, "one like it")
		require.NoError(t, a.client.Cancel(t.Context(), like))
		require.NoError(t, a.client.Requeue(t.Context(), id))
	})
}

func TestRescheduledJobRunsAgainAndTheAttemptDoesNotCount(t *testing.T) {
	onBoth(t, func(t *testing.T, db testDB) {
		var runs atomic.Int64
		begun := make(chan time.Time, 10)
		a := startApp(t, db, handle(func(_ context.Context, job *queue.Job[mail]) error {
			begun <- time.Now()
			require.Equal(t, 1, job.Attempt)
			switch runs.Add(1) {
			case 1:
				return queue.RescheduleIn(200 * time.Millisecond)
			case 2:
				return queue.RescheduleAt(time.Now().Add(-time.Hour))
			}
			return nil
		}))
		id := a.enqueue(t, mail{}, queue.MaxAttempts(1))
		first, second := receive(t, begun), receive(t, begun)
		require.GreaterOrEqual(t, second.Sub(first), 190*time.Millisecond)
		receive(t, begun)
		job := a.awaitState(t, id, queue.StateCompleted)
		require.Equal(t, 1, job.Attempt)
		require.Empty(t, job.Errors)
	})
	require.EqualError(t, queue.RescheduleIn(-time.Second), "RescheduleIn: -1s must not be negative")
}

func TestPanicIsKeptWithItsStack(t *testing.T) {
	onBoth(t, func(t *testing.T, db testDB) {
		outcomes := make(chan error, 10)
		a := startApp(t, db, handle(func(_ context.Context, job *queue.Job[mail]) error {
			switch job.Args.To {
			case "panic":
				panicOn(job.Args)
			case "goexit":
				runtime.Goexit()
			}
			return nil
		}), queue.ProvideHooks(func() queue.Hooks {
			return queue.Hooks{OnDone: func(_ context.Context, _ queue.JobInfo, err error) { outcomes <- err }}
		}))
		id := a.enqueue(t, mail{To: "panic"}, queue.MaxAttempts(1))
		panicked, ok := errors.AsType[*workerfx.PanicError](receive(t, outcomes))
		require.True(t, ok)
		require.Equal(t, "no mail to panic", panicked.Value)
		job := a.awaitState(t, id, queue.StateDiscarded)
		require.Equal(t, "panic: no mail to panic", job.Errors[0].Error)
		require.Contains(t, job.Errors[0].Stack, "panicOn")

		id = a.enqueue(t, mail{To: "goexit"}, queue.MaxAttempts(1))
		require.ErrorIs(t, receive(t, outcomes), workerfx.ErrGoexit)
		a.awaitState(t, id, queue.StateDiscarded)
		id = a.enqueue(t, mail{To: "ada"})
		require.NoError(t, receive(t, outcomes))
		a.awaitState(t, id, queue.StateCompleted)
	})
}

//go:noinline
func panicOn(m mail) { panic("no mail to " + m.To) }

func TestTimeoutEndsTheAttempt(t *testing.T) {
	onBoth(t, func(t *testing.T, db testDB) {
		a := startApp(t, db, handle(func(ctx context.Context, _ *queue.Job[mail]) error {
			<-ctx.Done()
			return ctx.Err()
		}, queue.WithTimeout(50*time.Millisecond)))
		job := a.awaitState(t, a.enqueue(t, mail{}, queue.MaxAttempts(1)), queue.StateDiscarded)
		require.Contains(t, job.Errors[0].Error, "deadline exceeded")
	})
}

func TestHooksAreToldAndMayPanic(t *testing.T) {
	onBoth(t, func(t *testing.T, db testDB) {
		told := make(chan string, 10)
		broken := func() queue.Hooks {
			return queue.Hooks{OnLocked: func(context.Context, queue.JobInfo) { panic("broken hook") }}
		}
		a := startApp(t, db, handle(func(context.Context, *queue.Job[mail]) error {
			told <- "handler"
			return nil
		}), queue.ProvideHooks(broken), queue.ProvideHooks(func() queue.Hooks {
			return queue.Hooks{
				OnLocked:      func(_ context.Context, job queue.JobInfo) { told <- "locked " + job.Kind },
				OnDone:        func(_ context.Context, job queue.JobInfo, err error) { told <- "done " + job.Kind },
				OnUnknownKind: func(_ context.Context, job queue.JobInfo) { told <- "unknown " + job.Kind },
				OnDiscard:     func(_ context.Context, job queue.JobInfo, err error) { told <- "discard " + job.Kind },
			}
		}))
		a.enqueue(t, mail{})
		require.Equal(t, "locked mail", receive(t, told))
		require.Equal(t, "handler", receive(t, told))
		require.Equal(t, "done mail", receive(t, told))
		id := a.enqueue(t, letter{}, queue.MaxAttempts(1))
		require.Equal(t, "unknown letter", receive(t, told))
		require.Equal(t, "discard letter", receive(t, told))
		job := a.awaitState(t, id, queue.StateDiscarded)
		require.Contains(t, job.Errors[0].Error, "letter")
		found := false
		for _, log := range a.Logs("queue/default") {
			found = found || log.Fields["hook"] == "OnLocked" && log.Fields["error"] == "broken hook"
		}
		require.True(t, found, "the panic of the hook is in the log")
	})
}

// letter is a kind without a handler.
type letter struct{}

func (letter) Kind() string { return "letter" }

func TestHookThatEndsItsGoroutineDoesNotReachTheJob(t *testing.T) {
	onBoth(t, func(t *testing.T, db testDB) {
		a := startApp(t, db, handle(nothing), queue.ProvideHooks(func() queue.Hooks {
			return queue.Hooks{
				OnLocked: func(context.Context, queue.JobInfo) { runtime.Goexit() },
				OnDone:   func(context.Context, queue.JobInfo, error) { runtime.Goexit() },
			}
		}))
		a.awaitState(t, a.enqueue(t, mail{}), queue.StateCompleted)
	})
}

func TestMiddlewareWrapsAttempts(t *testing.T) {
	onBoth(t, func(t *testing.T, db testDB) {
		order := make(chan string, 10)
		note := func(name string) workerfx.Middleware {
			return func(next workerfx.RunFunc) workerfx.RunFunc {
				return func(ctx context.Context) error {
					order <- name
					return next(ctx)
				}
			}
		}
		a := startApp(t, db, handle(func(context.Context, *queue.Job[mail]) error {
			order <- "handler"
			return nil
		}, queue.WithMiddleware(note("outer"), note("inner"))))
		a.enqueue(t, mail{})
		for _, want := range []string{"outer", "inner", "handler"} {
			require.Equal(t, want, receive(t, order))
		}
	})
}

// brokenError panics in its method Error.
type brokenError struct{}

func (brokenError) Error() string { panic("broken error") }

func TestOddErrorsAreKeptToo(t *testing.T) {
	onBoth(t, func(t *testing.T, db testDB) {
		a := startApp(t, db, handle(func(_ context.Context, job *queue.Job[mail]) error {
			switch job.Args.To {
			case "zero":
				return errors.New("a zero\x00byte and a bad \xff one")
			case "zero panic":
				panic("a zero\x00byte")
			case "zero discard":
				return queue.Discard(errors.New("a zero\x00byte"))
			case "broken":
				return brokenError{}
			}
			return nil
		}))
		for to, want := range map[string]string{
			"zero":         "a zero\uFFFDbyte and a bad \uFFFD one",
			"zero panic":   "panic: a zero\uFFFDbyte",
			"zero discard": "a zero\uFFFDbyte",
			"broken":       "panic: broken error",
		} {
			id := a.enqueue(t, mail{To: to}, queue.MaxAttempts(1))
			eventually(t, "the attempt failed", func() bool {
				job, err := a.client.Job(t.Context(), id)
				require.NoError(t, err)
				return len(job.Errors) == 1
			})
			job, err := a.client.Job(t.Context(), id)
			require.NoError(t, err)
			require.Contains(t, job.Errors[0].Error, want)
		}
	})
}

func TestRiversOwnErrorsMeanWhatTheyMeanInRiver(t *testing.T) {
	var discarded atomic.Int64
	var snoozed atomic.Bool
	a := startApp(t, newSQLite(t), queue.ProvideHooks(func() queue.Hooks {
		return queue.Hooks{OnDiscard: func(context.Context, queue.JobInfo, error) { discarded.Add(1) }}
	}), handle(func(_ context.Context, job *queue.Job[mail]) error {
		switch {
		case job.Args.To == "cancel":
			return river.JobCancel(errBoom)
		case snoozed.CompareAndSwap(false, true):
			return river.JobSnooze(0)
		}
		return nil
	}))
	a.awaitState(t, a.enqueue(t, mail{"cancel"}), queue.StateCancelled)
	require.EqualValues(t, 1, discarded.Load())
	require.Equal(t, 1, a.awaitState(t, a.enqueue(t, mail{"snooze"}), queue.StateCompleted).Attempt)
	for _, l := range a.Logs() {
		require.NotContains(t, l.Message, "it will run again")
	}
}
