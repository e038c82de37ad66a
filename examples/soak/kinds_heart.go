package main

import (
	"context"
	"errors"
	"time"

	"github.com/workerfx/workerfx"
)

// heartbeat is how often a heart has to give a sign of life.
const heartbeat = 2 * time.Second

// newHeart makes a worker that gives signs of life, and now and then hangs until it is ended.
func newHeart(u *unit) []post {
	u.hangs.watch(u.name)
	return alone(u.beat, restless(workerfx.WithHeartbeat(heartbeat, workerfx.RestartStuck))...)
}

func (u *unit) beat(ctx context.Context) error {
	u.hangs.begin(u.name)
	var p pulse
	p.beat(func() { workerfx.Heartbeat(ctx) })
	defer func() { u.account(ctx, &p) }() // whichever way it ends
	odds := max(100, u.config.workers/2)  // one hang every few seconds: to tell of it takes a look at all stacks
	for ctx.Err() == nil {
		if u.oneIn(odds) {
			<-ctx.Done()
			break
		}
		if err := u.mishap(ctx, u.dice, 100); err != nil {
			return err
		}
		workerfx.Wait(ctx, u.between(50*time.Millisecond, 300*time.Millisecond))
		p.beat(func() { workerfx.Heartbeat(ctx) })
	}
	return ctx.Err()
}

// account records whether a run, which is over, hung.
func (u *unit) account(ctx context.Context, p *pulse) {
	id, silence := workerfx.CtxExecutionID(ctx), p.silence()
	if lately := u.hangs.halts.ran(p.last, time.Now()); lately > heartbeat+slowRelief {
		u.hangs.unrelieved.addf("%s: run %s was silent for %v", u.name, id, lately)
	}
	switch hung := errors.Is(context.Cause(ctx), workerfx.ErrStuck); {
	case hung:
		// Or its first sign of life came late: its time had begun when the pool's had.
		if silence < heartbeat && p.first.Sub(u.startedAt(id)) < heartbeat {
			u.hangs.mistold.addf("%s: run %s was ended for a hang, and never was silent for more than %v", u.name, id, silence)
		}
		u.hangs.hung(u.name, id)
	case silence >= heartbeat/2: // with room for what happens until the pool sees the end
		u.hangs.mayHaveHung(u.name, id)
	}
}
