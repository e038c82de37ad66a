package workerfx_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx"
)

// A replica that is scaled up at the moment in which it ends has one goroutine, never two.
func TestScalingAtTheEndOfARunNeverRunsAReplicaTwice(t *testing.T) {
	var running atomic.Int32
	var twice atomic.Bool
	short := workerfx.NewWorker("short", func(context.Context) error {
		if running.Add(1) > 1 {
			twice.Store(true)
		}
		running.Add(-1)
		return errBoom
	}, workerfx.WithMaxAttempts(0), workerfx.WithBackoff(workerfx.StaticBackoff{}))
	pool := startPool(t, short)
	for range 20_000 {
		require.NoError(t, pool.Scale("short", 0))
		require.NoError(t, pool.Scale("short", 1))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	require.NoError(t, pool.Stop(ctx))
	require.False(t, twice.Load(), "two runs of one replica at once")
}

func TestReplicasTellsHowManyAreWantedAndHowManyRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := startPool(t, workerfx.NewWorker("w", untilStopped, workerfx.WithReplicas(3)), workerfx.NewWorker("hourly", untilStopped, workerfx.WithInterval(time.Hour)))
		synctest.Wait()
		for name, want := range map[string][2]int{"w": {3, 3}, "hourly": {1, 0}} {
			wanted, running, err := pool.Replicas(name)
			require.NoError(t, err)
			require.Equal(t, want, [2]int{wanted, running}, name)
		}
		require.NoError(t, pool.Scale("w", 1))
		synctest.Wait()
		wanted, running, err := pool.Replicas("w")
		require.NoError(t, err)
		require.Equal(t, [2]int{1, 1}, [2]int{wanted, running})
		_, _, err = pool.Replicas("x")
		require.ErrorIs(t, err, workerfx.ErrUnknownWorker)
	})
}

// oneEnded starts a worker, or a child, whose first replica has ended, and whose second one runs.
func oneEnded(t *testing.T, pool *workerfx.Pool, name string, end chan struct{}) {
	t.Helper()
	synctest.Wait()
	require.NoError(t, pool.Pause(name))
	require.NoError(t, pool.Scale(name, 2))
	end <- struct{}{}
	synctest.Wait()
	require.NoError(t, pool.Resume(name))
	synctest.Wait()
}

func TestAnEssentialWorkerHasEndedWhenItsLastReplicaIsScaledDown(t *testing.T) {
	bubble("", t, func(t *testing.T) {
		fail := make(chan struct{}, 1)
		pool := newPool(t, workerfx.NewWorker("w", untilTold(fail, errBoom), workerfx.WithEssential()))
		require.NoError(t, pool.Start(t.Context()))
		oneEnded(t, pool, "w", fail)
		require.NotErrorIs(t, pool.Health(), workerfx.ErrPoolStopped)
		require.NoError(t, pool.Scale("w", 1))
		synctest.Wait()
		require.ErrorIs(t, pool.Health(), workerfx.ErrPoolStopped)
	})
	bubble("scaled to none", t, func(t *testing.T) {
		pool := startPool(t, workerfx.NewWorker("w", untilStopped, workerfx.WithEssential(), workerfx.WithReplicas(2)))
		synctest.Wait()
		require.NoError(t, pool.Scale("w", 0))
		synctest.Wait()
		require.NoError(t, pool.Health())
	})
}

func TestAChildHasEndedWhenItsLastReplicaIsScaledDown(t *testing.T) {
	bubble("", t, func(t *testing.T) {
		end, contexts := make(chan struct{}, 1), make(chan context.Context, 1)
		pool := startPool(t, workerfx.NewWorker("p", func(ctx context.Context) error {
			if err := workerfx.AddChild(ctx, workerfx.NewWorker("c", untilTold(end, nil))); err != nil {
				return err
			}
			contexts <- ctx
			return untilStopped(ctx)
		}))
		ctx := <-contexts
		oneEnded(t, pool, "p/c", end)
		require.Equal(t, []string{"c"}, workerfx.Children(ctx))
		require.NoError(t, pool.Scale("p/c", 1))
		synctest.Wait()
		require.Empty(t, workerfx.Children(ctx))
	})
}
