package health_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/health"
)

func TestProbesFailForWhatTheyAreAskedAbout(t *testing.T) {
	failing := func(context.Context) error { return errBoom }
	tests := []struct {
		name        string
		worker      workerfx.Worker
		live, ready int
		answer      string // of /readyz
	}{
		{"running", workerfx.NewWorker("w", untilStopped), 200, 200, "ok\n"},
		{
			"failed for good", workerfx.NewWorker("w", failing), 200, 503,
			"[-] workers\n    worker \"w\" is failed since 2000-01-01T00:00:00Z\nfailed\n",
		},
		{"about to try again", workerfx.NewWorker("w", failing, workerfx.WithMaxAttempts(0)), 200, 200, "ok\n"},
		{
			"not ready", workerfx.NewWorker("w", untilStopped, workerfx.WithReadiness()), 200, 503,
			"[-] workers\n    worker \"w\" is not ready since 2000-01-01T00:00:00Z\nfailed\n",
		},
		{
			"stuck", workerfx.NewWorker("w", untilStopped, workerfx.WithHeartbeat(time.Second)), 503, 503,
			"[-] workers\n    worker \"w\" is stuck since 2000-01-01T00:00:00Z\nfailed\n",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := health.Handler(startPool(t, test.worker))
				if test.name == "stuck" {
					time.Sleep(2 * time.Second)
				}
				live, _ := probe(h, "/livez")
				require.Equal(t, test.live, live, "live")
				ready, answer := probe(h, "/readyz")
				require.Equal(t, test.ready, ready, "ready")
				require.Equal(t, test.answer, answer)
			})
		})
	}
}

func TestAPoolIsReadyOnlyBetweenStartAndStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := newPool(t, workerfx.NewWorker("w", untilStopped))
		h := health.Handler(pool)
		status, answer := probe(h, "/readyz")
		require.Equal(t, 503, status)
		require.Contains(t, answer, "pool is not started")
		status, _ = probe(h, "/livez")
		require.Equal(t, 200, status, "a process that starts is alive")

		require.NoError(t, pool.Start(t.Context()))
		status, _ = probe(h, "/readyz")
		require.Equal(t, 200, status)

		require.NoError(t, pool.Stop(context.Background()))
		status, answer = probe(h, "/readyz")
		require.Equal(t, 503, status)
		require.Contains(t, answer, "pool is stopped")
		status, _ = probe(h, "/livez")
		require.Equal(t, 200, status, "a process that stops need not be killed")
	})
}

func TestTheReasonsOfTroubleAreShownOnlyOnRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := startPool(t,
			workerfx.NewWorker("db", func(context.Context) error { return errors.New("dial postgres://app:secret@db/") }),
			workerfx.NewWorker("mute", untilStopped, workerfx.WithHeartbeat(time.Second), workerfx.WithReadiness()),
			workerfx.NewWorker("next", untilStopped, workerfx.WithAfter("mute")),
		)
		time.Sleep(2 * time.Second)
		for _, path := range []string{"/readyz", "/livez"} {
			_, answer := probe(health.Handler(pool), path)
			require.NotContains(t, answer, "secret")
			require.NotContains(t, answer, "heartbeat")
			require.Contains(t, answer, `worker "mute" is stuck since 2000-01-01T00:00:00Z`)
		}
		_, answer := probe(health.Handler(pool), "/readyz")
		require.Contains(t, answer, `worker "db" is failed since 2000-01-01T00:00:00Z`)
		require.Contains(t, answer, `worker "next" is not ready since 2000-01-01T00:00:00Z: waits for mute`)
		require.NotContains(t, health.PoolCheck(pool).Check(t.Context()).Error(), "secret")

		_, answer = probe(health.Config{ShowReasons: true}.Handler(pool), "/readyz")
		require.Contains(t, answer, "secret")
		require.Contains(t, answer, "no heartbeat for 1s")
		require.ErrorContains(t, health.Config{ShowReasons: true}.PoolCheck(pool).Check(t.Context()), "secret")
		require.NoError(t, pool.Stop(context.Background()))
		_, answer = probe(health.Handler(pool), "/readyz")
		require.Contains(t, answer, "pool is stopped")
		require.NotContains(t, answer, "secret")
	})
}

func TestOtherChecksCountForReadiness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := health.Handler(startPool(t),
			health.Check{Name: "database", Check: func(context.Context) error { return errBoom }},
			health.Check{Name: "broken", Check: func(context.Context) error { panic("oh") }},
			health.Check{Name: "empty"},
		)
		status, answer := probe(h, "/healthz/readyz?verbose")
		require.Equal(t, 503, status)
		require.Equal(t, "[+] workers ok\n[-] database\n    boom\n[-] broken\n    panic: oh\n[-] empty\n    has no function\nfailed\n", answer)

		status, answer = probe(h, "/readyz?exclude=database&exclude=broken&exclude=empty&verbose")
		require.Equal(t, 200, status)
		require.Equal(t, "[+] workers ok\n[+] database excluded\n[+] broken excluded\n[+] empty excluded\nok\n", answer)

		status, _ = probe(h, "/livez")
		require.Equal(t, 200, status, "a restart would not mend them")
	})
}

func TestACheckIsToldWhenTheProbeHasGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := health.Handler(startPool(t), health.Check{Name: "slow", Check: func(ctx context.Context) error {
			<-ctx.Done()
			return context.Cause(ctx)
		}})
		start := time.Now()
		status, answer := probe(h, "/readyz")
		require.Equal(t, 503, status)
		require.Contains(t, answer, context.DeadlineExceeded.Error())
		require.Equal(t, 5*time.Second, time.Since(start))
	})
}

func TestOnlyProbesAreAnswered(t *testing.T) {
	h := health.Handler(newPool(t))
	status, _ := probeMethod(h, http.MethodGet, "/other")
	require.Equal(t, http.StatusNotFound, status)
	status, allow := probeMethod(h, http.MethodPost, "/livez")
	require.Equal(t, http.StatusMethodNotAllowed, status)
	require.Equal(t, "GET, HEAD", allow)
	status, _ = probeMethod(h, http.MethodHead, "/livez")
	require.Equal(t, http.StatusOK, status)
}

func probeMethod(h http.Handler, method, target string) (status int, allow string) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, target, http.NoBody))
	return w.Code, w.Header().Get("Allow")
}
