package fxtest

import (
	"os"
	"os/signal"
	"time"
)

// The first call of signal.Notify in a process starts goroutines that never end. An app's Done and Wait call
// it, and inside a synctest bubble those goroutines would mix up with the bubble's: the runtime kills the
// process. So they are started here, before there is a bubble.
func init() { //nolint:gochecknoinits // it must come before any test
	c := make(chan os.Signal, 1)
	signal.Notify(c, os.Interrupt)
	signal.Stop(c)
}

// inBubble tells whether the caller is in a synctest bubble, whose clock starts in the year 2000. It may
// err once decades of fake time have passed.
func inBubble() bool { return time.Now().Year() < 2020 }
