package middleware_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/workerfx/workerfx"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(holderEnv); dir != "" {
		holdLock(dir)
	}
	goleak.VerifyTestMain(m)
}

var errBoom = errors.New("boom")

// Bodies, one for each way in which a run can end.
func succeeds(context.Context) error  { return nil }
func fails(context.Context) error     { return errBoom }
func panics(context.Context) error    { panic(errBoom) }
func goexits(context.Context) error   { runtime.Goexit(); return nil }
func obeys(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }

// returning is the body that returns these errors, one a call.
func returning(errs ...error) workerfx.RunFunc {
	return func(context.Context) error {
		err := errs[0]
		errs = errs[1:]
		return err
	}
}

// bubble runs a test on fake time.
func bubble(name string, t *testing.T, test func(t *testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) { synctest.Test(t, test) })
}

// newPool makes a silent pool, or one with the options given.
func newPool(t testing.TB, opts ...workerfx.PoolOption) *workerfx.Pool {
	t.Helper()
	pool, err := workerfx.NewPool(append([]workerfx.PoolOption{workerfx.WithLogger(zerolog.Nop())}, opts...)...)
	require.NoError(t, err)
	return pool
}

// start adds a worker to a pool and starts it until the test is over.
func start(t testing.TB, pool *workerfx.Pool, name string, run workerfx.RunFunc, opts ...workerfx.Option) {
	t.Helper()
	require.NoError(t, pool.Add(workerfx.NewWorker(name, run, opts...)))
	require.NoError(t, pool.Start(t.Context()))
	t.Cleanup(func() { _ = pool.Stop(context.Background()) })
}

// report returns the report of the worker when all goroutines of the bubble wait.
func report(t testing.TB, pool *workerfx.Pool, name string) workerfx.Execution {
	t.Helper()
	synctest.Wait()
	e, err := pool.Execution(name)
	require.NoError(t, err)
	return e
}

// ending is how a call ended. All is zero after a Goexit.
type ending struct {
	returned bool
	err      error
	panicked any
}

// call calls run on a goroutine of its own, and waits for its end.
func call(ctx context.Context, run workerfx.RunFunc) (end ending) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { end.panicked = recover() }()
		end.err = run(ctx)
		end.returned = true
	}()
	<-done
	return end
}

// log keeps log records.
type log struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// context returns a context that carries the log.
func (l *log) context(ctx context.Context) context.Context {
	return zerolog.New(l).WithContext(ctx)
}

// records returns the records with this message.
func (l *log) records(t testing.TB, message string) (found []map[string]any) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range bytes.Lines(l.buf.Bytes()) {
		var record map[string]any
		require.NoError(t, json.Unmarshal(line, &record), "%s", line)
		if record["message"] == message {
			found = append(found, record)
		}
	}
	return found
}
