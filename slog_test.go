package workerfx_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/fxtest"
)

// slogLines are the lines of a slog logger that writes JSON, without their times.
func slogLines(t *testing.T, out *bytes.Buffer) (lines []map[string]any) {
	t.Helper()
	for line := range bytes.Lines(out.Bytes()) {
		var fields map[string]any
		require.NoError(t, json.Unmarshal(line, &fields))
		delete(fields, "time")
		lines = append(lines, fields)
	}
	return lines
}

// talks writes a line with each of its loggers, and fails.
func talks(ctx context.Context) error {
	workerfx.CtxSlog(ctx).WithGroup("mail").Info("by slog", "n", 1)
	workerfx.CtxLogger(ctx).Info().Int("n", 2).Msg("by zerolog")
	workerfx.CtxSlog(workerfx.JobContext(ctx, "job-7", 3)).Info("by a job")
	return errBoom
}

func TestAnAppWithSlogGetsAllLinesThroughIt(t *testing.T) {
	var out bytes.Buffer
	app := fx.New(fx.NopLogger,
		fx.Supply(slog.New(slog.NewJSONHandler(&out, nil)).With("app", "shop"), workerfx.Config{Name: "main"}),
		workerfx.Module,
		workerfx.ProvideWorker(func() workerfx.Worker { return workerfx.NewWorker("w", talks, workerfx.WithReadiness()) }))
	require.Error(t, app.Start(t.Context()), "the worker never becomes ready")
	lines := slogLines(t, &out)
	byMessage := make(map[string]map[string]any)
	for _, line := range lines {
		message, _ := line["msg"].(string)
		assert.Equal(t, "shop", line["app"], message)
		assert.Equal(t, "main", line["pool"], message)
		byMessage[message] = line
	}
	require.NotContains(t, byMessage, "worker started", "it has level debug")
	id := byMessage["by zerolog"]["workerExecutionID"]
	require.NotEmpty(t, id)
	assert.Equal(t, "w", byMessage["by slog"]["worker"])
	assert.Equal(t, id, byMessage["by slog"]["workerExecutionID"])
	assert.Equal(t, map[string]any{"n": 1.0}, byMessage["by slog"]["mail"])
	assert.Equal(t, 2.0, byMessage["by zerolog"]["n"])
	assert.Equal(t, "job-7", byMessage["by a job"]["workerExecutionID"])
	assert.Equal(t, 3.0, byMessage["by a job"]["attempt"])
	assert.Equal(t, "ERROR", byMessage["worker failed"]["level"])
	assert.Equal(t, "boom", byMessage["worker failed"]["error"])
}

func TestLinesOfSlogGoToTheZerologLoggerOfTheApp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked *slog.Logger
		app := fxtest.New(t,
			workerfx.ProvideWorker(func() workerfx.Worker { return workerfx.NewWorker("w", talks) }),
			fx.Populate(&asked)).RequireStart()
		app.AwaitStatus("w", workerfx.StatusError)
		asked.Warn("of the app", "n", 4)
		synctest.Wait()
		found := make(map[string]fxtest.Log)
		for _, l := range app.Logs() {
			found[l.Message] = l
		}
		assert.Equal(t, "w", found["by slog"].Fields["worker"])
		assert.Equal(t, found["by zerolog"].Fields["workerExecutionID"], found["by slog"].Fields["workerExecutionID"])
		assert.Equal(t, 1.0, found["by slog"].Fields["mail.n"])
		assert.Equal(t, 4.0, found["of the app"].Fields["n"])
	})
}

func TestCtxSlogOutsideOfARunIsTheDefault(t *testing.T) {
	require.Same(t, slog.Default(), workerfx.CtxSlog(t.Context()))
}

func TestTheLastOfTwoLoggersIsUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		written := workerfx.WithSlog(slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})))
		pool, err := workerfx.NewPool(written)
		require.NoError(t, err)
		require.NoError(t, pool.Add(workerfx.NewWorker("w", talks)))
		require.NoError(t, pool.Start(t.Context()))
		synctest.Wait()
		require.NoError(t, pool.Stop(t.Context()))
		require.Contains(t, out.String(), `"worker started"`)
		out.Reset()
		silenced := newPoolWith(t, written) // WithLogger comes after it
		require.NoError(t, silenced.Add(workerfx.NewWorker("w", talks)))
		require.NoError(t, silenced.Start(t.Context()))
		synctest.Wait()
		require.NoError(t, silenced.Stop(t.Context()))
		require.Empty(t, out.String())
	})
}

// brokenHandler panics when it is asked whether it writes a level.
type brokenHandler struct{ slog.Handler }

func (brokenHandler) Enabled(context.Context, slog.Level) bool { panic("no level") }

func TestASlogHandlerThatPanicsDoesNotBreakThePool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool, err := workerfx.NewPool(workerfx.WithSlog(slog.New(brokenHandler{slog.DiscardHandler})))
		require.NoError(t, err)
		require.NoError(t, pool.Add(workerfx.NewWorker("w", fails)))
		require.NoError(t, pool.Start(t.Context()))
		synctest.Wait()
		require.Equal(t, workerfx.StatusError, execution(t, pool, "w").Status)
		require.NoError(t, pool.Stop(context.Background()))
	})
}

func TestAttributesBeforeAGroupAreNotInIt(t *testing.T) {
	var out strings.Builder
	inRun(t, func(ctx context.Context) {
		workerfx.CtxSlog(ctx).With("a", 1).WithGroup("g").With("b", 2).WithGroup("h").Info("hello", "c", 3)
	}, workerfx.WithLogger(zerolog.New(zerolog.SyncWriter(&out)).Level(zerolog.InfoLevel)))
	require.Contains(t, out.String(), `"a":1,"g.b":2,"g.h.c":3`)
}
