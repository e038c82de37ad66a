package main

import (
	"context"
	"os"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/fx"

	"github.com/workerfx/workerfx"
)

// options is the whole app.
func options(s settings) fx.Option {
	return fx.Options(
		fx.Supply(s, s.Worker), // the pool finds its Config by itself
		fx.Provide(newLogger),
		workerfx.Module,
		workerfx.ProvideWorker(newPrices),
		workerfx.ProvideWorker(newReports),
		fx.Invoke(logSettings),
	)
}

func newLogger() zerolog.Logger {
	return zerolog.New(zerolog.ConsoleWriter{Out: os.Stderr, NoColor: true, TimeFormat: time.TimeOnly}).With().Timestamp().Logger()
}

// logSettings logs the settings that are in force and not the default.
func logSettings(pool *workerfx.Pool, log zerolog.Logger) error {
	for _, e := range pool.Executions() {
		settings, err := pool.Settings(e.Worker)
		if err != nil {
			return err
		}
		for _, s := range settings {
			if s.Source != workerfx.SourceDefault {
				log.Info().Str("worker", e.Worker).Stringer("from", s.Source).Str(s.Name, s.Value).Msg("setting")
			}
		}
	}
	return nil
}

// newPrices makes a worker that looks up prices. The settings may change its interval.
func newPrices(s settings) workerfx.Worker {
	return workerfx.NewWorker("prices", func(ctx context.Context) error {
		workerfx.CtxLogger(ctx).Info().Str("currency", s.Currency).Msg("prices are up to date")
		return nil
	}, workerfx.WithInterval(time.Minute))
}

// reports is a group of two workers, "reports/daily" and "reports/weekly".
type reports struct{}

func newReports() reports { return reports{} }

func (reports) Name() string { return "reports" }

func (r reports) Workers() []workerfx.Worker {
	return []workerfx.Worker{
		workerfx.NewWorker("daily", r.write, workerfx.WithCron("@daily")),
		workerfx.NewWorker("weekly", r.write, workerfx.WithCron("@weekly")),
	}
}

func (reports) write(ctx context.Context) error {
	workerfx.CtxLogger(ctx).Info().Msg("report is written")
	return nil
}
