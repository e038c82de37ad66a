package queue

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/riverqueue/river/rivertype"
	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx/queue/internal/database"
)

func TestACancelledJobSeesWhyAlsoWithATimeout(t *testing.T) {
	t.Parallel()
	rivers, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	r := &queueRun{ctx: t.Context(), cancels: make(map[database.JobAttempt]context.CancelCauseFunc)}
	ctx, end := r.handlerContext(rivers)
	defer end(nil)
	job := database.JobAttempt{ID: 1, Attempt: 1}
	defer r.cancellable(job, end)()
	r.cancelJobs([]database.JobAttempt{job})
	require.ErrorIs(t, context.Cause(ctx), ErrCancelled)
}

func TestRiverSeesNoEndOfAContextInAnAttemptThatCounts(t *testing.T) {
	t.Parallel()
	err := fmt.Errorf("clean up: %w", context.Canceled) // River, while it stops, would let the job run again
	for _, how := range []outcome{failed, exhausted, discarded} {
		told := new(attempt).riverError(t.Context(), err, how)
		require.ErrorContains(t, told, "clean up: context canceled", how)
		require.NotErrorIs(t, told, context.Canceled, how)
		_, isCancel := errors.AsType[*rivertype.JobCancelError](told)
		require.Equal(t, how == discarded, isCancel, how)
	}
}
