package main

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/workerfx/workerfx"
)

// family is a worker with children that come and go.
type family struct {
	*unit

	children atomic.Int64 // that run now
}

func newFamily(u *unit) []post {
	f := &family{unit: u}
	return alone(f.run, restless()...)
}

// run starts and stops children until something goes wrong.
func (f *family) run(ctx context.Context) error {
	if n := f.children.Load(); n != 0 {
		f.outlived.addf("%s: %d children of an earlier run still run", f.name, n)
	}
	for ctx.Err() == nil {
		f.operator.note(ctx, f.raise(ctx, fmt.Sprintf("child-%d", f.below(3))))
		if err := f.mishap(ctx, f.dice, 50); err != nil {
			return err
		}
		workerfx.Wait(ctx, f.between(100*time.Millisecond, time.Second))
	}
	return ctx.Err()
}

// raise starts a child, also when a child of that name exists, or stops an existing one.
func (f *family) raise(ctx context.Context, name string) error {
	if slices.Contains(workerfx.Children(ctx), name) && f.oneIn(2) {
		return workerfx.RemoveChild(ctx, name)
	}
	return workerfx.AddChild(ctx, workerfx.NewWorker(name, f.child, restless()...))
}

// child lives until it is stopped, but for a mishap.
func (f *family) child(ctx context.Context) error {
	f.children.Add(1)
	defer f.children.Add(-1)
	workerfx.Wait(ctx, f.between(100*time.Millisecond, 2*time.Second))
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return f.mishap(ctx, f.dice, 1)
}
