package workerfx

import (
	"sync"
	"sync/atomic"
	"time"
)

// ties are what a run has beside its context. Few runs have any.
type ties struct {
	mu       sync.Mutex // guards the fields below
	over     bool       // the run has ended: no child may join
	children map[string]*member

	drain   chan struct{} // closed when the run is to finish, or over; nil if nobody waits for it
	told    bool          // drain is closed
	drained atomic.Bool   // the run was asked to finish; may be read without mu
	heeded  bool          // the run's body handles jobs, and ends between two of them when it is drained
	watched bool          // the worker asked for Draining
	cut     *time.Timer   // ends the context of a run that was given time to finish; nil if none was
	cutAt   time.Time     // when it does

	ready   atomic.Bool  // the run said that it is
	standby atomic.Int32 // how many in it wait for their turn to work

	hands   hands // what the body's attempts share; nil if it handles no items
	waiting int   // items in the body's hand when the run ended
}

// noTies are those of all runs that ended without any. Their channel is made
// here, and not by the first who asks: one that was made in a synctest bubble is of no use elsewhere.
var noTies = &ties{over: true, drain: closed(), told: true}

func closed() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

// tied returns the run's ties, and makes them if need be.
func (c *runContext) tied() *ties {
	if t := c.ties.Load(); t != nil {
		return t
	}
	c.ties.CompareAndSwap(nil, new(ties))
	return c.ties.Load()
}
