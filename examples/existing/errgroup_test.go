package main

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx"
)

func TestTheGroupRunsAgainWhenOneOfItsGoroutinesFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		values := []uint64{100, 150, 200, 0, 300}
		var told []uint64
		looks := 0
		service := &memory{
			every: time.Minute,
			read: func() (uint64, error) {
				value := values[min(looks, len(values)-1)]
				looks++
				if value == 0 {
					return 0, errors.New("no such file")
				}
				return value, nil
			},
			tell: func(_ context.Context, bytes uint64) { told = append(told, bytes) },
		}
		pool := startPool(t, workerfx.NewWorker("memory", service.Watch, workerfx.WithMaxAttempts(0)))
		time.Sleep(time.Hour)
		synctest.Wait()

		require.Equal(t, []uint64{100, 200, 300}, told, "it begins anew after the failure")
		e, err := pool.Execution("memory")
		require.NoError(t, err)
		require.EqualValues(t, 2, e.Runs)
		require.ErrorContains(t, e.Err, "no such file")
		require.NoError(t, stop(pool))
		e, err = pool.Execution("memory")
		require.NoError(t, err)
		require.Equal(t, workerfx.StatusStopped, e.Status, "to obey is no failure")
	})
}
