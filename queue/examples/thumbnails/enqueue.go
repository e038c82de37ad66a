package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rs/zerolog"
	"go.uber.org/fx"

	"github.com/workerfx/workerfx/queue"
)

// batchSize is how many jobs are enqueued in one transaction. Workers begin with the first batch while the search goes
// on.
const batchSize = 500

// extensions are the file name extensions of images.
var extensions = []string{".jpg", ".jpeg", ".png", ".gif"}

// withClient calls do with a client of the jobs' database, in an app that works no jobs.
func withClient(ctx context.Context, c config, log zerolog.Logger, do func(*queue.Client) error) (err error) {
	var client *queue.Client
	app := fx.New(fx.NopLogger, fx.Supply(log), queue.Module(c.database()), fx.Populate(&client))
	starting, cancel := context.WithTimeout(ctx, app.StartTimeout())
	defer cancel()
	if err := app.Start(starting); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, app.Stop(context.WithoutCancel(ctx))) }()
	return do(client)
}

// enqueue enqueues a job for each image in a directory tree whose thumbnail is missing or old.
func enqueue(ctx context.Context, c config, log zerolog.Logger, stdout io.Writer) error {
	dir, dirErr := filepath.Abs(c.dir)
	out, outErr := filepath.Abs(c.out)
	if err := errors.Join(dirErr, outErr); err != nil {
		return err
	}
	if err := os.MkdirAll(out, 0o750); err != nil { // an error here is better than one of each job
		return err
	}
	return withClient(ctx, c, log, func(client *queue.Client) error {
		s := &search{client: client, dir: dir, out: out, size: c.size, log: log}
		err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
			return cmp.Or(ctx.Err(), s.visit(ctx, path, entry, err))
		})
		if err == nil {
			err = s.flush(ctx)
		}
		_, _ = fmt.Fprintf(stdout, "%d images: %d enqueued, %d were enqueued before, %d have their thumbnail\n",
			s.found, s.enqueued, s.duplicates, s.upToDate)
		return err
	})
}

// search looks for images.
type search struct {
	client   *queue.Client
	dir, out string
	size     int
	log      zerolog.Logger

	batch                                 []queue.Entry
	found, enqueued, duplicates, upToDate int
}

// visit looks at a file or directory. If it cannot read it, it logs the path and goes on. For the root, it fails.
func (s *search) visit(ctx context.Context, path string, entry fs.DirEntry, err error) error {
	switch {
	case err != nil && path == s.dir:
		return err
	case err != nil:
		s.log.Warn().Err(err).Msg("skipped")
		return nil
	case entry.IsDir() && path == s.out:
		return fs.SkipDir // thumbnails of thumbnails
	case !entry.Type().IsRegular() || !slices.Contains(extensions, strings.ToLower(filepath.Ext(path))):
		return nil
	}
	s.found++
	below, err := filepath.Rel(s.dir, path)
	if err != nil {
		return err
	}
	job := Thumbnail{Source: path, Target: filepath.Join(s.out, below+".jpg"), Size: s.size}
	if isUpToDate(job) {
		s.upToDate++
		return nil
	}
	// Unique: a job that still waits is not enqueued again.
	s.batch = append(s.batch, queue.NewEntry(job, queue.Queue(queueName), queue.MaxAttempts(maxAttempts), queue.Unique()))
	if len(s.batch) < batchSize {
		return nil
	}
	return s.flush(ctx)
}

// isUpToDate tells whether there is a thumbnail of the image as it is now.
func isUpToDate(job Thumbnail) bool {
	source, err := os.Stat(job.Source)
	if err != nil {
		return false // the worker of the job says why
	}
	target, err := os.Stat(job.Target)
	return err == nil && target.ModTime().Equal(source.ModTime())
}

// flush enqueues the batch.
func (s *search) flush(ctx context.Context) error {
	added, err := s.client.EnqueueBatch(ctx, s.batch...)
	s.batch = s.batch[:0]
	for _, job := range added {
		if job.Duplicate {
			s.duplicates++
		} else {
			s.enqueued++
		}
	}
	return err
}
