// Httpapi is an HTTP service with background workers, as one runs in Kubernetes. It is a small shop:
//
//	go run ./examples/httpapi
//	curl -d '{"item": "tea", "amount": 2}' http://127.0.0.1:8080/orders
//	curl http://127.0.0.1:8080/orders/1
//
// It has three workers. "api" is the server of the API. It hands each order to "packer", which packs it. "report" tells
// once a minute how many orders there were.
//
// The probes /livez and /readyz, Prometheus metrics at /metrics and a page with the workers at /workers/ are at another
// address, 127.0.0.1:8081. The public must not reach that one.
//
// SIGTERM and Ctrl-C stop the app in this order: the server accepts no new connections, and answers the requests that it
// has. Then the packer packs all orders that were accepted. Then the program ends with exit code 0. The exit code is 1 if
// something went wrong, and 2 for bad flags. docs/stopping.md says which times Kubernetes has to grant for that.
package main

import (
	"flag"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"go.uber.org/fx"
	"go.uber.org/fx/fxevent"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/dashboard"
)

// config has the values of the flags.
type config struct {
	listen string        // address of the API
	admin  string        // address of the probes, the metrics and the page
	pack   time.Duration // how long it takes to pack an order
	report time.Duration // how often the report comes
}

func main() {
	var c config
	flag.StringVar(&c.listen, "listen", "127.0.0.1:8080", "serve the API at this `address`; port 0 is any free one")
	flag.StringVar(&c.admin, "admin", "127.0.0.1:8081", "serve probes, metrics and the page at this `address`")
	flag.DurationVar(&c.pack, "pack", time.Second, "how long it takes to pack an order")
	flag.DurationVar(&c.report, "report", time.Minute, "how often the report comes")
	flag.Parse()

	app := fx.New(options(c, os.Stderr))
	app.Done() // from now on Fx takes note of signals; by itself it begins after the start, and a signal before ends the process
	app.Run()
}

// options is the whole app.
func options(c config, log io.Writer) fx.Option {
	return fx.Options(
		fx.Supply(c, fx.Annotate(log, fx.As(new(io.Writer)))),
		fx.Provide(newLogs, newLogger, prometheus.NewRegistry, NewOrders),
		fx.WithLogger(newFxLogger),
		fx.StopTimeout(30*time.Second), // the requests and the orders under way have to be done by then
		adminModule,                    // what comes first starts first, and stops last
		workerfx.Module,
		workerfx.ProvideWorker(newPacker),
		workerfx.ProvideWorker(newReport),
		workerfx.ProvideWorker(newServer),
	)
}

// newLogs keeps the last lines of each worker for the page.
func newLogs() *dashboard.Logs { return dashboard.NewLogs(50) }

// newLogger makes the logger of the app. The pool finds it by itself.
func newLogger(w io.Writer, logs *dashboard.Logs) zerolog.Logger {
	both := zerolog.MultiLevelWriter(zerolog.SyncWriter(w), logs)
	return zerolog.New(both).Level(zerolog.InfoLevel).With().Timestamp().Logger()
}

// newFxLogger lets Fx log what fails. The rest has the level debug, and is dropped.
func newFxLogger(log zerolog.Logger) fxevent.Logger {
	logger := &fxevent.SlogLogger{Logger: slog.New(zerolog.NewSlogHandler(log))}
	logger.UseLogLevel(slog.LevelDebug)
	return logger
}
