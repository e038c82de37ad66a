// Dupwatch finds duplicate files below a directory. It is an Fx app whose work is done by a group of
// workers: scan runs on a schedule, hash has as many replicas as there is work for, and report takes its
// results in batches. Its log is on the console, its metrics are at /metrics, and the page at /workers/ shows its workers.
//
//	dupwatch -once -dir ~/pictures       # one pass, a table on stdout, exit
//	dupwatch -dir ~/pictures -every 10m  # a pass and a table every ten minutes, until Ctrl-C
//
// Files are duplicates if their SHA-256 is the same. Hard links to one file count as duplicates, as
// they do for sha256sum; symbolic links and whatever else is not a regular file are left out. A file
// or directory that cannot be read, or that changes while it is looked at, is named in the log and
// below the table, and skipped.
//
// The exit code is 0 after the pass of -once, 1 if the directory could not be read or something else
// went wrong, 2 for bad flags, and 130 after Ctrl-C or SIGTERM, which end the program at once and
// without a table.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"go.uber.org/fx"

	"github.com/workerfx/workerfx"
)

// The exit codes beside 0.
const (
	exitFailure     = 1
	exitUsage       = 2
	exitInterrupted = 130 // what a shell reports of a program that Ctrl-C ended
)

// stopTimeout bounds the end of the program when a read hangs, as one on a dead network drive does.
const stopTimeout = 2 * time.Second

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run is the program: it returns the exit code. The tables go to stdout, all else to stderr.
func run(args []string, stdout, stderr io.Writer) int {
	c, err := parseFlags(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return exitUsage
	}
	done := make(finished)
	code, err := runApp(fx.New(app(c, stdout, stderr, done)), done)
	if err != nil {
		_, _ = fmt.Fprintln(stderr, "dupwatch:", err)
	}
	return code
}

// app is all that the program consists of. The module of the metrics comes first because what comes
// first starts first: an address that is taken is found out before any worker runs.
func app(c config, stdout, stderr io.Writer, done finished) fx.Option {
	return fx.Options(
		fx.Supply(c, done, table{stdout}, opener(openFile)),
		fx.Provide(func() zerolog.Logger { return newLogger(stderr) }),
		fx.Module("metrics",
			fx.Provide(prometheus.NewRegistry, newMetrics),
			fx.Invoke(serveMetrics),
		),
		workerfx.Module,
		// None of the workers can do without the others. All of them, scan by its schedule, go on until
		// the end of the program even after the pass of -once, so that one being done means that it failed.
		workerfx.ProvideWorker(NewDupwatch, workerfx.WithEssential()),
		fx.NopLogger, // what fails comes back as an error
		fx.StopTimeout(stopTimeout),
	)
}

// runApp is fx's App.Run with another way to end: done. Without it, the program could not tell the end
// of the pass from SIGTERM, because fx reports a Shutdown as that very signal.
func runApp(app *fx.App, done finished) (code int, err error) {
	starting, cancel := context.WithTimeout(context.Background(), app.StartTimeout())
	defer cancel()
	if err := app.Start(starting); err != nil {
		return exitFailure, err
	}
	select {
	case <-done:
	case end := <-app.Wait():
		code = end.ExitCode
		if code == 0 { // a signal; when a worker fails, the pool shuts the app down with 1
			code = exitInterrupted
		}
	}
	stopping, cancel := context.WithTimeout(context.Background(), app.StopTimeout())
	defer cancel()
	if err := app.Stop(stopping); err != nil {
		return exitFailure, err
	}
	return code, nil
}

// newLogger returns a logger for people to read. It leaves the execution IDs out of the lines, because
// the number of the pass tells what belongs together.
func newLogger(w io.Writer) zerolog.Logger {
	console := zerolog.ConsoleWriter{
		Out:           zerolog.SyncWriter(w),
		NoColor:       !isTerminal(w),
		TimeFormat:    time.TimeOnly,
		FieldsExclude: []string{"workerExecutionID"},
	}
	return zerolog.New(console).Level(zerolog.InfoLevel).With().Timestamp().Logger()
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
