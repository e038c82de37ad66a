package main

import (
	"context"
	"fmt"
	"time"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/queue"
)

// queueName is the queue of the jobs. It is one of their own, so that processes without a handler for them, of another
// program with the same database, do not get them.
const queueName = "thumbnails"

// maxAttempts is how often a thumbnail is tried. One that is broken for good is given up at once, see load.
const maxAttempts = 5

// Thumbnail is what a job is about. Paths are absolute: workers may have been started anywhere.
type Thumbnail struct {
	Source string `json:"source"`
	Target string `json:"target"`
	Size   int    `json:"size"`
}

// Kind is the jobs' name in the database.
func (Thumbnail) Kind() string { return "thumbnail" }

// Maker makes thumbnails. It is a queue.Handler.
type Maker struct{}

// NewMaker returns a maker. It could take whatever the app provides.
func NewMaker() *Maker { return &Maker{} }

// Handle makes a thumbnail. It may be called again for one that is there, and at the same time in a process that was
// taken for dead: each attempt writes into a file of its own, and gives it its name when it is complete.
func (*Maker) Handle(ctx context.Context, job *queue.Job[Thumbnail]) error {
	began, args := time.Now(), job.Args
	source, modified, err := load(args.Source)
	if err != nil {
		return err
	}
	if ctx.Err() != nil { // the worker stops and has no more time
		return ctx.Err()
	}
	small := shrink(source, args.Size)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err := write(args.Target, tempName(job.JobInfo), small, modified); err != nil {
		return fmt.Errorf("write the thumbnail of %s: %w", args.Source, err) // the disk may be full: try again
	}
	removeLeftovers(args.Target, job.JobInfo)
	workerfx.CtxLogger(ctx).Info().Str("image", args.Source).Stringer("size", small.Rect.Size()).
		Dur("ms", time.Since(began)).Msg("thumbnail made")
	return nil
}
