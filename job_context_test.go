package workerfx_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/workerfx/workerfx"
)

func TestJobOfAnotherEngineHasItsOwnIDAndAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log logBuffer
		spans := tracetest.NewSpanRecorder()
		tracers := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
		pool, err := workerfx.NewPool(workerfx.WithLogger(*log.logger()), workerfx.WithTracerProvider(tracers))
		require.NoError(t, err)
		require.NoError(t, pool.Add(workerfx.NewWorker("w", func(ctx context.Context) error {
			run := workerfx.CtxExecutionID(ctx)
			ctx = context.WithValue(workerfx.JobContext(ctx, "job-7", 3), ctxKey{}, "wrapped")
			require.Equal(t, "w", workerfx.CtxWorkerName(ctx))
			require.Equal(t, "job-7", workerfx.CtxExecutionID(ctx))
			require.Equal(t, 3, workerfx.CtxAttempt(ctx))
			workerfx.CtxLogger(ctx).Info().Msg("working")
			_, span := workerfx.CtxTracer(ctx).Start(ctx, "work")
			span.End()
			return workerfx.AddChild(ctx, workerfx.NewWorker("child", func(ctx context.Context) error {
				require.NotContains(t, []string{"job-7", run, ""}, workerfx.CtxExecutionID(ctx), "a child's run is no job")
				require.Equal(t, 1, workerfx.CtxAttempt(ctx))
				return nil
			}))
		})))
		require.NoError(t, pool.Start(t.Context()))
		synctest.Wait()
		require.NoError(t, pool.Stop(context.Background()))

		line := log.find(t, "working")
		require.Equal(t, "w", line["worker"])
		require.Equal(t, "job-7", line["workerExecutionID"])
		require.EqualValues(t, 3, line["attempt"])
		require.Contains(t, fmt.Sprint(spans.Ended()[0].Attributes()), "job-7")
	})
}

type ctxKey struct{}

func TestJobsOfAnotherEngineAreCountedAndASignOfLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := startPool(t, workerfx.NewWorker("w", func(ctx context.Context) error {
			for _, err := range []error{nil, workerfx.ErrDoNotRestart, errBoom, workerfx.ErrSkip, fmt.Errorf("well: %w", workerfx.ErrSkip)} {
				workerfx.Wait(ctx, 50*time.Second)
				workerfx.CountJob(ctx, err)
			}
			<-ctx.Done()
			workerfx.CountJob(ctx, errors.Join(errBoom, ctx.Err())) // to obey is no failure
			workerfx.CountJob(ctx, errBoom)
			workerfx.CountJob(ctx, nil)
			return ctx.Err()
		}, workerfx.WithHeartbeat(time.Minute)))
		time.Sleep(5 * 50 * time.Second)
		require.NoError(t, pool.Health())
		require.NoError(t, pool.Stop(context.Background()))
		e := execution(t, pool, "w")
		require.EqualValues(t, 3, e.Jobs)
		require.EqualValues(t, 2, e.FailedJobs)
	})
}

func TestJobsOfAnotherEngineMeanNothingOutsideOfARun(t *testing.T) {
	workerfx.CountJob(t.Context(), errBoom)
	require.Equal(t, t.Context(), workerfx.JobContext(t.Context(), "x", 1))
}

func TestParsedCronIsThatOfWithCron(t *testing.T) {
	schedule, err := workerfx.ParseCron("30 4 * * *")
	require.NoError(t, err)
	require.Equal(t, time.Date(2026, 1, 2, 4, 30, 0, 0, time.UTC), schedule.Next(time.Date(2026, 1, 1, 5, 0, 0, 0, time.UTC)))
	_, err = workerfx.ParseCron("61 * * * *")
	require.ErrorContains(t, err, "61")
}
