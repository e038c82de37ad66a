package main

import (
	"context"
	"time"

	"github.com/workerfx/workerfx"
)

// quick is the backoff of workers that fail often.
var quick = workerfx.ExponentialBackoff{Initial: 20 * time.Millisecond, Max: 2 * time.Second, Jitter: 0.5}

// newFlaky makes a worker each run of which fails, unless it is stopped before.
func newFlaky(u *unit) []post {
	options := restless(workerfx.WithHealthyAfter(1500 * time.Millisecond))
	switch u.below(3) {
	case 0:
		options = append(options, workerfx.WithDeferredStart(u.between(0, 3*time.Second)))
	case 1:
		options = append(options, workerfx.WithRunTimeout(u.between(500*time.Millisecond, 3*time.Second)))
	}
	return alone(func(ctx context.Context) error {
		workerfx.Wait(ctx, u.between(50*time.Millisecond, 3*time.Second))
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return u.mishap(ctx, u.dice, 1)
	}, options...)
}

// newErrand makes a worker that is soon done, one way or another. Only the operator makes it run again.
func newErrand(u *unit) []post {
	return alone(func(ctx context.Context) error {
		workerfx.Wait(ctx, u.between(0, time.Second))
		if u.oneIn(2) {
			return workerfx.ErrDoNotRestart
		}
		return u.mishap(ctx, u.dice, 2)
	})
}

// newLoop makes a worker that does the same again and again.
func newLoop(u *unit) []post {
	run := workerfx.Loop(func(ctx context.Context) error {
		workerfx.Wait(ctx, u.between(50*time.Millisecond, 500*time.Millisecond))
		return u.mishap(ctx, u.dice, 50)
	})
	return []post{{run: run, most: 2, options: restless(workerfx.WithReplicas(1 + u.below(2)))}}
}

// newSlow makes a worker that takes its time to stop, whoever asks it to.
func newSlow(u *unit) []post {
	return alone(func(ctx context.Context) error {
		<-ctx.Done()
		time.Sleep(u.between(0, time.Second))
		return ctx.Err()
	}, workerfx.WithStopTimeout(10*time.Second))
}
