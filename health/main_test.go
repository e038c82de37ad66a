package health_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
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

var errBoom = errors.New("boom")

// newPool makes a silent pool with these workers.
func newPool(t *testing.T, workers ...workerfx.Worker) *workerfx.Pool {
	t.Helper()
	pool, err := workerfx.NewPool(workerfx.WithLogger(zerolog.Nop()))
	require.NoError(t, err)
	for _, w := range workers {
		require.NoError(t, pool.Add(w))
	}
	return pool
}

// startPool starts such a pool, and stops it when the test is over.
func startPool(t *testing.T, workers ...workerfx.Worker) *workerfx.Pool {
	t.Helper()
	pool := newPool(t, workers...)
	require.NoError(t, pool.Start(t.Context()))
	t.Cleanup(func() { _ = pool.Stop(context.Background()) })
	return pool
}

// probe asks the handler when all goroutines of the bubble wait.
func probe(h http.Handler, target string) (status int, answer string) {
	synctest.Wait()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, target, http.NoBody))
	return w.Code, w.Body.String()
}

func untilStopped(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}
