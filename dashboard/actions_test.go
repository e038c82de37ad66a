package dashboard_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/dashboard"
)

// alice may do everything.
func alice(*http.Request) (string, error) { return "alice", nil }

func status(t *testing.T, pool *workerfx.Pool, name string) workerfx.Status {
	t.Helper()
	synctest.Wait()
	e, err := pool.Execution(name)
	require.NoError(t, err)
	return e.Status
}

// lastEvents are the messages of the last n events of worker w.
func lastEvents(t *testing.T, pool *workerfx.Pool, n int) (messages []string) {
	t.Helper()
	synctest.Wait()
	e, err := pool.Execution("w")
	require.NoError(t, err)
	for _, event := range e.Events[len(e.Events)-n:] {
		messages = append(messages, event.Message)
	}
	return messages
}

func TestActionsOfTheAPIActAndAreEventsWithTheUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var runs atomic.Int64
		pool := startPool(t, workerfx.NewWorker("w", func(context.Context) error { runs.Add(1); return nil }, workerfx.WithInterval(time.Hour)))
		synctest.Wait()
		h := dashboard.Handler(pool, dashboard.WithActions(alice))

		w := post(h, "/api/worker/trigger?name=w", "")
		require.Equal(t, http.StatusOK, w.Code)
		require.JSONEq(t, `{"worker":"w","action":"trigger","user":"alice","waits":false}`, w.Body.String())
		require.Equal(t, workerfx.StatusWaiting, status(t, pool, "w"))
		require.EqualValues(t, 1, runs.Load())

		require.Equal(t, http.StatusOK, post(h, "/api/worker/pause?name=w", "").Code)
		require.Equal(t, workerfx.StatusPaused, status(t, pool, "w"))
		require.Equal(t, []string{"note: pause by alice", "paused"}, lastEvents(t, pool, 2))
		require.Equal(t, http.StatusOK, post(h, "/api/worker/resume?name=w", "").Code)
		require.Equal(t, workerfx.StatusWaiting, status(t, pool, "w"))
		require.Equal(t, http.StatusOK, post(h, "/api/worker/scale?name=w&replicas=3", "").Code)
		require.Len(t, pool.Executions(), 3)
		require.Equal(t, http.StatusOK, post(h, "/api/worker/restart?name=w", "").Code)
		require.Contains(t, lastEvents(t, pool, 5), "note: restart by alice")
	})
}

func TestARefusedActionSaysWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := startPool(t, workerfx.NewWorker("w", untilStopped, workerfx.WithReplicaLimits(1, 2)))
		synctest.Wait()
		h := dashboard.Handler(pool, dashboard.WithActions(alice))
		for target, want := range map[string]struct {
			status int
			why    string
		}{
			"/api/worker/scale?name=w&replicas=9": {http.StatusConflict, "replicas 9"},
			"/api/worker/scale?name=w&replicas=x": {http.StatusBadRequest, `replicas "x" is not a number`},
			"/api/worker/trigger?name=w":          {http.StatusConflict, "there is no wait to end"},
			"/api/worker/pause?name=nobody":       {http.StatusNotFound, "nobody"},
			"/api/worker/explode?name=w":          {http.StatusNotFound, "explode"},
		} {
			w := post(h, target, "")
			require.Equal(t, want.status, w.Code, target)
			var answer struct{ Error string }
			require.NoError(t, json.Unmarshal(w.Body.Bytes(), &answer))
			require.Contains(t, answer.Error, want.why)
		}
		w := post(h, "/worker", "name=w&action=trigger")
		require.Equal(t, http.StatusConflict, w.Code)
		require.Contains(t, w.Body.String(), "there is no wait to end")
		require.Contains(t, lastEvents(t, pool, 1)[0], "trigger by alice was refused: ")
	})
}

func TestThePageAsksBeforeItEndsRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := startPool(t, workerfx.NewWorker("w", untilStopped))
		synctest.Wait()
		h := dashboard.Handler(pool, dashboard.WithActions(alice))
		for _, form := range []string{"name=w&action=restart", "name=w&action=scale&replicas=0"} {
			w := post(h, "/worker", form)
			require.Equal(t, http.StatusOK, w.Code)
			require.Contains(t, w.Body.String(), `name="confirm" value="yes"`)
			synctest.Wait()
			e, err := pool.Execution("w")
			require.NoError(t, err)
			require.EqualValues(t, 1, e.Runs)
			require.Equal(t, workerfx.StatusRunning, e.Status)
		}
		w := post(h, "/worker", "name=w&action=restart&confirm=yes")
		require.Equal(t, http.StatusSeeOther, w.Code)
		require.Equal(t, "./worker?done=restart&name=w", w.Header().Get("Location"))
		require.Contains(t, get(h, "/worker?done=restart&name=w").Body.String(), "Restarted.")
		synctest.Wait()
		e, err := pool.Execution("w")
		require.NoError(t, err)
		require.EqualValues(t, 2, e.Runs)
	})
}

func TestARestartThatWaitsForARunIsAnsweredBeforeItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		pool := startPool(t, workerfx.NewWorker("w", func(context.Context) error { <-release; return nil }, workerfx.WithStopTimeout(time.Minute)))
		synctest.Wait()
		h := dashboard.Handler(pool, dashboard.WithActions(alice))
		begin := time.Now()
		w := post(h, "/api/worker/restart?name=w", "")
		require.Equal(t, http.StatusAccepted, w.Code)
		require.Contains(t, w.Body.String(), `"waits":true`)
		require.Less(t, time.Since(begin), 30*time.Second)
		close(release)
		synctest.Wait()
	})
}

// TestWithoutActionsNoRequestChangesAnything sends every method to every path.
func TestAnActionThatWaitsDoesNotDelayTheEndOfTheServer(t *testing.T) {
	begun, release := make(chan struct{}, 2), make(chan struct{})
	pool := startPool(t, workerfx.NewWorker("slow", func(context.Context) error { begun <- struct{}{}; <-release; return nil }))
	defer close(release)
	<-begun
	server := serve(t, dashboard.Handler(pool, dashboard.WithActions(alice)))
	answered := make(chan int)
	go func() {
		answer, err := server.Client().Post(server.URL+"/api/worker/restart?name=slow", "application/x-www-form-urlencoded", http.NoBody)
		if err != nil {
			answered <- 0
			return
		}
		_ = answer.Body.Close()
		answered <- answer.StatusCode
	}()
	for noted := false; !noted; {
		e, _ := pool.Execution("slow")
		noted = slices.ContainsFunc(e.Events, func(e workerfx.Event) bool { return strings.Contains(e.Message, "restart by alice") })
	}
	begin := time.Now()
	require.NoError(t, server.Config.Shutdown(t.Context()))
	require.Equal(t, http.StatusAccepted, <-answered)
	require.Less(t, time.Since(begin), 5*time.Second, "of the ten that an action may take")
}

func TestWithoutActionsNoRequestChangesAnything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := startPool(t, workerfx.NewWorker("w", untilStopped), workerfx.NewWorker("tick", untilStopped, workerfx.WithInterval(time.Hour)))
		synctest.Wait()
		before := pool.Executions()
		h := dashboard.Handler(pool)
		paths := []string{"/", "/worker", "/api/workers", "/api/worker", "/assets/page.js", "/api/openapi.json", "/x"}
		for _, action := range []string{"pause", "resume", "trigger", "restart", "scale"} {
			paths = append(paths, "/api/worker/"+action)
		}
		for _, path := range paths {
			for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PAUSE"} {
				for _, action := range []string{"pause", "restart", "scale"} {
					r := httptest.NewRequest(method, path+"?name=w&replicas=3&confirm=yes&action="+action,
						strings.NewReader("name=w&replicas=3&confirm=yes&action="+action))
					r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
					w := httptest.NewRecorder()
					h.ServeHTTP(w, r)
					if method != "GET" && method != "HEAD" {
						require.Equal(t, http.StatusForbidden, w.Code, "%s %s", method, path)
					}
				}
			}
		}
		synctest.Wait()
		require.Equal(t, before, pool.Executions())
		require.NotContains(t, get(h, "/worker?name=w").Body.String(), `method="post"`)
	})
}

func TestOnlyTheAppsOwnUsersAct(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := startPool(t, workerfx.NewWorker("w", untilStopped))
		synctest.Wait()
		h := dashboard.Handler(pool, dashboard.WithActions(func(r *http.Request) (string, error) {
			if user, _, ok := r.BasicAuth(); ok {
				return user, nil
			}
			return "", errors.New("log in first")
		}))
		w := post(h, "/api/worker/pause?name=w", "")
		require.Equal(t, http.StatusForbidden, w.Code)
		require.Contains(t, w.Body.String(), "log in first")
		require.Contains(t, post(h, "/worker", "name=w&action=pause").Body.String(), "log in first")

		foreign := httptest.NewRequest(http.MethodPost, "/api/worker/pause?name=w", http.NoBody)
		foreign.SetBasicAuth("alice", "")
		foreign.Header.Set("Origin", "https://evil.example")
		foreign.Header.Set("Sec-Fetch-Site", "cross-site")
		answer := httptest.NewRecorder()
		h.ServeHTTP(answer, foreign)
		require.Equal(t, http.StatusForbidden, answer.Code)
		e, err := pool.Execution("w")
		require.NoError(t, err)
		require.Len(t, e.Events, 1, "nothing was noted")
	})
}

func TestALargeBodyIsRefused(t *testing.T) {
	pool := newPool(t, workerfx.NewWorker("w", untilStopped))
	w := post(dashboard.Handler(pool, dashboard.WithActions(alice)), "/worker", "name=w&action=pause&x="+strings.Repeat("x", 1<<20))
	require.Equal(t, http.StatusBadRequest, w.Code)
}

func TestTheFormForReplicasShowsHowManyAreWanted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := startPool(t, workerfx.NewWorker("w", untilStopped, workerfx.WithReplicas(3)))
		synctest.Wait()
		h := dashboard.Handler(pool, dashboard.WithActions(alice))
		for _, wanted := range []int{3, 0, 1} {
			require.NoError(t, pool.Scale("w", wanted))
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/worker?name=w", http.NoBody))
			require.Contains(t, w.Body.String(), fmt.Sprintf(`name="replicas" min="0" value="%d"`, wanted))
		}
	})
}
