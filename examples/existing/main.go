// Existing runs types of other libraries as workers. Each is in a file of its own, to copy from:
//
//	http.go      an http.Server
//	errgroup.go  a service whose goroutines are in an errgroup
//	kafka.go     a consumer of Kafka, with franz-go; the broker of this example is in memory
//
// A pool of gue, which runs jobs in PostgreSQL, has a method Run(ctx) error. So it is a worker as it is:
// queue/examples/gueworker shows that.
//
// Here the server takes notes, and the consumer reads them, until Ctrl-C:
//
//	go run ./examples/existing
//	curl -d 'Buy milk' http://127.0.0.1:8080/notes
package main

import (
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/fx"

	"github.com/workerfx/workerfx"
)

// address is where the server listens.
type address string

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "serve /notes at this `address`; port 0 is any free one")
	flag.Parse()

	app := fx.New(fx.Provide(newLogger), options(address(*listen)))
	if err := app.Err(); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "existing:", err)
		os.Exit(1)
	}
	app.Done() // from now on Fx takes note of signals; by itself it begins after the start
	app.Run()
}

// options is the whole app but for the logger.
func options(listen address) fx.Option {
	return fx.Options(
		fx.NopLogger, // the pool logs what fails later on
		fx.Supply(listen),
		fx.Provide(newBroker, newProducer),
		workerfx.Module,
		workerfx.ProvideWorker(newWeb),
		workerfx.ProvideWorker(newConsumer),
		workerfx.ProvideWorker(newMemory),
	)
}

func newLogger() zerolog.Logger {
	return zerolog.New(zerolog.ConsoleWriter{Out: os.Stderr, TimeFormat: time.TimeOnly}).With().Timestamp().Logger()
}
