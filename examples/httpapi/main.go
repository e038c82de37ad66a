// Httpapi is an HTTP service with workers. A request hands an order to a channel, a worker handles the orders, and another
// worker reports every minute. It serves probes, metrics and a page with the workers. On SIGTERM it answers the requests
// that it has, handles the orders that it has accepted, and ends with exit code 0.
//
//	go run ./examples/httpapi
//	curl -X POST 'http://127.0.0.1:8080/orders?item=tea'
//	open http://127.0.0.1:8080/workers/
package main

import (
	"flag"
	"os"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"go.uber.org/fx"

	"github.com/workerfx/workerfx"
)

// address is where the service listens.
type address string

// app is the whole app. Fx stops what was started last first: the server stops taking requests before the workers stop.
func app(listen address) fx.Option {
	return fx.Options(
		fx.Supply(listen),
		fx.Provide(
			func() zerolog.Logger { return zerolog.New(os.Stderr).With().Timestamp().Logger() },
			prometheus.NewRegistry,
			NewOrders,
			NewHandler,
			NewServer,
		),
		workerfx.Module,
		workerfx.ProvideWorker(NewOrderWorkers, workerfx.WithMaxAttempts(0)),
		fx.Invoke(func(*Server) {}),
	)
}

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "the address of the service; port 0 is any free one")
	flag.Parse()
	fx.New(fx.NopLogger, app(address(*listen))).Run() // until SIGTERM or Ctrl-C
}
