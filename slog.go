package workerfx

import (
	"context"
	"log/slog"
	"slices"

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
		return slog.New(groupingHandler{zerolog.NewSlogHandler(*CtxLogger(ctx)), nil})
	}
	logger := pool.slog.With(fieldWorker, run.replica.name, fieldExecutionID, CtxExecutionID(ctx))
	if jobOf(ctx) != nil {
		logger = logger.With(fieldAttempt, CtxAttempt(ctx))
	}
	return logger
}

// groupingHandler puts attributes into the groups that were open when they came. Zerolog's own handler puts those of With into
// the groups that came after them, too.
type groupingHandler struct {
	slog.Handler

	groups []string
}

// WithGroup opens a group.
func (h groupingHandler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	return groupingHandler{h.Handler, append(slices.Clip(h.groups), name)}
}

// WithAttrs adds attributes to all lines.
func (h groupingHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return groupingHandler{h.Handler.WithAttrs(h.within(attrs)), h.groups}
}

// Handle writes a line.
func (h groupingHandler) Handle(ctx context.Context, record slog.Record) error {
	if len(h.groups) > 0 {
		attrs := make([]slog.Attr, 0, record.NumAttrs())
		record.Attrs(func(attr slog.Attr) bool {
			attrs = append(attrs, attr)
			return true
		})
		record = slog.NewRecord(record.Time, record.Level, record.Message, record.PC)
		record.AddAttrs(h.within(attrs)...)
	}
	return h.Handler.Handle(ctx, record)
}

// within returns attributes within the open groups.
func (h groupingHandler) within(attrs []slog.Attr) []slog.Attr {
	for _, name := range slices.Backward(h.groups) {
		attrs = []slog.Attr{{Key: name, Value: slog.GroupValue(attrs...)}}
	}
	return attrs
}
