package main

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/workerfx/workerfx"
)

// operators is how many give commands side by side: some commands take a while.
const operators = 64

// operator is a worker that gives commands to others, at random. All its replicas share it.
type operator struct {
	*soak

	dice    *dice
	targets []*target // not changed once the app is made
	given   atomic.Int64
	refused faults // commands that should have been carried out
}

// target is a worker that takes commands.
type target struct {
	name      string
	worker    workerfx.Worker
	most      int // replicas
	commands  []command
	replacing *sync.Mutex // held while it is being replaced, by all that must not be meanwhile
	upset     func()      // called when a command has been given to it; nil = nobody wants to know
}

// command is something that the operator may ask of a worker.
type command func(ctx context.Context, o *operator, t *target) error

func newOperator(s *soak) *operator {
	s.tracker.of("operator").most.Store(operators)
	return &operator{soak: s, dice: newDice(s.config.seed, "operator")}
}

// Name names the worker.
func (*operator) Name() string { return "operator" }

// Run gives commands until it is stopped, from when the app is up.
func (o *operator) Run(ctx context.Context) error {
	select {
	case <-o.up:
	case <-ctx.Done():
	}
	each := operators / o.config.commands * float64(time.Second)
	for ctx.Err() == nil && len(o.targets) > 0 {
		next := time.Now().Add(time.Duration(each * float64(o.dice.below(2001)) / 1000))
		t := o.targets[o.dice.below(len(o.targets))]
		o.note(ctx, o.give(ctx, t, t.commands[o.dice.below(len(t.commands))]))
		o.given.Add(1)
		workerfx.Wait(ctx, time.Until(next))
	}
	return ctx.Err()
}

// give gives a command, and lets those know for whom it is an excuse.
func (o *operator) give(ctx context.Context, t *target, command command) error {
	counts := o.tracker.of(t.name)
	counts.commanded.Add(1)
	counts.commands.Add(1)
	defer counts.commands.Add(-1)
	if t.upset != nil {
		defer t.upset()
	}
	return command(ctx, o, t)
}

// note notes that a command was not carried out, unless that is as it should be: the worker is just being
// replaced, or the pool stops.
func (o *operator) note(ctx context.Context, err error) {
	if err == nil || ctx.Err() != nil || errors.Is(err, workerfx.ErrUnknownWorker) || errors.Is(err, workerfx.ErrPoolStopped) {
		return
	}
	o.refused.addf("%v", err)
}

// pause pauses a worker for a moment.
func pause(ctx context.Context, o *operator, t *target) error {
	if err := o.pool.Pause(t.name); err != nil {
		return err
	}
	workerfx.Wait(ctx, o.dice.between(0, 500*time.Millisecond))
	return o.pool.Resume(t.name)
}

func restart(_ context.Context, o *operator, t *target) error { return o.pool.Restart(t.name) }

// trigger ends a worker's wait. That there is none is no fault.
func trigger(_ context.Context, o *operator, t *target) error {
	_ = o.pool.Trigger(t.name)
	return nil
}

func scale(_ context.Context, o *operator, t *target) error {
	return o.pool.Scale(t.name, 1+o.dice.below(t.most))
}

// replace removes a worker and adds it again, unless that is under way.
func replace(ctx context.Context, o *operator, t *target) error {
	if !t.replacing.TryLock() {
		return nil
	}
	defer t.replacing.Unlock()
	if err := o.pool.Remove(ctx, t.name); err != nil {
		return err
	}
	o.tracker.startAnew(t.name)
	workerfx.Wait(ctx, o.dice.between(0, 500*time.Millisecond))
	return o.pool.Add(t.worker, workerfx.WithName(t.name))
}
