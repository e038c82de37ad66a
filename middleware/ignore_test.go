package middleware_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/middleware"
)

func TestIgnoreErrorsIgnoresWhatItMay(t *testing.T) {
	ended, cancel := context.WithCancelCause(context.Background())
	cancel(workerfx.ErrStopping)
	other := errors.New("other")
	wrapped := fmt.Errorf("wrapped: %w", errBoom)
	tests := map[string]struct {
		ctx     context.Context
		only    []error
		err     error
		ignored bool
	}{
		"all errors":                {t.Context(), nil, errBoom, true},
		"one of them":               {t.Context(), []error{other, errBoom}, wrapped, true},
		"none of them":              {t.Context(), []error{other}, wrapped, false},
		"ErrDoNotRestart":           {t.Context(), nil, workerfx.ErrDoNotRestart, false},
		"ErrDoNotRestart, a cause":  {t.Context(), []error{errBoom}, fmt.Errorf("%w: %w", workerfx.ErrDoNotRestart, errBoom), false},
		"ErrDoNotRestart, named":    {t.Context(), []error{workerfx.ErrDoNotRestart}, workerfx.ErrDoNotRestart, false},
		"ErrSkip":                   {t.Context(), nil, fmt.Errorf("not today: %w", workerfx.ErrSkip), false},
		"ErrStopping":               {t.Context(), nil, workerfx.ErrStopping, false},
		"another's cancellation":    {t.Context(), nil, context.Canceled, true},
		"its own cancellation":      {ended, nil, context.Canceled, false},
		"its own cause":             {ended, []error{workerfx.ErrStopping}, workerfx.ErrStopping, false},
		"its own, wrapped":          {ended, nil, fmt.Errorf("query: %w", context.Canceled), false},
		"an error after the end":    {ended, nil, errBoom, true},
		"another's deadline, ended": {ended, nil, context.DeadlineExceeded, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var log log
			err := middleware.IgnoreErrors(test.only...)(returning(test.err))(log.context(test.ctx))
			records := log.records(t, "error ignored")
			if !test.ignored {
				assert.Equal(t, test.err, err)
				assert.Empty(t, records)
				return
			}
			assert.NoError(t, err)
			require.Len(t, records, 1)
			assert.Equal(t, "warn", records[0]["level"])
			assert.Equal(t, test.err.Error(), records[0]["error"])
		})
	}
}

func TestIgnoreErrorsKeepsItsOwnList(t *testing.T) {
	list := []error{errBoom}
	run := middleware.IgnoreErrors(list...)(fails)
	list[0] = errors.ErrUnsupported
	assert.NoError(t, run(t.Context()))
}

func TestIgnoreErrorsLeavesAStoppedWorkerStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := newPool(t)
		start(t, pool, "w", obeys, workerfx.WithMiddleware(middleware.IgnoreErrors()))
		synctest.Wait()
		require.NoError(t, pool.Stop(t.Context()))
		assert.Equal(t, workerfx.StatusStopped, report(t, pool, "w").Status)
	})
}

func TestIgnoreErrorsLetsPanicsPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := newPool(t)
		start(t, pool, "w", panics, workerfx.WithMiddleware(middleware.IgnoreErrors()))
		e := report(t, pool, "w")
		assert.Equal(t, workerfx.StatusError, e.Status)
		assert.ErrorIs(t, e.Err, errBoom)
	})
}
