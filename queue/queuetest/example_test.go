//go:build !nosqlite

package queuetest_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx/queue"
	"github.com/workerfx/workerfx/queue/queuetest"
)

// Greeting is what a job is about.
type Greeting struct {
	Name string `json:"name"`
}

// Kind names such jobs in the database.
func (Greeting) Kind() string { return "greeting" }

// Greeter does the jobs. At the first attempt the line is busy.
type Greeter struct{}

// NewGreeter makes the handler of greetings.
func NewGreeter() *Greeter { return &Greeter{} }

// Handle does one job.
func (*Greeter) Handle(_ context.Context, job *queue.Job[Greeting]) error {
	switch {
	case job.Args.Name == "":
		return queue.Discard(errors.New("there is no name"))
	case job.Attempt == 1:
		return errors.New("the line is busy")
	}
	return nil
}

// TestGreeterTriesAgain is the example of the package's comment.
func TestGreeterTriesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // where an hour takes no time
		q := queuetest.New(t, queue.ProvideHandler[Greeting](NewGreeter))
		job := q.Enqueue(Greeting{Name: "Ada"})

		q.WorkAll()
		require.Equal(t, "the line is busy", q.Job(job.ID).Errors[0].Error)

		time.Sleep(time.Hour) // longer than the backoff
		q.WorkAll()
		require.Equal(t, queue.StateCompleted, q.Job(job.ID).State)
	})
}

func TestGreetingWithoutANameIsADeadLetter(t *testing.T) {
	q := queuetest.New(t, queue.ProvideHandler[Greeting](NewGreeter))
	job := q.Enqueue(Greeting{})
	q.WorkAll()
	require.Equal(t, queue.StateCancelled, q.Job(job.ID).State)
	require.Equal(t, "there is no name", q.Job(job.ID).Errors[0].Error)
}
