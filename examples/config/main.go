// Config reads the settings of workers from a file and the environment, with viper or with koanf:
//
//	go run ./examples/config -file examples/config/config.yaml -with viper
//	APP_WORKER_WORKERS_POLLER_INTERVAL=1s go run ./examples/config -file examples/config/config.yaml -with koanf
//
// It prints the settings that are in force, and where each comes from.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"

	"go.uber.org/fx"

	"github.com/workerfx/workerfx"
)

// prefix begins the names of environment variables, such as APP_WORKER_WORKERS_POLLER_INTERVAL.
const prefix = "APP"

// readers read the part "worker" of a file, and what the environment sets.
var readers = map[string]func(file string) (workerfx.Config, error){"viper": readWithViper, "koanf": readWithKoanf}

// NewPoller makes the worker that is configured.
func NewPoller() workerfx.Worker {
	return workerfx.NewWorker("poller", func(context.Context) error { return nil })
}

// app is the app with a configuration. It is built, and not started.
func app(config workerfx.Config, pool **workerfx.Pool) *fx.App {
	return fx.New(fx.NopLogger, fx.Supply(config), workerfx.Module, workerfx.ProvideWorker(NewPoller), fx.Populate(pool))
}

// printSettings prints the settings of the worker that differ from their defaults.
func printSettings(out io.Writer, with, file string) error {
	read, ok := readers[with]
	if !ok {
		return fmt.Errorf("flag -with %q: must be viper or koanf", with)
	}
	config, err := read(file)
	if err != nil {
		return err
	}
	var pool *workerfx.Pool
	if err := app(config, &pool).Err(); err != nil {
		return err
	}
	settings, err := pool.Settings("poller")
	for _, s := range settings {
		if s.Source != workerfx.SourceDefault {
			_, _ = fmt.Fprintf(out, "%s = %s (%v)\n", s.Name, s.Value, s.Source)
		}
	}
	return err
}

func main() {
	file := flag.String("file", "config.yaml", "the configuration")
	with := flag.String("with", "viper", "the library that reads it: viper or koanf")
	flag.Parse()
	if err := printSettings(os.Stdout, *with, *file); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
