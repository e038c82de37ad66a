package fxtest_test

import (
	"context"
	"log/slog"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.uber.org/fx"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/fxtest"
)

func TestLogsCarryTheRunTheyAreOf(t *testing.T) {
	inAndOutOfBubble(t, func(t *testing.T) {
		app := fxtest.New(t, failing(1)).RequireStart()
		e := app.AwaitStatus("mailer", workerfx.StatusError)

		var log *fxtest.Log
		for _, l := range app.Logs("mailer") {
			if l.Message == "server is down" {
				log = &l
			}
		}
		require.NotNil(t, log)
		require.Equal(t, zerolog.InfoLevel, log.Level)
		require.WithinDuration(t, e.StartedAt, log.Time, time.Minute)
		require.Equal(t, map[string]any{"worker": "mailer", "workerExecutionID": e.ID, "server": "localhost"}, log.Fields)
	})
}

func TestLogsOfAnAppWithSlogOnly(t *testing.T) {
	inAndOutOfBubble(t, func(t *testing.T) {
		elsewhere := slog.New(slog.NewTextHandler(panicWriter{}, nil)) // the test's logger takes its place
		app := fxtest.New(t, fx.Supply(elsewhere), workerfx.ProvideWorker(func(l *slog.Logger) workerfx.Worker {
			l.Warn("made by hand")
			return workerfx.NewWorker("talker", func(ctx context.Context) error {
				workerfx.CtxSlog(ctx).Error("disk full", "free", 3, slog.Group("disk", "name", "sda"))
				return nil
			})
		})).RequireStart()
		e := app.AwaitStatus("talker", workerfx.StatusSuccess)

		logs := app.Logs("talker")
		require.Equal(t, "disk full", logs[1].Message, "after the pool's own")
		require.Equal(t, zerolog.ErrorLevel, logs[1].Level)
		require.Equal(t, map[string]any{
			"worker": "talker", "workerExecutionID": e.ID, "free": 3., "disk.name": "sda",
		}, logs[1].Fields)
		require.Equal(t, "made by hand", app.Logs()[0].Message)
	})
}

// panicWriter is the output of a logger that must not be used.
type panicWriter struct{}

func (panicWriter) Write([]byte) (int, error) { panic("written to the logger of the app") }

func TestLogsOfAllLevels(t *testing.T) {
	app := fxtest.New(t, workerfx.ProvideWorker(func() workerfx.Worker {
		return workerfx.NewWorker("talker", func(ctx context.Context) error {
			logger := workerfx.CtxLogger(ctx)
			logger.Trace().Int("n", 1).Msg("trace")
			logger.Log().Dict("dict", zerolog.Dict().Bool("nested", true)).Msg("no level")
			logger.Error().Int(zerolog.TimestampFieldName, 5).Send()
			return nil
		})
	})).RequireStart()
	app.AwaitStatus("talker", workerfx.StatusSuccess)
	app.RequireStop()

	levels := make(map[zerolog.Level]fxtest.Log)
	for _, l := range app.Logs("talker") {
		levels[l.Level] = l
	}
	require.Equal(t, "trace", levels[zerolog.TraceLevel].Message)
	require.EqualValues(t, 1, levels[zerolog.TraceLevel].Fields["n"])
	require.Equal(t, "no level", levels[zerolog.NoLevel].Message)
	require.Equal(t, map[string]any{"nested": true}, levels[zerolog.NoLevel].Fields["dict"])
	require.EqualValues(t, 5, levels[zerolog.ErrorLevel].Fields["time"], "it is none")
	require.Greater(t, len(app.Logs()), len(app.Logs("talker")), "the pool's own")
}

func TestRecordsAreCopies(t *testing.T) {
	app := fxtest.New(t, failing(1)).RequireStart()
	app.AwaitStatus("mailer", workerfx.StatusError)
	app.RequireStop()
	for _, l := range app.Logs("mailer") {
		clear(l.Fields)
	}
	clear(app.Logs())
	clear(app.Spans())
	require.Equal(t, "mailer", app.Logs("mailer")[0].Fields["worker"])
	require.NotNil(t, app.Spans()[0])
}

func TestSpansCarryTheRunTheyAreOf(t *testing.T) {
	inAndOutOfBubble(t, func(t *testing.T) {
		app := fxtest.New(t, failing(1),
			workerfx.ProvideWorker(func() workerfx.Worker { return workerfx.NewWorker("idle", untilStopped) })).RequireStart()
		e := app.AwaitStatus("mailer", workerfx.StatusError)
		spans := app.Spans("mailer")
		require.Len(t, spans, 1)
		require.Equal(t, "dial", spans[0].Name())
		require.Equal(t, "worker", spans[0].InstrumentationScope().Name)
		require.ElementsMatch(t, spans[0].Attributes(),
			[]attribute.KeyValue{attribute.String("Worker", "mailer"), attribute.String("WorkerExecutionID", e.ID)})
		require.Empty(t, app.Spans("idle"))
	})
}

func TestRecordsOfAnUnknownWorkerFailTheTest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tb := &fakeTB{}
		failure := tb.run(func() {
			app := fxtest.New(tb, failing(1), workerfx.ProvideWorker(newFeed), fx.Supply(workerfx.Config{Except: []string{"feed"}})).RequireStart()
			app.AwaitStatus("mailer", workerfx.StatusError)
			read := make(chan struct{})
			go func() {
				defer close(read)
				app.Logs("mailer", "poler")
				app.Spans("mailer", "poler")
			}()
			<-read
			require.Empty(t, app.Logs("feed"), "a worker that is excluded")
			require.Empty(t, app.Spans("feed"))
		})
		const there = "the pool has no such worker; there are:\n  \"feed\"\n  \"mailer\"\n"
		require.Equal(t, `Logs("poler"): `+there+`Spans("poler"): `+there, failure)

		tb = &fakeTB{}
		require.Equal(t, "Logs(\"poler\"): the pool has no such worker; there are: none\n", tb.run(func() { fxtest.New(tb).Logs("poler") }))
	})
}

func TestRecordsOfAWorkerThatIsGoneAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := fxtest.New(t, workerfx.ProvideWorker(func() workerfx.Worker {
			return workerfx.NewWorker("parent", func(ctx context.Context) error {
				if err := workerfx.AddChild(ctx, workerfx.NewWorker("child", untilStopped)); err != nil {
					return err
				}
				workerfx.Wait(ctx, time.Second)
				return workerfx.RemoveChild(ctx, "child")
			})
		})).RequireStart()
		app.AwaitStatus("parent", workerfx.StatusSuccess)
		require.NoError(t, app.Pool.Remove(t.Context(), "parent"))
		synctest.Wait()
		require.Empty(t, app.Pool.Executions())
		require.NotEmpty(t, app.Logs("parent"))
		require.NotEmpty(t, app.Logs("parent/child"))
		require.Empty(t, app.Spans("parent", "parent/child"))
	})
}

func TestRecordsMayBeReadWhileTheyAreWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := fxtest.New(t)
		const workers, runs = 4, 20
		for i := range workers {
			require.NoError(t, app.Pool.Add(newMailer(nil), workerfx.WithName(strconv.Itoa(i)),
				workerfx.WithMaxAttempts(runs)))
		}
		var readers sync.WaitGroup
		app.RequireStart()
		for range workers {
			readers.Go(func() {
				for range 10 {
					app.Logs("0")
					app.Spans("1")
					app.MetricExists("worker_running", "worker", "2")
				}
			})
		}
		for i := range workers {
			app.AwaitStatus(strconv.Itoa(i), workerfx.StatusError)
		}
		readers.Wait()
		require.Len(t, app.Spans(), workers*runs)
	})
}
