package dashboard_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/dashboard"
)

// BenchmarkPage10k is the first page of ten thousand workers.
func BenchmarkPage10k(b *testing.B) {
	pool := newPool(b)
	for i := range 10_000 {
		if err := pool.Add(workerfx.NewWorker(fmt.Sprintf("group-%d/worker-%04d", i%100, i), untilStopped)); err != nil {
			b.Fatal(err)
		}
	}
	if err := pool.Start(context.Background()); err != nil {
		b.Fatal(err)
	}
	defer pool.Stop(context.Background())
	h := dashboard.Handler(pool)
	b.ReportAllocs()
	for b.Loop() {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", http.NoBody))
		if w.Code != http.StatusOK {
			b.Fatal(w.Code)
		}
	}
}
