// Package slogwriter writes the lines of a zerolog logger to a log/slog logger. Levels, fields and nested objects are kept.
// It knows nothing of workers.
package slogwriter

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"
)

// New returns a zerolog logger whose lines go to a slog logger. The slog logger decides which levels are written, and sets
// the time. It may be used from many goroutines, as the slog logger may.
func New(to *slog.Logger) zerolog.Logger {
	return zerolog.New(writer{to.Handler()}).Level(zerolog.TraceLevel)
}

// Choose returns the logger of an app that may provide several: the pointer, else the value, else the slog logger. ok is false
// if there is none.
func Choose(pointer *zerolog.Logger, value zerolog.Logger, slogger *slog.Logger) (logger zerolog.Logger, ok bool) {
	switch {
	case pointer != nil:
		return *pointer, true
	case !reflect.ValueOf(value).IsZero():
		return value, true
	case slogger != nil:
		return New(slogger), true
	}
	return value, false
}

// Enabled tells whether a slog logger writes lines of a level. If its handler panics, it is asked again for the line.
func Enabled(logger *slog.Logger, level zerolog.Level) (enabled bool) {
	defer func() {
		if recover() != nil {
			enabled = true
		}
	}()
	return logger.Enabled(context.Background(), levels[level])
}

// writer gets the lines of zerolog as JSON.
type writer struct{ handler slog.Handler }

// levels are those of slog. What is above error has a level of its own, so that handlers can tell.
var levels = map[zerolog.Level]slog.Level{
	zerolog.TraceLevel: slog.LevelDebug - 4, zerolog.DebugLevel: slog.LevelDebug, zerolog.InfoLevel: slog.LevelInfo,
	zerolog.WarnLevel: slog.LevelWarn, zerolog.ErrorLevel: slog.LevelError,
	zerolog.FatalLevel: slog.LevelError + 4, zerolog.PanicLevel: slog.LevelError + 8,
}

// Write writes a line without a level as info.
func (w writer) Write(line []byte) (int, error) { return w.WriteLevel(zerolog.NoLevel, line) }

// WriteLevel writes a line if the slog logger has its level.
func (w writer) WriteLevel(level zerolog.Level, line []byte) (int, error) {
	ctx := context.Background()
	to := levels[level] // of an unknown level: info
	if !w.handler.Enabled(ctx, to) {
		return len(line), nil
	}
	record, err := recordOf(to, line, level != zerolog.NoLevel)
	if err != nil { // such as after a field with broken JSON
		record = slog.NewRecord(time.Now(), to, strings.TrimSpace(string(line)), 0)
	}
	return len(line), w.handler.Handle(ctx, record)
}

// recordOf makes a record of a line. Zerolog's own level, time and message are no fields. The level is the first field, if the
// line has one, the message is the last field, and the time is a time. Other fields with these names are the user's.
func recordOf(level slog.Level, line []byte, hasLevel bool) (slog.Record, error) {
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.UseNumber()
	if _, err := decoder.Token(); err != nil {
		return slog.Record{}, err
	}
	attrs, err := attrsOf(decoder)
	if err != nil {
		return slog.Record{}, err
	}
	if hasLevel && len(attrs) > 0 && attrs[0].Key == zerolog.LevelFieldName {
		attrs = attrs[1:]
	}
	message := ""
	if last := len(attrs) - 1; last >= 0 && attrs[last].Key == zerolog.MessageFieldName {
		message, attrs = attrs[last].Value.String(), attrs[:last]
	}
	attrs = slices.DeleteFunc(attrs, isTimestamp)
	record := slog.NewRecord(time.Now(), level, message, 0)
	record.AddAttrs(attrs...)
	return record, nil
}

// isTimestamp tells whether a field is zerolog's time.
func isTimestamp(attr slog.Attr) bool {
	if attr.Key != zerolog.TimestampFieldName {
		return false
	}
	switch zerolog.TimeFieldFormat {
	case zerolog.TimeFormatUnix, zerolog.TimeFormatUnixMs, zerolog.TimeFormatUnixMicro, zerolog.TimeFormatUnixNano:
		return attr.Value.Kind() != slog.KindString
	}
	_, err := time.Parse(zerolog.TimeFieldFormat, attr.Value.String())
	return err == nil
}

// attrsOf reads the fields of an object, whose "{" was read, in their order.
func attrsOf(decoder *json.Decoder) (attrs []slog.Attr, err error) {
	for decoder.More() {
		key, err := decoder.Token()
		if err != nil {
			return nil, err
		}
		value, err := valueOf(decoder)
		if err != nil {
			return nil, err
		}
		attrs = append(attrs, slog.Attr{Key: key.(string), Value: value}) //nolint:forcetypeassert // the decoder checks it
	}
	_, err = decoder.Token() // the "}"
	return attrs, err
}

// valueOf reads a value. An object is a group.
func valueOf(decoder *json.Decoder) (slog.Value, error) {
	var raw json.RawMessage
	if err := decoder.Decode(&raw); err != nil {
		return slog.Value{}, err
	}
	within := json.NewDecoder(bytes.NewReader(raw))
	within.UseNumber()
	if raw[0] == '{' {
		_, _ = within.Token()
		attrs, err := attrsOf(within)
		return slog.GroupValue(attrs...), err
	}
	var value any
	if err := within.Decode(&value); err != nil {
		return slog.Value{}, err
	}
	if number, ok := value.(json.Number); ok {
		return numberOf(number), nil
	}
	return slog.AnyValue(value), nil
}

// numberOf keeps whole numbers exact.
func numberOf(number json.Number) slog.Value {
	if whole, err := number.Int64(); err == nil {
		return slog.Int64Value(whole)
	}
	if fraction, err := number.Float64(); err == nil && strings.ContainsAny(number.String(), ".eE") {
		return slog.Float64Value(fraction)
	}
	return slog.StringValue(number.String())
}
