package faults_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/health"
)

// probe is what a probe's request is answered.
func probe(ctx context.Context, h http.Handler, target string) (status int, answer string) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, target, http.NoBody))
	return w.Code, w.Body.String()
}

// checked is the handler of a pool without workers that has these checks.
func checked(t *testing.T, checks ...health.Check) http.Handler {
	t.Helper()
	return health.Handler(startPool(t), checks...)
}

// hostileChecks are checks that do anything but return nil, and what is to be seen of it.
func hostileChecks() map[string]struct {
	check func(context.Context) error
	says  string
} {
	type hostileCheck = struct {
		check func(context.Context) error
		says  string
	}
	checks := map[string]hostileCheck{
		"two panics on one another": {func(context.Context) error { panic(stringer{func() { panic(stringer{panicInside}) }}) }, "panic"},
		"no function":               {nil, "has no function"},
		"a panic for the server":    {func(context.Context) error { panic(http.ErrAbortHandler) }, "panic: "},
	}
	for name, broken := range brokenRuns() {
		says := broken.says
		switch {
		case strings.Contains(name, "in Is"), strings.Contains(name, "in Unwrap"), name == "joined error that panics":
			says = "hostile" // nobody asks whose error it is
		case strings.Contains(says, workerfx.ErrGoexit.Error()) && name != "ErrGoexit":
			says = "ended its goroutine"
		}
		checks[name] = hostileCheck{broken.run, says}
	}
	for name, text := range hostileTexts {
		checks[name] = hostileCheck{func(context.Context) error { return errors.New(text) }, ""}
		checks["panic of "+name] = hostileCheck{func(context.Context) error { panic(text) }, "panic"}
	}
	return checks
}

func TestAHostileCheckFailsItsProbeAndNothingElse(t *testing.T) {
	for name, test := range hostileChecks() {
		bubble(name, t, func(t *testing.T) {
			h := checked(t, health.Check{Name: "bad", Check: test.check}, health.Check{Name: "good", Check: succeeds})
			for range 3 {
				status, answer := probe(t.Context(), h, "/readyz")
				require.Equal(t, http.StatusServiceUnavailable, status)
				requireAnswer(t, answer, "[+] workers ok", "[-] bad", "[+] good ok")
				require.Contains(t, answer, test.says)
			}
			status, _ := probe(t.Context(), h, "/readyz?exclude=bad")
			assert.Equal(t, http.StatusOK, status)
			status, _ = probe(t.Context(), h, "/livez")
			assert.Equal(t, http.StatusOK, status)
		})
	}
}

// requireAnswer requires that a probe's answer has exactly these lines but for what is indented, and that it may be
// shown anywhere.
func requireAnswer(t *testing.T, answer string, lines ...string) {
	t.Helper()
	require.Less(t, len(answer), 100_000)
	require.True(t, utf8.ValidString(answer))
	require.NotContains(t, answer, "\x1b")
	require.NotContains(t, answer, "\x00")
	require.NotContains(t, answer, "\r")
	var found []string
	for line := range strings.Lines(answer) {
		if !strings.HasPrefix(line, "    ") {
			found = append(found, strings.TrimSuffix(line, "\n"))
		}
	}
	require.Equal(t, append(lines, "failed"), found)
}

func TestACheckThatHangsIsNamedInTimeAndCostsTheOthersNothing(t *testing.T) {
	hangs := map[string]func(hang func()) func(context.Context) error{
		"check": func(hang func()) func(context.Context) error {
			return func(context.Context) error { hang(); return nil }
		},
		"Error":             func(hang func()) func(context.Context) error { return returning(hostile{onError: hang}, "").run },
		"String of a panic": func(hang func()) func(context.Context) error { return panicking(stringer{hang}, "").run },
		"deferred function": func(hang func()) func(context.Context) error {
			return panickingIn(func() { defer hang(); panic("first") }, "").run
		},
	}
	for name, with := range hangs {
		bubble(name, t, func(t *testing.T) {
			release := make(chan struct{})
			defer close(release)
			obeys := func(ctx context.Context) error { return ctx.Err() }
			h := checked(t, health.Check{Name: "before", Check: obeys},
				health.Check{Name: "hanging", Check: with(func() { hangHere(release) })}, health.Check{Name: "after", Check: obeys})
			begin := time.Now()
			status, answer := probe(t.Context(), h, "/readyz")
			require.Equal(t, http.StatusServiceUnavailable, status)
			requireAnswer(t, answer, "[+] workers ok", "[+] before ok", "[-] hanging", "[+] after ok")
			assert.Contains(t, answer, "[-] hanging\n    has not returned: context deadline exceeded\n")
			assert.Less(t, time.Since(begin), 5500*time.Millisecond)

			begin = time.Now()
			status, answer = probe(within(t, time.Second), h, "/readyz") // as short as the one who asks likes
			require.Equal(t, http.StatusServiceUnavailable, status)
			requireAnswer(t, answer, "[+] workers ok", "[+] before ok", "[-] hanging", "[+] after ok")
			assert.Less(t, time.Since(begin), 1500*time.Millisecond)
			status, _ = probe(t.Context(), h, "/livez")
			assert.Equal(t, http.StatusOK, status)
		})
	}
}

func TestCheckThatObeysItsContextLateIsAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := checked(t, health.Check{Name: "late", Check: func(ctx context.Context) error {
			<-ctx.Done()
			time.Sleep(50 * time.Millisecond)
			return errBoom
		}})
		_, answer := probe(t.Context(), h, "/readyz")
		assert.Contains(t, answer, "[-] late\n    boom\n")
	})
}

func TestManyProbesOfACheckThatHangsDoNotPileUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var going, most, calls atomic.Int64
		release := make(chan struct{})
		h := checked(t, health.Check{Name: "hanging", Check: func(context.Context) error {
			calls.Add(1)
			n := going.Add(1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			defer going.Add(-1)
			hangHere(release)
			return nil
		}}, health.Check{Name: "good", Check: succeeds})
		synctest.Wait()
		before := runtime.NumGoroutine()
		for range 3 {
			var wg sync.WaitGroup
			for range 200 {
				wg.Go(func() {
					status, answer := probe(within(t, time.Second), h, "/readyz")
					assert.Equal(t, http.StatusServiceUnavailable, status)
					assert.Contains(t, answer, "[-] hanging\n")
					assert.Contains(t, answer, "[+] good ok\n")
				})
			}
			wg.Wait()
		}
		synctest.Wait()
		runtime.GC() // while it collects, those that ended may be counted
		assert.Less(t, runtime.NumGoroutine(), before+20)
		assert.LessOrEqual(t, most.Load(), int64(8))
		assert.Equal(t, most.Load(), calls.Load(), "no check that waited for its turn was called")
		close(release)
		synctest.Wait()
		status, _ := probe(t.Context(), h, "/readyz")
		assert.Equal(t, http.StatusOK, status, "once it has come back it is asked again")
	})
}

func TestManyProbesAtOnceOfASlowCheckAllPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := checked(t, health.Check{Name: "slow", Check: func(context.Context) error { time.Sleep(100 * time.Millisecond); return nil }})
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				status, answer := probe(t.Context(), h, "/readyz")
				assert.Equal(t, http.StatusOK, status, answer)
			})
		}
		wg.Wait()
	})
}

func TestChecksWithHostileDoubleAndEmptyNamesAreTold(t *testing.T) {
	for what, name := range hostileNames {
		bubble(what, t, func(t *testing.T) {
			h := checked(t, health.Check{Name: name, Check: fails}, health.Check{Name: "twice", Check: fails},
				health.Check{Name: "twice", Check: succeeds}, health.Check{Name: "workers", Check: fails})
			_, answer := probe(t.Context(), h, "/readyz")
			first, rest, _ := strings.Cut(strings.TrimPrefix(answer, "[+] workers ok\n"), "\n")
			assert.Greater(t, len(first), len("[-] "), "there is something to be seen")
			assert.Less(t, len(first), 1000)
			assert.Equal(t, "    boom\n[-] twice\n    boom\n[+] twice ok\n[-] workers\n    boom\nfailed\n", rest)
			requireReadable(t, answer)

			status, answer := probe(t.Context(), h, "/readyz?verbose&exclude=twice&exclude=workers&exclude="+url.QueryEscape(name))
			assert.Equal(t, http.StatusOK, status, "each can be left out")
			requireReadable(t, answer)
		})
	}
}

func TestAProbeWhoseRequestIsOverIsAnsweredAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		hang := make(chan struct{})
		defer close(hang)
		h := checked(t, health.Check{Name: "deaf", Check: func(context.Context) error { calls.Add(1); hangHere(hang); return nil }})
		begin := time.Now()
		status, answer := probe(ended(), h, "/readyz")
		assert.Equal(t, http.StatusServiceUnavailable, status)
		assert.Contains(t, answer, "[-] deaf\n    was not asked: context canceled")
		assert.Less(t, time.Since(begin), time.Second)
		assert.Zero(t, calls.Load())
	})
}

func TestOnlyGETAndHEADAskTheChecks(t *testing.T) {
	var calls atomic.Int64
	server := httptest.NewServer(checked(t, health.Check{Name: "check", Check: func(context.Context) error { calls.Add(1); return errBoom }}))
	defer server.Close()
	for method, want := range map[string]int{
		http.MethodGet: 503, http.MethodHead: 503, http.MethodPost: 405, http.MethodPut: 405, http.MethodDelete: 405,
		http.MethodPatch: 405, http.MethodOptions: 405, http.MethodTrace: 405, "BREW": 405,
	} {
		before := calls.Load()
		request, err := http.NewRequestWithContext(t.Context(), method, server.URL+"/readyz", http.NoBody)
		require.NoError(t, err)
		answer, err := server.Client().Do(request)
		require.NoError(t, err, method)
		require.NoError(t, answer.Body.Close())
		assert.Equal(t, want, answer.StatusCode, method)
		assert.Equal(t, want == 503, calls.Load() > before, method)
	}
}

func TestAProbeIsAnsweredOverHTTPThoughItsCheckEndsTheGoroutine(t *testing.T) {
	server := httptest.NewServer(checked(t, health.Check{Name: "bad", Check: func(context.Context) error { runtime.Goexit(); return nil }}))
	defer server.Close()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/readyz", http.NoBody)
	require.NoError(t, err)
	answer, err := server.Client().Do(request)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	assert.Equal(t, http.StatusServiceUnavailable, answer.StatusCode)
}

// TestTheErrorsOfWorkersAreNotTakenForThePoolsOwn has workers fail with what another pool may have told them.
func TestTheErrorsOfWorkersAreNotTakenForThePoolsOwn(t *testing.T) {
	errs := map[string]func() error{
		"not started": func() error { return workerfx.ErrNotStarted },
		"stopped":     func() error { return workerfx.ErrPoolStopped },
		"panics":      func() error { return hostile{onIs: later(panicInside)} },
		"exits":       func() error { return hostile{onIs: later(runtime.Goexit)} },
	}
	for name, err := range errs {
		bubble(name, t, func(t *testing.T) {
			pool := startPool(t, workerfx.NewWorker("w", func(context.Context) error { return fmt.Errorf("other pool: %w", err()) }, endless, second))
			time.Sleep(500 * time.Millisecond)
			status, answer := probe(t.Context(), health.Handler(pool), "/readyz?verbose")
			assert.Equal(t, http.StatusOK, status, "a worker that runs again is only named: %s", answer)
			stop(t, pool)
			status, answer = probe(t.Context(), health.Handler(pool), "/readyz")
			assert.Equal(t, http.StatusServiceUnavailable, status)
			assert.Contains(t, answer, "pool is stopped")
			assert.NotContains(t, answer, "not started")
		})
	}
}

// later is do, but for the first moment, when the pool is the one who calls it.
func later(do func()) func() {
	begin := time.Now()
	return func() {
		if time.Since(begin) > 0 {
			do()
		}
	}
}

func TestProbesBesideAStormOfCommands(t *testing.T) {
	s := newStorm(t, 1)
	server := httptest.NewServer(health.Handler(s.pool, health.Check{Name: "pool", Check: func(context.Context) error { return s.pool.Health() }}))
	defer server.Close()
	var over atomic.Bool
	var wg sync.WaitGroup
	var answered [600]atomic.Int64
	for _, path := range []string{"/livez", "/readyz", "/readyz?verbose", "/readyz?exclude=workers"} {
		wg.Go(func() {
			for !over.Load() {
				request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+path, http.NoBody)
				assert.NoError(t, err)
				answer, err := server.Client().Do(request)
				if assert.NoError(t, err) {
					answered[answer.StatusCode].Add(1)
					assert.NoError(t, answer.Body.Close())
				}
			}
		})
	}
	for range 2 {
		wg.Go(func() {
			for r := s.source(); !over.Load(); {
				pick(r, commands)(s, r, t.Context())
			}
		})
	}
	require.Eventually(t, func() bool { // not started yet: live, but not ready
		return answered[http.StatusOK].Load() > 0 && answered[http.StatusServiceUnavailable].Load() > 0
	}, patience, time.Millisecond)
	require.NoError(t, s.pool.Start(t.Context()))
	time.Sleep(300 * time.Millisecond)
	s.stopWatch.stop(t, s.pool)
	time.Sleep(20 * time.Millisecond)
	over.Store(true)
	wg.Wait()
	for status := range answered {
		n := answered[status].Load()
		assert.Equal(t, status == http.StatusOK || status == http.StatusServiceUnavailable, n > 0, "%d: %d times", status, n)
	}
}
