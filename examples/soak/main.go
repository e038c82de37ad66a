// Soak runs thousands of workers of every kind at once, with failures, panics and commands at random, for as
// long as it is asked to, and then says whether the pool kept its promises.
//
//	soak -for 10m                 # ten minutes with 10,000 workers
//	soak -workers 500 -for 1m     # something smaller
//	soak                          # until Ctrl-C
//
// It is an Fx app. What its workers do is in the table of kinds (kinds.go); one of them, the operator, pauses,
// restarts, triggers, scales and removes the others. A line of progress goes to stderr every few seconds, the
// verdict to stdout: a table with a line for each promise, followed by what exactly was wrong.
//
// The same seed makes the same workers with the same sequence of chances each. Which goroutine comes first
// is up to the machine.
//
// The exit code is 0 if all is well, 1 if a line of the verdict says FAIL or the app could not be run, and 2
// for bad flags. Ctrl-C ends the soak early, with a verdict on what there was.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/fx"

	"github.com/workerfx/workerfx"
)

// The exit codes beside 0.
const (
	exitFailure = 1
	exitUsage   = 2
)

func main() { os.Exit(run(os.Args[1:], kinds, os.Stdout, os.Stderr)) }

// run is the program: it returns the exit code.
func run(args []string, kinds []kind, stdout, stderr io.Writer) int {
	c, err := parseFlags(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return exitUsage
	}
	s := newSoak(c)
	if err := s.run(fx.New(s.app(kinds)), stderr); err != nil {
		_, _ = fmt.Fprintln(stderr, "soak:", err)
		return exitFailure
	}
	v := s.verdict()
	if v.write(stdout); v.failed() {
		return exitFailure
	}
	return 0
}

// app is all that the program consists of.
func (s *soak) app(kinds []kind) fx.Option {
	options := []fx.Option{
		fx.NopLogger, // what fails comes back as an error
		fx.StopTimeout(s.config.budget),
		fx.Supply(s.registry, zerolog.New(&s.hangs).Level(zerolog.WarnLevel)),
		// The rings of events are full before the memory is looked at, so that growth is growth.
		fx.Supply(workerfx.Config{Defaults: workerfx.WorkerConfig{Events: new(8)}}),
		workerfx.Module,
		workerfx.ProvideMiddleware(func() workerfx.Middleware { return s.tracker.middleware }),
		workerfx.ProvideWorker(func() workerfx.Worker { return workerfx.RunFunc(s.witness) }, workerfx.WithName("witness")),
		workerfx.ProvideWorker(func() workerfx.Worker { return workerfx.RunFunc(s.hangs.halts.observe) }, workerfx.WithName("clock")),
		workerfx.ProvideWorker(func() *operator { return s.operator },
			workerfx.WithReplicas(operators), workerfx.WithMaxAttempts(0)),
	}
	var groups []*workerGroup
	for k, units := range share(kinds, s.config.workers) {
		if k.group == nil {
			options = append(options, workerfx.ProvideWorker(func() *workerGroup { return newWorkerGroup(s, k, units) }))
			continue
		}
		for number := range units {
			groups = append(groups, newGroup(s, k, number))
		}
	}
	return fx.Options(append(options, fx.Invoke(func(pool *workerfx.Pool) error { return s.know(pool, groups) }))...)
}

// run runs the app, watches it until its time is over or Ctrl-C, and stops it.
func (s *soak) run(app *fx.App, progress io.Writer) error {
	w := newWatch(s, progress)
	starting, cancel := context.WithTimeout(context.Background(), app.StartTimeout())
	defer cancel()
	if err := app.Start(starting); err != nil {
		return err
	}
	s.isUp()
	s.watched = w.watch(app.Wait(), s.config.duration)
	stopping, cancel := context.WithTimeout(context.Background(), app.StopTimeout())
	defer cancel()
	s.stopping.Store(true)
	s.end.asked = time.Now()
	s.end.err = app.Stop(stopping)
	s.end.took = time.Since(s.end.asked)
	s.tracker.closed.Store(true)
	s.handOverRest()
	s.end.goroutines, s.end.stacks = w.leftover()
	return nil
}
