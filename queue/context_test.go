package queue_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/queue"
)

func TestHandlersContextKnowsTheJob(t *testing.T) {
	onBoth(t, func(t *testing.T, db testDB) {
		a := startApp(t, db, handle(func(ctx context.Context, job *queue.Job[mail]) error {
			workerfx.CtxLogger(ctx).Info().Msg("mail sent")
			_, span := workerfx.CtxTracer(ctx).Start(ctx, "send")
			span.End()
			current, ok := queue.CtxJob(ctx)
			require.True(t, ok)
			require.Equal(t, job.JobInfo, current)
			require.Equal(t, "queue/default", workerfx.CtxWorkerName(ctx))
			require.Equal(t, fmt.Sprint(job.ID), workerfx.CtxExecutionID(ctx))
			require.Equal(t, 1, workerfx.CtxAttempt(ctx))
			return nil
		}))
		id := a.enqueue(t, mail{})
		a.awaitState(t, id, queue.StateCompleted)
		found := false
		for _, log := range a.Logs("queue/default") {
			if log.Message == "mail sent" {
				found = true
				require.Equal(t, fmt.Sprint(id), log.Fields["workerExecutionID"])
				require.Equal(t, "mail", log.Fields["kind"])
				require.EqualValues(t, 1, log.Fields["attempt"])
			}
		}
		require.True(t, found)
		_, ok := queue.CtxJob(t.Context())
		require.False(t, ok)
	})
}

func TestJobsSpanLinksToTheOneThatEnqueuedIt(t *testing.T) {
	onBoth(t, func(t *testing.T, db testDB) {
		a := startApp(t, db, handle(func(ctx context.Context, _ *queue.Job[mail]) error {
			_, span := workerfx.CtxTracer(ctx).Start(ctx, "send")
			span.End()
			return queue.Discard(errBoom)
		}))
		ctx, origin := sdktrace.NewTracerProvider().Tracer("web").Start(t.Context(), "request")
		added, err := a.client.Enqueue(ctx, mail{})
		require.NoError(t, err)
		a.awaitState(t, added.ID, queue.StateCancelled)
		var job, send sdktrace.ReadOnlySpan
		for _, span := range a.Spans("queue/default") {
			switch span.Name() {
			case "job mail":
				job = span
			case "send":
				send = span
			}
		}
		require.NotNil(t, job)
		require.Len(t, job.Links(), 1)
		require.Equal(t, origin.SpanContext().SpanID(), job.Links()[0].SpanContext.SpanID())
		require.Equal(t, origin.SpanContext().TraceID(), job.Links()[0].SpanContext.TraceID())
		require.Contains(t, job.Attributes(), attribute.Int64("job.id", added.ID))
		require.Contains(t, send.Attributes(), attribute.String("WorkerExecutionID", fmt.Sprint(added.ID)))
		require.Contains(t, job.Attributes(), attribute.String("job.outcome", "discarded"))
		require.Equal(t, "boom", job.Status().Description)
		require.Equal(t, job.SpanContext().SpanID(), send.Parent().SpanID())
	})
}
