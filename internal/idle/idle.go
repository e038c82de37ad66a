// Package idle lets middleware tell the run around it that it waits. It knows nothing of workers.
package idle

import (
	"context"
	"time"
)

// Run is a run that is told.
type Run interface {
	// Idle notes that a goroutine of the run waits, until resume is called: no heartbeat is expected of it. finish is closed
	// when the run has to finish.
	Idle() (finish <-chan struct{}, resume func())
}

// Key is the key of the Run in a context.
type Key struct{}

// Wait waits for d, without heartbeats. It ends early when ctx ends, and when the run that ctx belongs to has to finish.
func Wait(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	finish, resume := Begin(ctx)
	defer resume()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-finish:
	case <-ctx.Done():
	}
}

// Begin tells the run that ctx belongs to that the caller waits, until resume is called. Outside of a run, finish is nil.
func Begin(ctx context.Context) (finish <-chan struct{}, resume func()) {
	if run, ok := ctx.Value(Key{}).(Run); ok {
		return run.Idle()
	}
	return nil, func() {}
}
