//go:build !nosqlite

package queuetest

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"go.uber.org/fx"

	"github.com/workerfx/workerfx/fxtest"
	"github.com/workerfx/workerfx/queue"
)

// Queue is a queue in memory with the handlers under test, and the app around it. Methods that can fail the test must be
// called from the test's goroutine, as [testing.T.FailNow]. All results are copies.
type Queue struct {
	*fxtest.App

	// Client is the app's client, for everything that Queue has no method for.
	Client *queue.Client
	// DB is the database, with one connection. Handlers with a transaction may have tables of their own in it.
	DB *sql.DB

	tb      fxtest.TB
	workers []string // the names of the workers of queues
}

// New makes an app of handlers and of what they need, and starts it. [queue.ProvideHandler] makes a handler; fx.Options
// joins several options to one. New adds what [fxtest.New] adds, the module of the queue, and its *[sql.DB]. The options are
// those of the module: without [queue.WithQueue], jobs of the queue "default" are worked. The test fails if the app cannot be
// made or started, and if there is no handler. The app is stopped when the test is over.
func New(tb fxtest.TB, handlers fx.Option, opts ...queue.Option) *Queue {
	tb.Helper()
	db, err := openMemory()
	if err != nil {
		tb.Fatalf("queuetest: %v", err)
	}
	q := &Queue{tb: tb, DB: db}
	tb.Cleanup(func() { _ = q.DB.Close() })
	q.App = fxtest.New(tb, fx.Supply(q.DB), queue.Module(queue.UseSQLite(), opts...), handlers,
		fx.Invoke(func(c *queue.Client) { q.Client = c }))
	q.RequireStart()
	for _, e := range q.Pool.Executions() {
		if strings.HasPrefix(e.Worker, "queue/") && e.Replica == 0 {
			q.workers = append(q.workers, e.Worker)
		}
	}
	if len(q.workers) == 0 {
		tb.Fatalf("queuetest: there is no handler: give New the handlers under test, such as queue.ProvideHandler[Greeting](NewGreeter)")
		return q
	}
	tb.Cleanup(q.tellFailure)
	if err := q.rest(context.Background()); err != nil {
		tb.Fatalf("queuetest: %v", err)
	}
	return q
}

// RequireStart starts the app, which New has done. It returns the queue.
func (q *Queue) RequireStart() *Queue {
	q.tb.Helper()
	q.App.RequireStart()
	return q
}

// Enqueue enqueues a job: see [queue.Client.Enqueue]. It is not worked before [Queue.WorkAll]. The test fails if the job
// cannot be enqueued.
func (q *Queue) Enqueue(args queue.Args, opts ...queue.EnqueueOption) queue.Enqueued {
	q.tb.Helper()
	added, err := q.Client.Enqueue(context.Background(), args, opts...)
	if err != nil {
		q.tb.Fatalf("queuetest: %v", err)
	}
	return added
}

// Job returns the report on a job. The test fails if there is no such job.
func (q *Queue) Job(id int64) queue.JobInfo {
	q.tb.Helper()
	job, err := q.Client.Job(context.Background(), id)
	if err != nil {
		q.tb.Fatalf("queuetest: %v", err)
	}
	return job
}

// Jobs returns the jobs in these states, or all jobs without a state, in the order in which they were enqueued.
func (q *Queue) Jobs(states ...queue.State) []queue.JobInfo {
	q.tb.Helper()
	jobs, err := q.jobs(states)
	if err != nil {
		q.tb.Fatalf("queuetest: %v", err)
	}
	return jobs
}

func (q *Queue) jobs(states []queue.State) (jobs []queue.JobInfo, err error) {
	filter := queue.JobFilter{States: states}
	for {
		page, err := q.Client.Jobs(context.Background(), filter)
		if err != nil || len(page) == 0 {
			return jobs, err
		}
		jobs = append(jobs, page...)
		filter.AfterID = page[len(page)-1].ID
	}
}

// tellFailure logs the jobs if the test has failed.
func (q *Queue) tellFailure() {
	if t, ok := q.tb.(interface{ Failed() bool }); ok && t.Failed() {
		q.tb.Logf("the jobs when the test failed:%s", q.list())
	}
}

// list writes a job a line.
func (q *Queue) list() string {
	jobs, err := q.jobs(nil)
	switch {
	case err != nil:
		return " " + err.Error()
	case len(jobs) == 0:
		return " none"
	}
	var b strings.Builder
	for _, j := range jobs {
		fmt.Fprintf(&b, "\n  job %d %s %s: %s, attempt %d of %d", j.ID, j.Kind, j.RawArgs, j.State, j.Attempt, j.MaxAttempts)
		if len(j.Errors) > 0 {
			fmt.Fprintf(&b, ", last error: %s", j.Errors[len(j.Errors)-1].Error)
		}
	}
	return b.String()
}
