// Thumbnails makes small pictures of large ones, with any number of processes. The jobs are in a durable queue, in a
// file or in PostgreSQL. The flag -db says which:
//
//	thumbnails enqueue -dir ~/pictures             # a job for each image that has no thumbnail yet; there are
//	                                               # some images in "$(go env GOROOT)/src"
//	thumbnails work -drain                         # make the thumbnails, and end; without -drain, wait for more
//	thumbnails status                              # how many jobs wait, are done and were given up, and why
//	thumbnails status -requeue                     # try the jobs that were given up once more
//
//	thumbnails work -db postgres://user@host/jobs  # each command takes -db
//
// Any number of workers may run side by side: with a file on one machine, with PostgreSQL on many machines that share
// the pictures. A worker may end at any time. After Ctrl-C or SIGTERM, it finishes its current thumbnails. If it is
// killed, other workers make its thumbnails a second or two later.
//
// A job may run twice, which does no harm. A thumbnail gets its name in one step, when it is complete. Each run makes
// the same thumbnail. It has the modification time of its image, so enqueue knows that it is up to date. Images are
// JPEG, PNG and GIF (the first frame). An orientation in EXIF data is ignored.
//
// The exit code is 0 if all went well or a worker was told to stop. It is 1 after an error, and 2 for bad flags.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/rs/zerolog"
)

// The exit codes of failures.
const (
	exitFailure = 1
	exitUsage   = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the second signal ends the program at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run runs the program until ctx ends, and returns the exit code. Results go to stdout, logs and errors to stderr.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	c, err := parseFlags(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return exitUsage
	}
	log := newLogger(stderr, c.verbose)
	switch c.command {
	case "enqueue":
		err = enqueue(ctx, c, log, stdout)
	case "work":
		err = work(ctx, c, log)
	case "status":
		err = status(ctx, c, log, stdout)
	}
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "thumbnails %s: %v\n", c.command, err)
		return exitFailure
	}
	return 0
}

// newLogger returns a logger for people to read.
func newLogger(w io.Writer, verbose bool) zerolog.Logger {
	level := zerolog.InfoLevel
	if verbose {
		level = zerolog.DebugLevel
	}
	console := zerolog.ConsoleWriter{Out: zerolog.SyncWriter(w), NoColor: true, TimeFormat: time.TimeOnly}
	return zerolog.New(console).Level(level).With().Timestamp().Logger()
}
