// Package idle lets middleware tell the run around it that it waits. It knows nothing of workers.
package idle

import "context"

// Run is a run that is told.
type Run interface {
	// Idle notes that a goroutine of the run waits, until resume is called: no heartbeat is expected of it. finish is closed
	// when the run has to finish.
	Idle() (finish <-chan struct{}, resume func())
}

// Key is the key of the Run in a context.
type Key struct{}

// Begin tells the run that ctx belongs to that the caller waits, until resume is called. Outside of a run, finish is nil.
func Begin(ctx context.Context) (finish <-chan struct{}, resume func()) {
	if run, ok := ctx.Value(Key{}).(Run); ok {
		return run.Idle()
	}
	return nil, func() {}
}
