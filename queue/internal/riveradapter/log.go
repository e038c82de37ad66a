package riveradapter

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/rs/zerolog"
)

// handler writes the log of River to the log of the app. Lines of level info get level debug: the app writes what
// users need to know. Of warnings and errors with the same text, it writes one a minute.
type handler struct {
	log      zerolog.Logger
	prefix   string
	repeated *repeated
}

// NewLogger returns a logger for River that writes to the log of the app.
func NewLogger(log zerolog.Logger) *slog.Logger {
	return slog.New(handler{log: log, repeated: &repeated{}})
}

var levels = map[slog.Level]zerolog.Level{
	slog.LevelDebug: zerolog.TraceLevel, slog.LevelInfo: zerolog.DebugLevel,
	slog.LevelWarn: zerolog.WarnLevel, slog.LevelError: zerolog.ErrorLevel,
}

// Enabled tells whether the app's log has the level.
func (h handler) Enabled(_ context.Context, level slog.Level) bool {
	to := levels[level]
	return to >= h.log.GetLevel() && to >= zerolog.GlobalLevel()
}

// Handle writes a record.
func (h handler) Handle(_ context.Context, record slog.Record) error {
	suppressed := 0
	if record.Level >= slog.LevelWarn {
		var write bool
		if suppressed, write = h.repeated.next(record.Message, record.Time); !write {
			return nil
		}
	}
	h.log.WithLevel(levels[record.Level]).Str("component", "river").Func(func(event *zerolog.Event) {
		if suppressed > 0 {
			event.Int("repeated", suppressed)
		}
		record.Attrs(func(attr slog.Attr) bool {
			event.Any(h.prefix+attr.Key, plain(attr.Value))
			return true
		})
	}).Msg(record.Message)
	return nil
}

// WithAttrs returns the handler with fields on every record.
func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	with := h.log.With()
	for _, attr := range attrs {
		with = with.Any(h.prefix+attr.Key, plain(attr.Value))
	}
	h.log = with.Logger()
	return h
}

// WithGroup returns the handler with a prefix before the fields that follow.
func (h handler) WithGroup(name string) slog.Handler {
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
