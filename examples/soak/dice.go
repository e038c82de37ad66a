package main

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"runtime"
	"sync"
	"time"

	"github.com/workerfx/workerfx"
)

// dice are a source of chances, the same sequence for the same seed and name.
type dice struct {
	mu     sync.Mutex // guards random: replicas share it
	random *rand.Rand
}

func newDice(seed uint64, name string) *dice {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name))
	return &dice{random: rand.New(rand.NewPCG(seed, h.Sum64()))}
}

// below is one of 0 to n-1.
func (d *dice) below(n int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.random.IntN(n)
}

// oneIn is true once in n times, about.
func (d *dice) oneIn(n int) bool { return d.below(n) == 0 }

// between is a time from least to most, in milliseconds.
func (d *dice) between(least, most time.Duration) time.Duration {
	return least + time.Duration(d.below(int((most-least)/time.Millisecond)+1))*time.Millisecond
}

var errMishap = errors.New("mishap")

// mishap fails once in n times, about: with an error, a panic or by ending the goroutine.
func (s *soak) mishap(ctx context.Context, d *dice, n int) error {
	if s.calm.Load() || !d.oneIn(n) {
		return nil
	}
	switch d.below(10) {
	case 0:
		runtime.Goexit()
	case 1, 2:
		s.tracker.of(workerfx.CtxWorkerName(ctx)).panics.Add(1)
		panic(fmt.Sprintf("%s: %v", workerfx.CtxWorkerName(ctx), errMishap))
	}
	return errMishap
}
