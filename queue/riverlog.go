package queue

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/rs/zerolog"
)

// riverLog writes River's log to the app's log. River's lines of level info get level debug, as this package logs
// what users need.
type riverLog struct {
	log    zerolog.Logger
	prefix string
}

func newRiverLog(log zerolog.Logger) *slog.Logger { return slog.New(riverLog{log: log}) }

var riverLevels = map[slog.Level]zerolog.Level{
	slog.LevelDebug: zerolog.TraceLevel, slog.LevelInfo: zerolog.DebugLevel,
	slog.LevelWarn: zerolog.WarnLevel, slog.LevelError: zerolog.ErrorLevel,
}

// Enabled tells whether the app's log has the level.
func (h riverLog) Enabled(_ context.Context, level slog.Level) bool {
	to := riverLevels[level]
	return to >= h.log.GetLevel() && to >= zerolog.GlobalLevel()
}

// Handle writes a record.
func (h riverLog) Handle(_ context.Context, record slog.Record) error {
	h.log.WithLevel(riverLevels[record.Level]).Str("component", "river").Func(func(event *zerolog.Event) {
		record.Attrs(func(attr slog.Attr) bool {
			event.Any(h.prefix+attr.Key, plain(attr.Value))
			return true
		})
	}).Msg(record.Message)
	return nil
}

// WithAttrs returns the handler with fields on every record.
func (h riverLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	with := h.log.With()
	for _, attr := range attrs {
		with = with.Any(h.prefix+attr.Key, plain(attr.Value))
	}
	h.log = with.Logger()
	return h
}

// WithGroup returns the handler with a prefix before the fields that follow.
func (h riverLog) WithGroup(name string) slog.Handler {
	h.prefix += name + "."
	return h
}

// plain returns a value that reads well in JSON.
func plain(value slog.Value) any {
	switch v := value.Resolve().Any().(type) {
	case error:
		return v.Error()
	case fmt.Stringer: // durations too
		return v.String()
	default:
		return v
	}
}
