package workerfx

import (
	"context"
	"log/slog"

	"github.com/rs/zerolog"

	"github.com/workerfx/workerfx/internal/slogwriter"
)

// WithSlog sets the logger of the pool and of its workers' contexts, for apps that use [log/slog]. [CtxLogger] writes to it,
// too. It and [WithLogger] replace each other. Nil is no logger.
func WithSlog(logger *slog.Logger) PoolOption {
	return func(o *poolOptions) {
		o.logger, o.slog = nil, logger
		if logger != nil {
			written := slogwriter.New(logger)
			o.logger = &written
		}
	}
}

// useLoggers sets the loggers of runs.
func (p *Pool) useLoggers(o *poolOptions) {
	p.logger = zerolog.Nop()
	if o.logger != nil {
		p.logger = p.log.Logger
	}
	if o.slog == nil {
		return
	}
	p.slog, p.log.slog = o.slog, o.slog
	if p.config.Name != "" {
		p.slog = o.slog.With(fieldPool, p.config.Name)
	}
}

// CtxSlog returns the logger of the run that ctx belongs to, for [log/slog], with the attributes "worker" and
// "workerExecutionID". It writes to the app's [slog.Logger] if the pool has one, else to the logger of [CtxLogger]. It is
// never nil. Outside of a run it is [slog.Default]. Each call makes a logger: keep it in a loop.
func CtxSlog(ctx context.Context) *slog.Logger {
	run := runOf(ctx)
	if run == nil {
		return slog.Default()
	}
	pool := run.replica.pool
	if pool.slog == nil {
		return slog.New(zerolog.NewSlogHandler(*CtxLogger(ctx)))
	}
	logger := pool.slog.With(fieldWorker, run.replica.name, fieldExecutionID, CtxExecutionID(ctx))
	if jobOf(ctx) != nil {
		logger = logger.With(fieldAttempt, CtxAttempt(ctx))
	}
	return logger
}
