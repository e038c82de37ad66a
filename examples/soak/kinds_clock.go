package main

import (
	"context"
	"time"

	"github.com/workerfx/workerfx"
)

// newInterval makes a worker on an interval that nobody meddles with, so that its ticks can be counted. Now
// and then a run is longer than the interval, and ticks are missed.
func newInterval(u *unit) []post {
	every := u.between(time.Second, 5*time.Second)
	u.steady[u.name] = every
	return alone(func(ctx context.Context) error {
		took := u.between(0, 20*time.Millisecond)
		if u.oneIn(50) {
			took = every * 3 / 2
		}
		workerfx.Wait(ctx, took)
		return ctx.Err()
	}, workerfx.WithInterval(every))
}

// newCron makes a worker that nobody meddles with and that runs each second.
func newCron(u *unit) []post {
	u.steady[u.name] = time.Second
	return alone(func(ctx context.Context) error {
		workerfx.Wait(ctx, u.between(0, 20*time.Millisecond))
		return ctx.Err()
	}, workerfx.WithCron("* * * * * *"))
}

// newClockwork makes a worker on an interval that has all that may befall one: jitter, failed ticks that are
// tried again, skipped ones, and the operator.
func newClockwork(u *unit) []post {
	return alone(func(ctx context.Context) error {
		if u.oneIn(20) {
			return workerfx.ErrSkip
		}
		workerfx.Wait(ctx, u.between(0, 100*time.Millisecond))
		return u.mishap(ctx, u.dice, 10)
	},
		workerfx.WithInterval(u.between(200*time.Millisecond, 3*time.Second)),
		workerfx.WithStartImmediately(),
		workerfx.WithJitter(0.2),
		workerfx.WithMaxAttempts(3),
		workerfx.WithBackoff(workerfx.StaticBackoff{Sleep: 50 * time.Millisecond}),
	)
}
