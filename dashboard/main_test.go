package dashboard_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/workerfx/workerfx"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errBoom = errors.New("boom")

func untilStopped(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// newPool makes a silent pool with these workers.
func newPool(t testing.TB, workers ...workerfx.Worker) *workerfx.Pool {
	t.Helper()
	pool, err := workerfx.NewPool(workerfx.WithLogger(zerolog.Nop()))
	require.NoError(t, err)
	for _, w := range workers {
		require.NoError(t, pool.Add(w))
	}
	return pool
}

// startPool starts such a pool, and stops it when the test is over.
func startPool(t testing.TB, workers ...workerfx.Worker) *workerfx.Pool {
	t.Helper()
	pool := newPool(t, workers...)
	require.NoError(t, pool.Start(context.Background()))
	t.Cleanup(func() { _ = pool.Stop(context.Background()) })
	return pool
}

// get asks the handler for a page.
func get(h http.Handler, target string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, target, http.NoBody))
	return w
}

// post sends a form, as a page of the handler does.
func post(h http.Handler, target, form string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, target, strings.NewReader(form))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}
