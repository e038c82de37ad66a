package workerfx_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/workerfx/workerfx"
)

func TestMain(m *testing.M) {
	time.Local = time.UTC // texts and schedules are in local time
	goleak.VerifyTestMain(m)
}

// raise sets most to n if n is more.
func raise(most *atomic.Int64, n int64) {
	for before := most.Load(); n > before && !most.CompareAndSwap(before, n); before = most.Load() {
	}
}

var errBoom = errors.New("boom")

// silent is a logger that says nothing.
var silent = workerfx.WithLogger(zerolog.Nop())

// newPool makes a silent pool with these workers.
func newPool(t testing.TB, workers ...workerfx.Worker) *workerfx.Pool {
	t.Helper()
	pool := newPoolWith(t)
	for _, w := range workers {
		require.NoError(t, pool.Add(w))
	}
	return pool
}

// newPoolWith makes a pool with these options.
func newPoolWith(t testing.TB, opts ...workerfx.PoolOption) *workerfx.Pool {
	t.Helper()
	pool, err := workerfx.NewPool(append(opts, workerfx.WithLogger(zerolog.Nop()))...)
	require.NoError(t, err)
	return pool
}

// startPool makes a silent pool with these workers, starts it, and stops it when the test is over.
func startPool(t testing.TB, workers ...workerfx.Worker) *workerfx.Pool {
	t.Helper()
	pool := newPool(t, workers...)
	require.NoError(t, pool.Start(t.Context()))
	t.Cleanup(func() { _ = pool.Stop(context.Background()) })
	return pool
}

// bubble runs a test on fake time.
func bubble(name string, t *testing.T, test func(t *testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) { synctest.Test(t, test) })
}

// execution reports on a worker once nothing moves any more.
func execution(t testing.TB, pool *workerfx.Pool, name string) workerfx.Execution {
	t.Helper()
	synctest.Wait()
	e, err := pool.Execution(name)
	require.NoError(t, err)
	return e
}

func succeeds(context.Context) error { return nil }

// untilStopped is the body of a worker that does nothing and obeys.
func untilStopped(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// untilTold returns the body of a worker that ends with err when it is told to, or when it is stopped.
func untilTold(end <-chan struct{}, err error) workerfx.RunFunc {
	return func(ctx context.Context) error {
		select {
		case <-end:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// stubborn returns the body of a worker that ignores its context until release is closed.
func stubborn(release <-chan struct{}) workerfx.RunFunc {
	return func(context.Context) error {
		<-release
		return nil
	}
}

// within is a context that ends after d.
func within(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

// must returns v, or panics if there is an error.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// inRun calls fn within a run of a worker, and waits until it returns.
func inRun(tb testing.TB, fn func(ctx context.Context), opts ...workerfx.PoolOption) {
	tb.Helper()
	pool := must(workerfx.NewPool(append([]workerfx.PoolOption{silent}, opts...)...))
	done := make(chan struct{})
	err := pool.Add(workerfx.NewWorker("inner", func(ctx context.Context) error {
		defer close(done)
		fn(ctx)
		return nil
	}))
	require.NoError(tb, errors.Join(err, pool.Start(context.Background())))
	<-done
	require.NoError(tb, pool.Stop(context.Background()))
}
