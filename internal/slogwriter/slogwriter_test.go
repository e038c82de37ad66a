package slogwriter_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx/internal/slogwriter"
)

// written returns what a slog logger writes when the zerolog logger is used.
func written(t *testing.T, least slog.Leveler, use func(zerolog.Logger)) (lines []map[string]any) {
	t.Helper()
	var out bytes.Buffer
	use(slogwriter.New(slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: least})).With("app", "shop").WithGroup("pool")))
	for line := range bytes.Lines(out.Bytes()) {
		var fields map[string]any
		require.NoError(t, json.Unmarshal(line, &fields))
		require.NotEmpty(t, fields["time"])
		delete(fields, "time")
		lines = append(lines, fields)
	}
	return lines
}

func TestFieldsAndGroupsAreKept(t *testing.T) {
	t.Parallel()
	lines := written(t, slog.LevelInfo, func(l zerolog.Logger) {
		l = l.With().Timestamp().Str("worker", "mailer").Logger()
		l.Info().Int64("large", math.MaxInt64).Float64("part", 0.5).Bool("yes", true).Err(errors.New("boom \"x\"")).
			Dict("in", zerolog.Dict().Str("a", "b").Dict("deep", zerolog.Dict().Int("n", 1))).
			Strs("list", []string{"x", "y"}).Dur("took", 1500*time.Millisecond).Interface("none", nil).
			Msg("hello")
	})
	require.Equal(t, []map[string]any{{
		"level": "INFO", "msg": "hello", "app": "shop",
		"pool": map[string]any{
			"worker": "mailer", "large": float64(math.MaxInt64), "part": 0.5, "yes": true, "error": `boom "x"`,
			"in":   map[string]any{"a": "b", "deep": map[string]any{"n": 1.0}},
			"list": []any{"x", "y"}, "took": 1500.0, "none": nil,
		},
	}}, lines)
}

func TestWholeNumbersStayExact(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	l := slogwriter.New(slog.New(slog.NewTextHandler(&out, nil)))
	l.Info().Int64("n", math.MaxInt64-1).Uint64("u", math.MaxUint64).Msg("")
	require.Contains(t, out.String(), "n=9223372036854775806 u=18446744073709551615")
}

func TestTheSlogLoggerDecidesAboutLevels(t *testing.T) {
	t.Parallel()
	var least slog.LevelVar
	lines := written(t, &least, func(l zerolog.Logger) {
		l.Trace().Msg("no")
		l.Debug().Msg("no")
		least.Set(slog.LevelDebug - 4)
		l.Trace().Msg("trace")
		l.Debug().Msg("debug")
		l.Log().Msg("none")
		l.Warn().Msg("warn")
		l.Error().Msg("error")
		l.WithLevel(zerolog.FatalLevel).Msg("fatal")
		l.WithLevel(zerolog.PanicLevel).Msg("panic")
	})
	var got []string
	for _, line := range lines {
		got = append(got, line["level"].(string)+" "+line["msg"].(string))
	}
	require.Equal(t, []string{"DEBUG-4 trace", "DEBUG debug", "INFO none", "WARN warn", "ERROR error", "ERROR+4 fatal", "ERROR+8 panic"}, got)
}

func TestNothingOfALineIsLost(t *testing.T) {
	t.Parallel()
	lines := written(t, slog.LevelInfo, func(l zerolog.Logger) {
		l.Info().Str("level", "of water").Str("message", "mine").Str("time", "noon").Msg("hello")
		l.Warn().RawJSON("broken", []byte("{")).Msg("hello")
	})
	require.Equal(t, map[string]any{"level": "of water", "message": "mine", "time": "noon"}, lines[0]["pool"])
	require.Equal(t, "hello", lines[0]["msg"])
	require.Equal(t, "WARN", lines[1]["level"])
	require.Contains(t, lines[1]["msg"], `"broken":{`)
}

func TestANumberNamedTimeIsTheUsers(t *testing.T) {
	lines := written(t, slog.LevelInfo, func(l zerolog.Logger) { l.Info().Int("time", 5).Msg("hello") })
	require.Equal(t, map[string]any{"time": 5.0}, lines[0]["pool"])
}
