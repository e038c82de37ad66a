package queue

import (
	"context"
	"errors"
	"time"

	"github.com/workerfx/workerfx"
)

// This file is the seam to what workerfx will offer to bodies that bring their own engine along: the two
// steps of a stop, and the count of jobs.

// steps are the two steps in which a run is asked to end.
type steps struct {
	finish <-chan struct{} // closed when it should finish what it is at, and begin nothing new
	hard   context.Context //nolint:containedctx // ends when there is no more time for that
	end    func()          // frees what they took; called once, at the end of the run
}

// grace is the time between the two steps.
const grace = 10 * time.Second

// stepsOf returns those of a run. The body of a channel that never has an item ends when it should finish.
func stepsOf(ctx context.Context) steps {
	hard, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	finish, over := make(chan struct{}), make(chan struct{})
	never := make(chan struct{})
	go func() {
		defer close(over)
		_ = workerfx.FromChannel(never, func(context.Context, struct{}) error { return nil })(ctx)
		close(finish)
		timer := time.NewTimer(grace)
		defer timer.Stop()
		select {
		case <-timer.C:
			cancel(workerfx.ErrStopping)
		case <-hard.Done():
		}
	}()
	return steps{finish: finish, hard: hard, end: func() {
		cancel(context.Canceled)
		select {
		case <-finish:
		default:
			close(never)
		}
		<-over
	}}
}

var errJobFailed = errors.New("job failed")

// countJob counts a job of the run that ctx belongs to.
func countJob(ctx context.Context, ok bool) {
	_ = workerfx.Loop(func(context.Context) error {
		if ok {
			return workerfx.ErrDoNotRestart // alone it says that all is well, and ends the loop
		}
		return errJobFailed
	})(ctx)
}
