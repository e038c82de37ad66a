//go:build !nosqlite

package queuetest_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/fxtest"
	"github.com/workerfx/workerfx/queue"
	"github.com/workerfx/workerfx/queue/queuetest"
)

var errBusy = errors.New("the line is busy")

// handler is a handler of greetings.
type handler func(ctx context.Context, job *queue.Job[Greeting]) error

func (h handler) Handle(ctx context.Context, job *queue.Job[Greeting]) error { return h(ctx, job) }

// handling provides a handler of greetings.
func handling(handle handler, opts ...queue.HandlerOption) fx.Option {
	return queue.ProvideHandler[Greeting](func() handler { return handle }, opts...)
}

func succeeds(context.Context, *queue.Job[Greeting]) error { return nil }

func TestJobsAreWorkedOnlyDuringWorkAll(t *testing.T) {
	inAndOutOfBubble(t, func(t *testing.T) {
		var names []string
		q := queuetest.New(t, handling(func(ctx context.Context, job *queue.Job[Greeting]) error {
			workerfx.CtxLogger(ctx).Info().Msg("greeting")
			names = append(names, job.Args.Name)
			return nil
		}), queue.WithQueue("default", 1))
		q.WorkAll()
		require.Empty(t, q.Jobs())
		for i := range 3 {
			q.Enqueue(Greeting{Name: fmt.Sprint(i)})
		}
		time.Sleep(300 * time.Millisecond) // a queue that works looks 20 times a second
		require.Empty(t, names)
		require.Len(t, q.Jobs(queue.StateAvailable), 3)

		q.WorkAll()
		require.Equal(t, []string{"0", "1", "2"}, names)
		require.Len(t, q.Jobs(queue.StateCompleted), 3)
		require.Empty(t, q.Jobs(queue.StateAvailable, queue.StateRunning, queue.StateDiscarded))
		require.EqualValues(t, 3, q.Metric("worker_jobs_total", "worker", "queue/default", "status", "success"))
		logged := 0
		for _, l := range q.Logs("queue/default") {
			if l.Message == "greeting" {
				logged++
			}
		}
		require.Equal(t, 3, logged)

		q.Enqueue(Greeting{Name: "3"})
		q.WorkAll()
		require.Len(t, q.Jobs(queue.StateCompleted), 4)
	})
}

func TestJobsThatJobsEnqueueAreWorkedToo(t *testing.T) {
	inAndOutOfBubble(t, func(t *testing.T) {
		q := queuetest.New(t, queue.ProvideHandler[Greeting](func(c *queue.Client) handler {
			return func(ctx context.Context, job *queue.Job[Greeting]) error {
				if len(job.Args.Name) > 5 {
					return nil
				}
				_, err := c.Enqueue(ctx, Greeting{Name: job.Args.Name + "!"})
				return err
			}
		}))
		q.Enqueue(Greeting{Name: "Ada"})
		q.WorkAll()
		require.Len(t, q.Jobs(queue.StateCompleted), 4)
	})
}

func TestBackoffsAndDelaysFollowTheClockOfTheBubble(t *testing.T) {
	for _, backoff := range []time.Duration{100 * time.Millisecond, time.Second, 7 * time.Second, 20 * time.Minute} {
		t.Run(backoff.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begun := time.Now()
				q := queuetest.New(t, handling(func(_ context.Context, job *queue.Job[Greeting]) error {
					if job.Attempt < 3 {
						return errBusy
					}
					return nil
				}, queue.WithBackoff(workerfx.StaticBackoff{Sleep: backoff})))
				retried := q.Enqueue(Greeting{Name: "Ada"}).ID
				delayed := q.Enqueue(Greeting{Name: "Bob"}, queue.In(backoff), queue.MaxAttempts(1)).ID
				for attempt := 1; attempt <= 3; attempt++ {
					q.WorkAll()
					q.WorkAll() // nothing is due
					require.Equal(t, attempt, q.Job(retried).Attempt)
					require.Equal(t, min(attempt-1, 1), q.Job(delayed).Attempt)
					time.Sleep(backoff)
				}
				require.Equal(t, queue.StateCompleted, q.Job(retried).State)
				require.Equal(t, queue.StateDiscarded, q.Job(delayed).State)
				job := q.Job(retried)
				assert.WithinDuration(t, begun, job.EnqueuedAt, time.Second)
				assert.WithinDuration(t, begun.Add(2*backoff), job.AttemptedAt, time.Second)
				assert.WithinDuration(t, begun.Add(2*backoff), job.FinishedAt, time.Second)
			})
		})
	}
}

func TestTheAgeOfJobsFollowsTheClockOfTheBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := queuetest.New(t, handling(succeeds))
		q.Enqueue(Greeting{Name: "Ada"}, queue.In(time.Hour))
		age := func() float64 { return q.Metric("worker_queue_oldest_due_seconds", "queue", "default") }
		require.Zero(t, age())
		time.Sleep(2 * time.Hour)
		require.InDelta(t, time.Hour.Seconds(), age(), 1)
	})
}

func TestARequeuedJobIsDueAtOnce(t *testing.T) {
	inAndOutOfBubble(t, func(t *testing.T) {
		fails := true
		q := queuetest.New(t, handling(func(context.Context, *queue.Job[Greeting]) error {
			if fails {
				return errBusy
			}
			return nil
		}))
		job := q.Enqueue(Greeting{Name: "Ada"}, queue.MaxAttempts(1))
		q.WorkAll()
		require.Equal(t, queue.StateDiscarded, q.Job(job.ID).State)
		fails = false
		require.NoError(t, q.Client.Requeue(t.Context(), job.ID))
		q.WorkAll()
		require.Equal(t, queue.StateCompleted, q.Job(job.ID).State)
	})
}

func TestARetryOutsideOfABubbleWaitsForItsBackoff(t *testing.T) {
	q := queuetest.New(t, queue.ProvideHandler[Greeting](NewGreeter, queue.WithBackoff(workerfx.StaticBackoff{Sleep: 200 * time.Millisecond})))
	job := q.Enqueue(Greeting{Name: "Ada"})
	for q.Job(job.ID).State != queue.StateCompleted {
		q.WorkAll()
		time.Sleep(time.Millisecond)
	}
	job2 := q.Job(job.ID)
	require.Equal(t, 2, job2.Attempt)
	require.Greater(t, job2.AttemptedAt.Sub(job2.Errors[0].At), 190*time.Millisecond)
}

// biller writes bills in the transactions of jobs.
type biller struct{}

func (biller) HandleTx(ctx context.Context, tx *sql.Tx, job *queue.Job[Greeting]) error {
	if _, err := tx.ExecContext(ctx, `INSERT INTO bills (name) VALUES (?)`, job.Args.Name); err != nil {
		return err
	}
	if job.Args.Name == "Bob" {
		return errBusy
	}
	return nil
}

func TestHandlersWithATransactionWriteInTheDatabase(t *testing.T) {
	inAndOutOfBubble(t, func(t *testing.T) {
		q := queuetest.New(t, queue.ProvideHandler[Greeting](func(*sql.DB) biller { return biller{} }))
		_, err := q.DB.ExecContext(t.Context(), `CREATE TABLE bills (name text)`)
		require.NoError(t, err)
		q.Enqueue(Greeting{Name: "Ada"})
		q.Enqueue(Greeting{Name: "Bob"}, queue.MaxAttempts(1))
		q.WorkAll()
		var name string
		require.NoError(t, q.DB.QueryRowContext(t.Context(), `SELECT group_concat(name) FROM bills`).Scan(&name))
		require.Equal(t, "Ada", name)
		require.Len(t, q.Jobs(queue.StateCompleted), 1)
	})
}

func TestQueuesWithNamesAreWorkedToo(t *testing.T) {
	inAndOutOfBubble(t, func(t *testing.T) {
		q := queuetest.New(t, handling(succeeds), queue.WithQueue("default", 2), queue.WithQueue("mails", 1, workerfx.WithReplicas(2)))
		for range 5 {
			q.Enqueue(Greeting{}, queue.Queue("mails"))
			q.Enqueue(Greeting{})
		}
		left := q.Enqueue(Greeting{}, queue.Queue("elsewhere"))
		q.WorkAll()
		require.Len(t, q.Jobs(queue.StateCompleted), 10)
		require.Equal(t, queue.StateAvailable, q.Job(left.ID).State, "no process works it")
	})
}

func TestHandlersThatTakeLongHaveEndedWhenWorkAllReturns(t *testing.T) {
	inAndOutOfBubble(t, func(t *testing.T) {
		q := queuetest.New(t, handling(func(ctx context.Context, _ *queue.Job[Greeting]) error {
			workerfx.Wait(ctx, 100*time.Millisecond)
			return ctx.Err()
		}))
		for range 25 { // there are ten slots
			q.Enqueue(Greeting{})
		}
		q.WorkAll()
		require.Len(t, q.Jobs(queue.StateCompleted), 25)
	})
}

func TestTwoQueuesHaveNothingInCommon(t *testing.T) {
	a, b := queuetest.New(t, handling(succeeds)), queuetest.New(t, handling(succeeds))
	a.Enqueue(Greeting{})
	a.WorkAll()
	require.Len(t, a.Jobs(), 1)
	require.Empty(t, b.Jobs())
}

func TestJobsOutliveTheConnection(t *testing.T) {
	inAndOutOfBubble(t, func(t *testing.T) {
		q := queuetest.New(t, handling(succeeds))
		q.Enqueue(Greeting{})
		conn, err := q.DB.Conn(t.Context())
		require.NoError(t, err)
		_ = conn.Raw(func(any) error { return driver.ErrBadConn }) // so that database/sql drops it
		q.WorkAll()
		require.Len(t, q.Jobs(queue.StateCompleted), 1)
	})
}

func TestFailuresTellWhatTheJobsDid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := handling(func(ctx context.Context, _ *queue.Job[Greeting]) error {
			workerfx.Wait(ctx, 2*time.Minute)
			return ctx.Err()
		})
		for want, run := range map[string]func(tb fxtest.TB){
			"queuetest: there is no handler": func(tb fxtest.TB) { queuetest.New(tb, fx.Options()) },
			`queuetest: queue: enqueue "greeting"`: func(tb fxtest.TB) {
				queuetest.New(tb, handling(succeeds)).Enqueue(Greeting{}, queue.Priority(9))
			},
			"queuetest: queue: job 7: " + queue.ErrNoJob.Error(): func(tb fxtest.TB) { queuetest.New(tb, handling(succeeds)).Job(7) },
			"queuetest: work all: it takes longer than 1m0s; the jobs are:\n  job 1 greeting": func(tb fxtest.TB) {
				q := queuetest.New(tb, slow)
				q.Enqueue(Greeting{})
				q.WorkAll()
			},
		} {
			tb := &fakeTB{}
			assert.Contains(t, tb.run(func() { run(tb) }), want)
		}
	})
	tb := &fakeTB{}
	tb.run(func() {
		q := queuetest.New(tb, handling(func(context.Context, *queue.Job[Greeting]) error { return errBusy }))
		q.Enqueue(Greeting{Name: "Ada"}, queue.MaxAttempts(1))
		q.WorkAll()
		tb.Errorf("not what was expected")
	})
	require.Contains(t, tb.logs.String(), "the jobs when the test failed:\n"+
		`  job 1 greeting {"name":"Ada"}: discarded, attempt 1 of 1, last error: the line is busy`)
}

// fakeTB is a test that may fail without failing the one it is part of.
type fakeTB struct {
	errors, logs strings.Builder
	cleanups     []func()
}

type failedNow struct{}

func (*fakeTB) Helper()                           {}
func (f *fakeTB) Failed() bool                    { return f.errors.Len() > 0 }
func (f *fakeTB) Cleanup(fn func())               { f.cleanups = append(f.cleanups, fn) }
func (f *fakeTB) Logf(format string, args ...any) { fmt.Fprintf(&f.logs, format+"\n", args...) }
func (f *fakeTB) Errorf(format string, args ...any) {
	fmt.Fprintf(&f.errors, format+"\n", args...)
}
func (*fakeTB) FailNow() { panic(failedNow{}) }
func (f *fakeTB) Fatalf(format string, args ...any) {
	f.Errorf(format, args...)
	f.FailNow()
}

// run makes test this test's body, and returns how it failed.
func (f *fakeTB) run(test func()) string {
	func() {
		defer func() {
			if r := recover(); r != nil && r != (failedNow{}) {
				panic(r)
			}
		}()
		test()
	}()
	for i := range f.cleanups {
		f.cleanups[len(f.cleanups)-1-i]()
	}
	return f.errors.String()
}
