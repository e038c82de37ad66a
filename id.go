package workerfx

import (
	"time"

	"github.com/rs/xid"
)

// newID makes an execution ID.
func (p *Pool) newID(now time.Time) string {
	if p.generateID == nil || p.generatorBroken.Load() {
		return xid.NewWithTime(now).String()
	}
	return p.customID(now)
}

// customID asks the user's generator. One that panics, ends the goroutine or returns no ID is not asked again.
func (p *Pool) customID(now time.Time) (id string) {
	answered := false
	defer func() {
		if answered {
			return
		}
		p.generatorBroken.Store(true)
		id = xid.NewWithTime(now).String()
		p.journal.brokenGenerator(recover())
	}()
	id = cut(p.generateID(), maxName)
	answered = id != ""
	return id
}
