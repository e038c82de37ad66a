package main

import (
	"context"
	"fmt"
	"time"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/queue"
)

// queueName is the queue of the jobs. Other programs may use the same database, and have no handler for these jobs. With
// a queue of their own, the jobs do not go to other programs.
const queueName = "thumbnails"

// maxAttempts is how often a thumbnail is tried. A broken image is given up at once: see load.
const maxAttempts = 5

// Thumbnail has the arguments of a job. Paths are absolute, as workers may be started in other directories.
type Thumbnail struct {
	Source string `json:"source"`
	Target string `json:"target"`
	Size   int    `json:"size"`
}

// Kind names the jobs in the database.
func (Thumbnail) Kind() string { return "thumbnail" }

// Maker makes thumbnails. It is a queue.Handler.
type Maker struct{}

// NewMaker returns a maker. It could take values that the app provides.
func NewMaker() *Maker { return &Maker{} }

// Handle makes a thumbnail. It may be called again for a thumbnail that exists. It may also run at the same time in a
// process that only seemed dead. So each attempt writes a file of its own, and renames it when it is complete.
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
