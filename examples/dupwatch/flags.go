package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"runtime"
	"time"
)

const maxHashers = 1024

// config is what the flags say.
type config struct {
	dir     string
	once    bool
	every   time.Duration // begin a pass; a tick that comes during one is left out
	listen  string        // address of /metrics and /workers/; empty for none
	hashers int
	minSize int64 // in bytes; smaller files are left out
}

// parseFlags reads the command line. What is wrong with it, and the usage, goes to output.
func parseFlags(args []string, output io.Writer) (config, error) {
	var c config
	flags := flag.NewFlagSet("dupwatch", flag.ContinueOnError)
	flags.SetOutput(output)
	flags.StringVar(&c.dir, "dir", ".", "look for duplicate files below this `directory`")
	flags.BoolVar(&c.once, "once", false, "end after one pass")
	flags.DurationVar(&c.every, "every", time.Minute, "begin a pass every so often, but none while another lasts; has no meaning with -once")
	flags.StringVar(&c.listen, "listen", "127.0.0.1:9099", "serve /metrics and /workers/ at this `address`; port 0 is any free one, \"\" is none")
	flags.IntVar(&c.hashers, "hashers", min(runtime.NumCPU(), maxHashers), "how many files are hashed side by side, at most")
	flags.Int64Var(&c.minSize, "min", 1, "leave out files of fewer `bytes`; 0 takes in the empty ones")
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
	return fmt.Errorf("argument %q: there are only flags; name the directory with -dir", args[0])
}

// validate says which flags are out of range.
func (c config) validate() error {
	var errs []error
	refuse := func(wrong bool, format string, args ...any) {
		if wrong {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	refuse(c.dir == "", "flag -dir: must not be empty")
	refuse(c.every <= 0, "flag -every %v: must be positive", c.every)
	refuse(c.hashers < 1 || c.hashers > maxHashers, "flag -hashers %d: must be between 1 and %d", c.hashers, maxHashers)
	refuse(c.minSize < 0, "flag -min %d: must not be negative", c.minSize)
	if c.listen != "" {
		_, _, err := net.SplitHostPort(c.listen)
		refuse(err != nil, "flag -listen: %w; want host:port, such as 127.0.0.1:9099", err)
	}
	return errors.Join(errs...)
}
