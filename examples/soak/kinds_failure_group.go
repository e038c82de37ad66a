package main

import (
	"context"
	"fmt"
	"time"

	"github.com/workerfx/workerfx"
)

// sharing are the options of a group whose workers share their failures.
func sharing(strategy workerfx.Strategy) []workerfx.Option {
	return []workerfx.Option{workerfx.WithStrategy(strategy)}
}

// newFailureGroup makes the workers of a group, which fail at random.
func newFailureGroup(strategy workerfx.Strategy) func(u *unit) []post {
	const size = 4
	return func(u *unit) (posts []post) {
		s := &failureGroup{strategy: strategy, all: &u.failureGroups}
		for i := range size {
			role := fmt.Sprintf("/%d", i)
			m := &member{failureGroup: s, index: i, name: u.name + role, counts: u.tracker.of(u.name + role)}
			s.members = append(s.members, m)
			u.failureGroups.addTarget(m.name)
			run := func(ctx context.Context) error { return u.runMember(ctx, m) }
			posts = append(posts, post{role: role, run: run, options: restless()})
		}
		return posts
	}
}

// runMember lasts until it fails or is stopped, for which it takes a while.
func (u *unit) runMember(ctx context.Context, m *member) error {
	m.begin()
	failed := true
	defer func() { m.end(failed) }()
	for ctx.Err() == nil {
		if err := u.mishap(ctx, u.dice, 20); err != nil {
			return err
		}
		workerfx.Wait(ctx, u.between(100*time.Millisecond, time.Second))
	}
	failed = false
	if !u.stopping.Load() && !m.counts.isCommanded() {
		m.wasStopped()
	}
	time.Sleep(u.between(0, 100*time.Millisecond))
	return ctx.Err()
}
