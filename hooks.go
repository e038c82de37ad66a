package workerfx

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/rs/xid"

	"github.com/workerfx/workerfx/internal/lifecycle"
	"github.com/workerfx/workerfx/internal/text"
)

// hook is a set of the user's code that a replica asks between its runs.
type hook uint8

const (
	hookBackoff hook = 1 << iota
	hookSchedule
)

// callHook calls the user's code, unless it has misbehaved. It is not ok if the code panics, or has ended the goroutine when it
// was asked last.
func (r *replica) callHook(h hook, name string, call func()) (ok bool) {
	if r.asked&h != 0 {
		r.asked &^= h
		r.broken |= h
		r.pool.log.brokenHook(r, name, nil)
	}
	if r.broken&h != 0 {
		return false
	}
	r.asked |= h
	defer func() {
		if !ok {
			if value := recover(); value != nil {
				r.asked &^= h
				r.broken |= h
				r.pool.log.brokenHook(r, name, value)
			}
		}
	}()
	call()
	r.asked &^= h
	return true
}

// askBackoff asks the worker's backoff how long to wait after so many failures in a row. The default backoff stands in
// for a broken one.
func (r *replica) askBackoff(failures int) (pause time.Duration) {
	ok := r.callHook(hookBackoff, "backoff", func() {
		if pause = r.backoff.Duration(failures); pause < 0 {
			panic(fmt.Sprintf("returned %v", pause))
		}
	})
	if !ok {
		return ExponentialBackoff{}.Duration(failures)
	}
	return pause
}

// askSchedule asks the worker's schedule for its next tick, which is zero if there is none. A broken schedule is an error.
func (r *replica) askSchedule(q lifecycle.Question) (tick lifecycle.Tick, err error) {
	if !r.callHook(hookSchedule, "schedule", func() { tick = nextTick(r.schedule, r.jitter, q) }) {
		return lifecycle.Tick{}, errBrokenSchedule
	}
	return tick, nil
}

var errBrokenSchedule = errors.New("schedule is broken")

// idGenerator makes execution IDs.
type idGenerator struct {
	custom func() string // the user's; nil: xid
	broken atomic.Bool   // it misbehaved: xid stands in for it
}

func (g *idGenerator) next(p *Pool, now time.Time) string {
	if g.custom == nil || g.broken.Load() {
		return xid.NewWithTime(now).String()
	}
	return g.ask(p, now)
}

// ask asks the user's generator. One that panics, ends the goroutine or returns no ID is not asked again.
func (g *idGenerator) ask(p *Pool, now time.Time) (id string) {
	answered := false
	defer func() {
		if answered {
			return
		}
		g.broken.Store(true)
		id = xid.NewWithTime(now).String()
		p.log.brokenGenerator(recover())
	}()
	id = text.Cut(g.custom(), text.MaxName)
	answered = id != ""
	return id
}
