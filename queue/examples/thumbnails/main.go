// Thumbnails makes small pictures of large ones, with as many processes as one likes. What is to be made is in a
// durable queue, in a file or in PostgreSQL, whichever -db says:
//
//	thumbnails enqueue -dir ~/pictures             # a job for each image that has no thumbnail yet; Go brings some
//	                                               # images along, below "$(go env GOROOT)/src"
//	thumbnails work -drain                         # make them, and end; without -drain, wait for more
//	thumbnails status                              # how many wait, are done, were given up, and why
//	thumbnails status -requeue                     # try those that were given up once more
//
//	thumbnails work -db postgres://user@host/jobs  # each command takes -db
//
// Any number of workers may run side by side: with a file on one machine, with PostgreSQL on many that see the same
// pictures. A worker may be ended at any time, in any way. One that is told to (Ctrl-C, SIGTERM) finishes the
// thumbnails that it is at; those of one that was killed are made by the others, a second or two later.
//
// That a job may run twice does no harm: a thumbnail appears under its name only when it is complete, in one step,
// and making it again makes the same one. It has the modification time of its image, which is how enqueue knows that
// it is up to date. Images are JPEG, PNG and GIF, of which the first frame counts; an orientation in EXIF data does not.
//
// The exit code is 0 if all went well, which includes a worker that was told to stop, 1 if not, and 2 for bad flags.
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

// The exit codes beside 0.
const (
	exitFailure = 1
	exitUsage   = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the second signal ends the program at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the program until ctx ends: it returns the exit code. What was asked for goes to stdout, all else to stderr.
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

// newLogger returns a logger for people to read. What a job is about tells more than the ID of its queue's run.
func newLogger(w io.Writer, verbose bool) zerolog.Logger {
	level := zerolog.InfoLevel
	if verbose {
		level = zerolog.DebugLevel
	}
	console := zerolog.ConsoleWriter{Out: zerolog.SyncWriter(w), NoColor: true, TimeFormat: time.TimeOnly}
	return zerolog.New(console).Level(level).With().Timestamp().Logger()
}
