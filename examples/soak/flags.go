package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"time"
)

// config is what the flags say.
type config struct {
	workers  int
	duration time.Duration // 0 = until Ctrl-C
	every    time.Duration // a look at everything, and a line of progress
	commands float64       // the operator's, a second
	seed     uint64
	budget   time.Duration // of the stop
}

const maxWorkers = 1_000_000

// parseFlags reads the command line. What is wrong with it, and the usage, goes to output.
func parseFlags(args []string, output io.Writer) (config, error) {
	var c config
	flags := flag.NewFlagSet("soak", flag.ContinueOnError)
	flags.SetOutput(output)
	flags.IntVar(&c.workers, "workers", 10_000, "how many workers, replicas and children not counted")
	flags.DurationVar(&c.duration, "for", 0, "how long; 0 is until Ctrl-C")
	flags.DurationVar(&c.every, "every", 5*time.Second, "take samples and print a line of progress every so often")
	flags.Float64Var(&c.commands, "commands", 200, "how many commands the operator gives a `second`, at most")
	flags.Uint64Var(&c.seed, "seed", 1, "of all chances")
	flags.DurationVar(&c.budget, "budget", 15*time.Second, "how long the stop may take")
	if err := flags.Parse(args); err != nil {
		return config{}, err // flags has said so
	}
	if err := errors.Join(noArguments(flags.Args()), c.validate()); err != nil {
		_, _ = fmt.Fprintln(output, err)
		flags.Usage()
		return config{}, err
	}
	return c, nil
}

func noArguments(args []string) error {
	if len(args) == 0 {
		return nil
	}
	return fmt.Errorf("argument %q: there are only flags", args[0])
}

// validate says which flags are out of range.
func (c config) validate() error {
	var errs []error
	refuse := func(wrong bool, format string, args ...any) {
		if wrong {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	refuse(c.workers < 1 || c.workers > maxWorkers, "flag -workers %d: must be between 1 and %d", c.workers, maxWorkers)
	refuse(c.duration < 0, "flag -for %v: must not be negative", c.duration)
	refuse(c.every <= 0, "flag -every %v: must be positive", c.every)
	refuse(!(c.commands > 0 && c.commands <= 1e6), "flag -commands %v: must be above 0, and 1000000 at most", c.commands)
	refuse(c.budget <= 0, "flag -budget %v: must be positive", c.budget)
	return errors.Join(errs...)
}
