package faults_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/health"
)

func TestARandomOrderStartsOrIsRefusedWithItsCycleNamed(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 0))
		n, acyclic := 2+r.IntN(12), seed%2 == 0
		bubble(fmt.Sprint(seed), t, func(t *testing.T) {
			pool := newPool(t)
			after := make(map[string][]string)
			for i := range n {
				name := fmt.Sprint("w", i)
				for range r.IntN(3) {
					if other := r.IntN(n); !acyclic || other < i {
						after[name] = append(after[name], fmt.Sprint("w", other))
					}
				}
				add(t, pool, workerfx.NewWorker(name, untilStopped, workerfx.WithAfter(after[name]...)))
			}
			err := pool.Start(t.Context())
			if err == nil {
				require.NoError(t, pool.Ready(within(t, time.Minute)), "all begin in the end")
				stop(t, pool)
				return
			}
			require.False(t, acyclic, "%v", err)
			_, circle, _ := strings.Cut(err.Error(), "in a circle: ")
			names := strings.Split(circle, " -> ")
			require.Greater(t, len(names), 1, "%v", err)
			require.Equal(t, names[0], names[len(names)-1])
			for i, name := range names[1:] {
				require.Contains(t, after[names[i]], name, "%v", err)
			}
		})
	}
}

func TestAHostileNameToComeAfterIsAnErrorOfStart(t *testing.T) {
	for what, name := range hostileNames {
		t.Run(what, func(t *testing.T) {
			pool := newPool(t)
			err := pool.Add(workerfx.NewWorker("w", untilStopped, workerfx.WithAfter(name)))
			if err == nil {
				err = pool.Start(t.Context())
			}
			require.ErrorContains(t, err, `"w": after`)
			requireReadable(t, err.Error())
		})
	}
}

// misbehavingAt is a log sink that misbehaves at lines that contain a text.
func misbehavingAt(text string, do func()) workerfx.PoolOption {
	return workerfx.WithLogger(zerolog.New(writerFunc(func(line []byte) {
		if strings.Contains(string(line), text) {
			do()
		}
	})))
}

func TestALogSinkThatMisbehavesAtAStuckRunDoesNoHarm(t *testing.T) {
	for name, do := range misbehaviours {
		bubble(name, t, func(t *testing.T) {
			pool := start(t, newPool(t, misbehavingAt("worker is stuck", do)),
				workerfx.NewWorker("stuck", untilStopped, workerfx.WithHeartbeat(time.Second)),
				workerfx.NewWorker("again", untilStopped, workerfx.WithHeartbeat(time.Second, workerfx.RestartStuck), endless, second))
			time.Sleep(time.Minute)
			require.ErrorIs(t, pool.Health(), workerfx.ErrStuck)
			assert.EqualValues(t, 1, report(t, pool, "stuck").Runs)
			assert.InDelta(t, 30, report(t, pool, "again").Runs, 1)
			stop(t, pool)
		})
	}
}

func TestALogSinkThatMisbehavesAtADependentOfAFailedWorkerDoesNoHarm(t *testing.T) {
	for name, do := range misbehaviours {
		bubble(name, t, func(t *testing.T) {
			pool := start(t, newPool(t, misbehavingAt("worker does not start", do)),
				workerfx.NewWorker("first", once(fails), workerfx.WithReadiness()), // without it, its begin would do
				workerfx.NewWorker("second", untilStopped, workerfx.WithAfter("first")))
			time.Sleep(time.Minute)
			assert.Equal(t, workerfx.StatusPending, report(t, pool, "second").Status)
			require.Error(t, pool.Ready(within(t, time.Minute)))
			require.NoError(t, pool.Remove(t.Context(), "first"))
			assert.Equal(t, workerfx.StatusRunning, report(t, pool, "second").Status)
			stop(t, pool)
		})
	}
}

func TestHealthIsReadableWhateverTheErrorIs(t *testing.T) {
	ends := map[string]workerfx.RunFunc{}
	for name, broken := range brokenRuns() {
		ends[name] = broken.run
	}
	for name, text := range hostileTexts {
		ends[name] = func(context.Context) error { return errors.New(text) }
	}
	for name, end := range ends {
		bubble(name, t, func(t *testing.T) {
			pool := startPool(t, workerfx.NewWorker("w", end))
			synctest.Wait()
			err := pool.Health()
			var problems *workerfx.HealthError
			require.ErrorAs(t, err, &problems)
			require.True(t, problems.Has(workerfx.TroubleFailed))
			requireHarmless(t, err.Error())
			answer := httptest.NewRecorder()
			health.Handler(pool).ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/readyz", http.NoBody))
			assert.Equal(t, http.StatusServiceUnavailable, answer.Code)
			assert.Len(t, strings.Split(answer.Body.String(), "\n"), 4, "%s", answer.Body)
			stop(t, pool)
		})
	}
}
