package faults_test

import (
	"context"
	"errors"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/workerfx/workerfx"
)

func TestMain(m *testing.M) {
	if misdeed, isChild := misdeeds[os.Getenv(misdeedVariable)]; isChild {
		misdeed.do()
		return
	}
	goleak.VerifyTestMain(m)
}

var (
	errBoom = errors.New("boom")

	silent = workerfx.WithLogger(zerolog.Nop())

	second  = workerfx.WithBackoff(workerfx.StaticBackoff{Sleep: time.Second})
	endless = workerfx.WithMaxAttempts(0)
)

// patience limits every wait for something real. It is long, as a busy machine is slow.
const patience = 10 * time.Minute

// newPool makes a pool with these options. It is silent unless one of them is a logger.
func newPool(t testing.TB, opts ...workerfx.PoolOption) *workerfx.Pool {
	t.Helper()
	pool, err := workerfx.NewPool(append([]workerfx.PoolOption{silent}, opts...)...)
	require.NoError(t, err)
	return pool
}

// add adds workers to a pool.
func add(t testing.TB, pool *workerfx.Pool, workers ...workerfx.Worker) {
	t.Helper()
	for _, w := range workers {
		require.NoError(t, pool.Add(w))
	}
}

// start adds workers to a pool, starts it, and stops it when the test is over.
func start(t testing.TB, pool *workerfx.Pool, workers ...workerfx.Worker) *workerfx.Pool {
	t.Helper()
	add(t, pool, workers...)
	require.NoError(t, pool.Start(t.Context()))
	t.Cleanup(func() { _ = pool.Stop(context.Background()) })
	return pool
}

// startPool starts a silent pool with these workers until the test is over.
func startPool(t testing.TB, workers ...workerfx.Worker) *workerfx.Pool {
	t.Helper()
	return start(t, newPool(t), workers...)
}

// bubble runs a test on fake time.
func bubble(name string, t *testing.T, test func(t *testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) { synctest.Test(t, test) })
}

// report is that of a worker once nothing moves any more.
func report(t testing.TB, pool *workerfx.Pool, name string) workerfx.Execution {
	t.Helper()
	synctest.Wait()
	e, err := pool.Execution(name)
	require.NoError(t, err)
	return e
}

// stop stops a pool, which must come off cleanly.
func stop(t testing.TB, pool *workerfx.Pool) {
	t.Helper()
	require.NoError(t, pool.Stop(within(t, 10*time.Second)))
}

// requireStraggler stops a pool within d, and requires that the one worker is named which did not stop.
func requireStraggler(t testing.TB, pool *workerfx.Pool, worker string, d time.Duration) workerfx.Straggler {
	t.Helper()
	var late *workerfx.StopError
	require.ErrorAs(t, pool.Stop(within(t, d)), &late)
	require.Len(t, late.Stragglers, 1)
	require.Equal(t, worker, late.Stragglers[0].Worker)
	return late.Stragglers[0]
}

// within is a context that ends after d.
func within(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

// ended is a context that has ended.
func ended() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// untilStopped is the body of a worker that does nothing and obeys.
func untilStopped(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// fails is the body of a worker that fails at once.
func fails(context.Context) error { return errBoom }

// once returns the body of a worker whose first run is run, and which obeys from then on.
func once(run workerfx.RunFunc) workerfx.RunFunc {
	return func(ctx context.Context) error {
		if workerfx.CtxAttempt(ctx) == 1 {
			return run(ctx)
		}
		return untilStopped(ctx)
	}
}
