// Existing runs types of other libraries as workers: an http.Server, an errgroup, and the consumer of a message broker. None
// of them knows workerfx. A pool of gue is run by queue/examples/gueworker.
//
//	go run ./examples/existing
package main

import (
	"flag"
	"os"

	"github.com/rs/zerolog"
	"go.uber.org/fx"

	"github.com/workerfx/workerfx"
)

// app is the whole app.
func app(listen string) fx.Option {
	return fx.Options(
		fx.Provide(NewBroker, NewInbox),
		workerfx.Module,
		workerfx.ProvideWorker(func() *HTTPServer { return NewHTTPServer(listen) }, workerfx.WithReadiness()),
		workerfx.ProvideWorker(NewImporter),
		workerfx.ProvideWorker(NewConsumer, workerfx.WithMaxAttempts(0)),
	)
}

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "the address of the server")
	flag.Parse()
	log := zerolog.New(zerolog.NewConsoleWriter(func(w *zerolog.ConsoleWriter) { w.Out = os.Stderr })).With().Timestamp().Logger()
	fx.New(fx.NopLogger, fx.Supply(log), app(*listen)).Run()
}
