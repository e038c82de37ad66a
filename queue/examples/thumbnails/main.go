// Thumbnails makes small copies of pictures: one process enqueues a job for each, others do them. The jobs are in a
// file, or in PostgreSQL: that is one flag.
//
//	thumbnails -db jobs.db enqueue ~/pictures                # a job for each PNG, JPEG and GIF below the directory
//	thumbnails -db jobs.db -out /tmp/thumbs work             # in one terminal, and in another: until Ctrl-C
//	thumbnails -db jobs.db -out /tmp/thumbs -once work       # until nothing is left to do
//	thumbnails -db postgres://localhost/jobs -out ... work   # the same, on any number of machines
//
// A picture that was enqueued and is not done yet is not enqueued again. One that cannot be read is tried three
// times, and is named in the log then.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/rs/zerolog"
	"go.uber.org/fx"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/queue"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "thumbnails:", err)
		os.Exit(1)
	}
}

// flags are those of the command line.
type flags struct {
	db, out     string
	size, slots int
	once        bool
}

// run is the program.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var f flags
	set := flag.NewFlagSet("thumbnails", flag.ContinueOnError)
	set.SetOutput(stderr)
	set.StringVar(&f.db, "db", "jobs.db", "where jobs are: a file, or postgres://...")
	set.StringVar(&f.out, "out", "thumbnails", "the directory for thumbnails")
	set.IntVar(&f.size, "size", 128, "width and height of a thumbnail at most")
	set.IntVar(&f.slots, "slots", 2, "how many pictures at a time")
	set.BoolVar(&f.once, "once", false, "end when nothing is left to do")
	if err := set.Parse(args); err != nil {
		return err
	}
	logger := zerolog.New(zerolog.ConsoleWriter{Out: zerolog.SyncWriter(stderr)}).Level(zerolog.InfoLevel).With().Timestamp().Logger()
	switch {
	case set.Arg(0) == "enqueue" && set.NArg() == 2:
		return enqueue(ctx, f, set.Arg(1), logger, stdout)
	case set.Arg(0) == "work" && set.NArg() == 1:
		return work(ctx, f, logger)
	}
	return errors.New("want the command enqueue DIRECTORY or work, after the flags")
}

// database is the one line that differs.
func (f flags) database() queue.Database {
	if strings.HasPrefix(f.db, "postgres://") {
		return queue.Postgres(f.db)
	}
	return queue.SQLite(f.db)
}

// work does jobs until ctx ends or, with -once, until there are none.
func work(ctx context.Context, f flags, logger zerolog.Logger) error {
	var client *queue.Client
	app := fx.New(fx.NopLogger, fx.Supply(logger, f),
		workerfx.Module,
		queue.Module(f.database(), queue.WithQueue(queue.DefaultQueue, f.slots)),
		queue.ProvideHandler[thumbnail](newThumbnailer, queue.WithBackoff(workerfx.StaticBackoff{})),
		fx.Populate(&client),
	)
	if err := app.Start(ctx); err != nil {
		return err
	}
	var err error
	if f.once {
		err = client.Drain(ctx)
	} else {
		<-ctx.Done()
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), app.StopTimeout())
	defer cancel()
	return errors.Join(err, app.Stop(stop))
}

// enqueue adds a job for each picture below a directory.
func enqueue(ctx context.Context, f flags, directory string, logger zerolog.Logger, stdout io.Writer) error {
	var client *queue.Client
	app := fx.New(fx.NopLogger, fx.Supply(logger), queue.Module(f.database()), fx.Populate(&client))
	if err := app.Start(ctx); err != nil {
		return err
	}
	added, err := enqueueAll(ctx, client, directory)
	if err == nil {
		fmt.Fprintf(stdout, "%d pictures enqueued\n", added)
	}
	return errors.Join(err, app.Stop(context.WithoutCancel(ctx)))
}
