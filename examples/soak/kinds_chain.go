package main

import (
	"context"
	"sync"
	"time"

	"github.com/workerfx/workerfx"
)

// newChain makes workers that begin one after the other, each once those before it are ready, and stop the other
// way round. They fail now and then, once the app is up, which waits for them.
func newChain(u *unit) []post {
	head, middle, tail := u.newRank(""), u.newRank("-middle"), u.newRank("-tail")
	follow(middle, head)
	follow(tail, head, middle)
	replacing := new(sync.Mutex) // who comes after a worker cannot be added while that one is not there
	place := func(role string, r *rank, options ...workerfx.Option) post {
		run := func(ctx context.Context) error { return u.runRank(ctx, r) }
		return post{role: role, run: run, options: restless(options...), replacing: replacing, upset: r.countAsReady}
	}
	return []post{
		place("", head, workerfx.WithReadiness()),
		place("-middle", middle, workerfx.WithReadiness(), workerfx.WithAfter(head.name)),
		place("-tail", tail, workerfx.WithAfter(head.name, middle.name)),
	}
}

func (u *unit) newRank(role string) *rank {
	r := &rank{name: u.name + role, counts: u.tracker.of(u.name + role), all: &u.precedence}
	u.ranks = append(u.ranks, r)
	return r
}

// follow notes that r comes after others.
func follow(r *rank, before ...*rank) {
	r.before = before
	for _, b := range before {
		b.after = append(b.after, r)
	}
}

// runRank takes a while to be ready, and a while to stop.
func (u *unit) runRank(ctx context.Context, r *rank) error {
	r.begin()
	defer r.end()
	workerfx.Wait(ctx, u.between(0, 300*time.Millisecond))
	if ctx.Err() == nil {
		r.countAsReady()
		workerfx.Ready(ctx)
	}
	for ctx.Err() == nil {
		if u.mayFail() {
			if err := u.mishap(ctx, u.dice, 20); err != nil {
				return err
			}
		}
		workerfx.Wait(ctx, u.between(100*time.Millisecond, time.Second))
	}
	if u.stopping.Load() {
		r.sawStop()
	}
	time.Sleep(u.between(0, 100*time.Millisecond))
	return ctx.Err()
}
