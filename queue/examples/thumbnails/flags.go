package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"runtime"
	"slices"
	"strings"

	"github.com/workerfx/workerfx/queue"
)

const usage = `Usage:

  thumbnails enqueue  enqueues a job for each image that has no thumbnail
  thumbnails work     makes thumbnails until it is told to stop
  thumbnails status   tells how many jobs there are, and which were given up

thumbnails enqueue -h and so on list the flags.
`

const (
	maxSize  = 4096
	maxSlots = 256
)

// config has the values of the command line.
type config struct {
	command string
	db      string // a file, or the URL of a PostgreSQL
	verbose bool

	dir, out string // of enqueue: the directories of the images and of their thumbnails
	size     int    // in pixels: the longest side of a thumbnail

	slots  int    // of work: how many images at a time
	drain  bool   // end when nothing is left to do
	listen string // address of metrics, probes and the page; empty for none

	requeue bool // of status
}

// parseFlags reads the command line. It writes errors and the usage to output.
func parseFlags(args []string, output io.Writer) (config, error) {
	if len(args) == 0 || !slices.Contains([]string{"enqueue", "work", "status"}, args[0]) {
		_, _ = fmt.Fprint(output, usage)
		if len(args) > 0 && slices.Contains([]string{"-h", "-help", "--help", "help"}, args[0]) {
			return config{}, flag.ErrHelp
		}
		return config{}, errors.New("no such command")
	}
	c := config{command: args[0]}
	flags := flag.NewFlagSet("thumbnails "+c.command, flag.ContinueOnError)
	flags.SetOutput(output)
	c.define(flags)
	if err := flags.Parse(args[1:]); err != nil {
		return config{}, err // flags has printed it
	}
	err := c.validate()
	if flags.NArg() > 0 {
		err = fmt.Errorf("argument %q: there are only flags", flags.Arg(0))
	}
	if err != nil {
		_, _ = fmt.Fprintln(output, err)
		flags.Usage()
	}
	return c, err
}

// define defines the flags of the command. Values of other commands stay zero.
func (c *config) define(flags *flag.FlagSet) {
	flags.StringVar(&c.db, "db", "jobs.db", "keep the jobs in this `database`: a file, or a PostgreSQL as in postgres://user:password@host/database")
	flags.BoolVar(&c.verbose, "v", false, "log more")
	switch c.command {
	case "enqueue":
		flags.StringVar(&c.dir, "dir", ".", "look for images in this `directory` and below it")
		flags.StringVar(&c.out, "out", "thumbs", "put the thumbnails into this `directory`, which is made if need be")
		flags.IntVar(&c.size, "size", 256, "make neither side longer than so many `pixels`")
	case "work":
		flags.IntVar(&c.slots, "slots", min(runtime.NumCPU(), maxSlots), "make so many thumbnails at a time")
		flags.BoolVar(&c.drain, "drain", false, "end when nothing is left to do")
		flags.StringVar(&c.listen, "listen", "", "serve /metrics, /livez, /readyz and the page /workers/ at this `address`; port 0 is any free one")
	case "status":
		flags.BoolVar(&c.requeue, "requeue", false, "requeue the jobs that were given up")
	}
}

// validate returns an error about flags that are out of range.
func (c *config) validate() error {
	var errs []error
	refuse := func(wrong bool, format string, args ...any) {
		if wrong {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	refuse(c.db == "", "flag -db: must not be empty")
	switch c.command {
	case "enqueue":
		refuse(c.dir == "", "flag -dir: must not be empty")
		refuse(c.out == "", "flag -out: must not be empty")
		refuse(c.size < 1 || c.size > maxSize, "flag -size %d: must be from 1 to %d", c.size, maxSize)
	case "work":
		refuse(c.slots < 1 || c.slots > maxSlots, "flag -slots %d: must be from 1 to %d", c.slots, maxSlots)
		if c.listen != "" {
			_, _, err := net.SplitHostPort(c.listen)
			refuse(err != nil, "flag -listen: %w; want host:port, such as 127.0.0.1:9099", err)
		}
	}
	return errors.Join(errs...)
}

// database is the database of the jobs. Only this function depends on its type.
func (c *config) database() queue.Database {
	if c.isPostgres() {
		return queue.Postgres(c.db)
	}
	return queue.SQLite(c.db)
}

func (c *config) isPostgres() bool {
	return strings.HasPrefix(c.db, "postgres://") || strings.HasPrefix(c.db, "postgresql://")
}
