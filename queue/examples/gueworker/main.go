// Gueworker runs the jobs of gue, a queue in PostgreSQL, as they are. A *gue.WorkerPool has a method Run(ctx) error, so
// it is a worker. The pool of workerfx starts it with the app, runs it again if it fails, reports on it, and waits for
// it when the app stops.
//
//	gueworker -db postgres://user@host/database -n 20  # enqueue 20 greetings, and work until Ctrl-C
//
// This is the first step of a move to workerfx. The second step is to move the jobs to package queue.
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
	"go.uber.org/fx"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the second signal ends the program at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// config has the values of the flags.
type config struct {
	url       string
	greetings int
}

// run runs the program until ctx ends, and returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var c config
	flags := flag.NewFlagSet("gueworker", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&c.url, "db", "postgres://postgres@localhost/postgres", "the `URL` of a PostgreSQL; the table gue_jobs is made there")
	flags.IntVar(&c.greetings, "n", 0, "enqueue so many greetings")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}
	if err := runApp(ctx, fx.New(app(c, greeter{stdout}, newLogger(stderr)))); err != nil {
		_, _ = fmt.Fprintln(stderr, "gueworker:", err)
		return 1
	}
	return 0
}

// runApp runs the app until ctx ends, or its pool of workers shuts it down.
func runApp(ctx context.Context, app *fx.App) error {
	starting, cancel := context.WithTimeout(ctx, app.StartTimeout())
	defer cancel()
	if err := app.Start(starting); err != nil {
		return err
	}
	var err error
	select {
	case <-ctx.Done():
	case end := <-app.Wait():
		err = fmt.Errorf("the app shut down with exit code %d", end.ExitCode)
	}
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), app.StopTimeout())
	defer cancel()
	return errors.Join(err, app.Stop(stopping))
}

func newLogger(w io.Writer) zerolog.Logger {
	console := zerolog.ConsoleWriter{Out: zerolog.SyncWriter(w), NoColor: true, TimeFormat: time.TimeOnly}
	return zerolog.New(console).Level(zerolog.InfoLevel).With().Timestamp().Logger()
}
