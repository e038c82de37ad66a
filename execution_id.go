package workerfx

import (
	"sync/atomic"
	"time"

	"github.com/rs/xid"

	"github.com/workerfx/workerfx/internal/text"
)

// idGenerator makes execution IDs.
type idGenerator struct {
	custom func() string // the user's; nil: xid
	broken atomic.Bool   // custom misbehaved: use xid
}

// isBuiltIn tells whether IDs come from the library, so that they may be made with the pool's lock held.
func (g *idGenerator) isBuiltIn() bool { return g.custom == nil }

func (g *idGenerator) next(p *Pool, now time.Time) string {
	if g.custom == nil || g.broken.Load() {
		return xid.NewWithTime(now).String()
	}
	return g.ask(p, now)
}

// ask calls the user's generator. If it panics, ends the goroutine or returns no ID, it is not called again.
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
