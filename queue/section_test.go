package queue_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"github.com/workerfx/workerfx/dashboard"
	"github.com/workerfx/workerfx/queue"
)

// page is the dashboard of an app with the section of its queue.
type page struct{ http.Handler }

func newPage(a *app, opts ...dashboard.Option) page {
	return page{dashboard.Handler(a.Pool, append(opts, dashboard.WithSection(queue.Section(a.client)))...)}
}

var asAlice = dashboard.WithActions(func(*http.Request) (string, error) { return "alice", nil })

func (p page) get(t *testing.T, path string) (status int, body string) {
	t.Helper()
	w := httptest.NewRecorder()
	p.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	return w.Code, w.Body.String()
}

func (p page) post(t *testing.T, path string, form url.Values) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	p.ServeHTTP(w, r)
	return w
}

// secret are the arguments of jobs that are hidden.
type secret struct{ Password string }

func (secret) Kind() string { return "secret" }

// discarded enqueues jobs that are given up at once, and returns their IDs.
func (a *app) discarded(t *testing.T, args ...queue.Args) (ids []int64) {
	t.Helper()
	for _, arg := range args {
		ids = append(ids, a.enqueue(t, arg, queue.MaxAttempts(1)))
	}
	require.NoError(t, a.client.Drain(within(t)))
	return ids
}

// hostile is a text that would be code if it were not escaped.
const hostile = `<script>alert("x")</script>`

func startWithSection(t *testing.T, db testDB) *app {
	t.Helper()
	a := newAppWith(t, db.module(queue.WithHiddenArgs("secret")),
		handle(func(context.Context, *queue.Job[mail]) error { return queue.Discard(errors.New(hostile)) }),
		queue.ProvideHandler[secret](func() queue.HandlerFunc[secret] {
			return func(context.Context, *queue.Job[secret]) error { panic("at the disco") }
		}))
	a.RequireStart()
	return a
}

func TestThePageShowsQueuesJobsAndTheirFailures(t *testing.T) {
	onBoth(t, func(t *testing.T, db testDB) {
		a := startWithSection(t, db)
		ids := a.discarded(t, mail{To: hostile}, secret{Password: "hunter2"})
		p := newPage(a)
		status, body := p.get(t, "/section/queue/?state=cancelled")
		require.Equal(t, http.StatusOK, status)
		require.Contains(t, body, fmt.Sprintf(`<a href="job?id=%d">%d mail</a>`, ids[0], ids[0]))
		require.NotContains(t, body, "secret</a>")
		require.NotContains(t, body, `name="action"`, "the page is read-only")

		_, body = p.get(t, fmt.Sprintf("/section/queue/job?id=%d", ids[0]))
		require.NotContains(t, body, hostile)
		require.Contains(t, body, `&lt;script&gt;`)
		_, body = p.get(t, fmt.Sprintf("/section/queue/job?id=%d", ids[1]))
		require.Contains(t, body, "panic: at the disco")
		require.Contains(t, body, "startWithSection", "the stack")
		require.Contains(t, body, "The arguments of this kind are hidden.")
		require.NotContains(t, body, "hunter2")

		for path, want := range map[string]int{
			"/section/queue/job?id=4711": http.StatusNotFound, "/section/queue/job?id=x": http.StatusBadRequest,
			"/section/queue/?state=odd": http.StatusBadRequest, "/api/queue/jobs?limit=-1": http.StatusBadRequest,
			"/api/queue/job?id=4711":              http.StatusNotFound,
			"/api/queue/jobs?limit=0&kind=nosuch": http.StatusOK, "/section/queue/?limit=0&kind=nosuch": http.StatusOK,
		} {
			status, _ := p.get(t, path)
			require.Equal(t, want, status, path)
		}
	})
}

func TestTheAPIOfJobsIsThatOfThePage(t *testing.T) {
	onBoth(t, func(t *testing.T, db testDB) {
		a := startWithSection(t, db)
		ids := a.discarded(t, mail{To: "a"}, mail{To: "b"}, secret{Password: "hunter2"})
		p := newPage(a, asAlice)
		var found struct {
			Jobs []map[string]any
			Next int64
		}
		_, body := p.get(t, "/api/queue/jobs?kind=mail&limit=1")
		require.NoError(t, json.Unmarshal([]byte(body), &found))
		require.Len(t, found.Jobs, 1)
		require.EqualValues(t, ids[0], found.Jobs[0]["id"])
		require.Equal(t, map[string]any{"to": "a"}, found.Jobs[0]["args"])
		require.Equal(t, ids[0], found.Next)
		_, body = p.get(t, fmt.Sprintf("/api/queue/job?id=%d", ids[2]))
		require.Contains(t, body, `"argsHidden":true`)
		require.NotContains(t, body, "hunter2")
		_, body = p.get(t, "/api/queue/queues")
		require.Contains(t, body, `"cancelled":2`)

		w := p.post(t, "/api/queue/delete", url.Values{"all": {"yes"}, "kind": {"mail"}})
		require.JSONEq(t, `{"action":"delete","jobs":2,"user":"alice"}`, w.Body.String())
		w = p.post(t, "/api/queue/delete", url.Values{"all": {"yes"}})
		require.Equal(t, http.StatusBadRequest, w.Code, "a filter that chooses everything")
		require.Contains(t, w.Body.String(), "set one of them")
		require.Equal(t, http.StatusNotFound, p.post(t, "/api/queue/explode", nil).Code)
		require.Equal(t, http.StatusBadRequest, p.post(t, "/api/queue/requeue", nil).Code)
		require.Equal(t, http.StatusForbidden, newPage(a).post(t, "/api/queue/delete", url.Values{"id": {"1"}}).Code)
	})
}

func TestThePageAsksBeforeItChangesJobs(t *testing.T) {
	onBoth(t, func(t *testing.T, db testDB) {
		a := startWithSection(t, db)
		ids := a.discarded(t, mail{To: "a"}, mail{To: "b"}, mail{To: "c"})
		p := newPage(a, asAlice)
		_, body := p.get(t, "/section/queue/")
		require.Contains(t, body, fmt.Sprintf(`name="id" value="%d"`, ids[0]))

		one := url.Values{"action": {"delete"}, "id": {fmt.Sprint(ids[0])}, "page": {"job"}}
		require.Contains(t, p.post(t, "/section/queue/act", one).Body.String(), "Delete 1 job?")
		all := url.Values{"action": {"delete"}, "all": {"yes"}, "state": {"cancelled"}}
		require.Contains(t, p.post(t, "/section/queue/act", all).Body.String(), "Delete all that the filter chooses: 3 jobs?")
		require.Equal(t, 3, db.count(t, `SELECT count(*) FROM river_job`), "nothing was confirmed")

		one.Set("confirm", "yes")
		w := p.post(t, "/section/queue/act", one)
		require.Equal(t, http.StatusSeeOther, w.Code)
		require.Equal(t, "./?done=delete&jobs=1", w.Header().Get("Location"))
		_, body = p.get(t, "/section/queue/?done=delete&jobs=1")
		require.Contains(t, body, "deleted 1 job")
		all.Set("confirm", "yes")
		w = p.post(t, "/section/queue/act", all)
		require.Equal(t, "./?state=cancelled&done=delete&jobs=2", w.Header().Get("Location"))
		require.Zero(t, db.count(t, `SELECT count(*) FROM river_job`))

		require.Equal(t, []string{
			fmt.Sprintf("deleted 1 job (selected: %d) by alice", ids[0]),
			`deleted 2 jobs (selected: all of state "cancelled") by alice`,
		}, a.deletions(), "the log says who deleted which jobs")
	})
}

// deletions are the notes in the log about jobs that were deleted.
func (a *app) deletions() (notes []string) {
	for _, l := range a.Logs() {
		if note, _ := l.Fields["note"].(string); strings.HasPrefix(note, "deleted") {
			notes = append(notes, note)
		}
	}
	return notes
}

func TestTheLogNamesTheFirstTenOfManyJobs(t *testing.T) {
	a := startApp(t, newSQLite(t))
	form := url.Values{}
	for id := range 13 {
		form.Add("id", fmt.Sprint(id+1))
	}
	p := newPage(a, asAlice)
	require.Equal(t, http.StatusOK, p.post(t, "/api/queue/delete", form).Code)
	form = url.Values{"all": {"yes"}, "state": {"completed"}, "kind": {"mail"}, "queue": {"reports"}}
	require.Equal(t, http.StatusOK, p.post(t, "/api/queue/delete", form).Code)
	require.Equal(t, []string{
		"deleted 0 jobs (selected: 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 3 more) by alice",
		`deleted 0 jobs (selected: all of state "completed", kind "mail", queue "reports") by alice`,
	}, a.deletions())
}

func TestABadNumberInARequestIsNamed(t *testing.T) {
	p := newPage(startApp(t, newSQLite(t)), asAlice)
	const why = `: must be a whole number of at most 64 bits`
	for path, want := range map[string]string{
		"/api/queue/job?id=abc":                    `id "abc"` + why,
		"/api/queue/job":                           `id ""` + why,
		"/api/queue/jobs?after=x&limit=9999999999": `after "x"` + why,
		"/api/queue/jobs?limit=1.5":                `limit "1.5"` + why,
		"/api/queue/jobs?limit=10001":              "limit 10001: must be from 1 to 10000",
	} {
		status, body := p.get(t, path)
		require.Equal(t, http.StatusBadRequest, status, path)
		var answer struct{ Error string }
		require.NoError(t, json.Unmarshal([]byte(body), &answer))
		require.Contains(t, answer.Error, want, path)
	}
	require.Contains(t, p.post(t, "/api/queue/delete", url.Values{"id": {"7", "x"}}).Body.String(), `id \"x\"`+why)
}

func TestThePageRequeuesAndCancelsTheJobsThatAreSelected(t *testing.T) {
	onBoth(t, func(t *testing.T, db testDB) {
		a := startApp(t, db) // nobody works the jobs
		ids := []int64{a.enqueue(t, mail{To: "a"}), a.enqueue(t, mail{To: "b"}), a.enqueue(t, mail{To: "c"})}
		p := newPage(a, asAlice)
		act := func(action string, jobs ...int64) string {
			form := url.Values{"action": {action}, "confirm": {"yes"}}
			for _, id := range jobs {
				form.Add("id", fmt.Sprint(id))
			}
			return p.post(t, "/section/queue/act", form).Header().Get("Location")
		}
		require.Equal(t, "./?done=cancel&jobs=2", act("cancel", ids[0], ids[1]))
		require.Equal(t, queue.StateCancelled, a.awaitState(t, ids[1], queue.StateCancelled).State)
		require.Equal(t, "./?done=requeue&jobs=1", act("requeue", ids[1], ids[2]), "a job that waits is not requeued")
		require.Equal(t, queue.StateAvailable, a.awaitState(t, ids[1], queue.StateAvailable).State)
	})
}

func TestHiddenKindsAreChecked(t *testing.T) {
	require.ErrorContains(t, errorOf(queue.Module(newSQLite(t).Database, queue.WithHiddenArgs("no kind")), fx.Invoke(func(*queue.Client) {})),
		`queue: WithHiddenArgs: kind "no kind": no job can have it`)
}

func TestTheAPIOfJobsTellsWhoseFaultAnErrorIs(t *testing.T) {
	db := newSQLite(t)
	a := newApp(t, db)
	page := newPage(a, asAlice)
	for _, path := range []string{"/api/queue/queues", "/api/queue/jobs", "/api/queue/job?id=1"} {
		status, body := page.get(t, path)
		require.Equal(t, http.StatusServiceUnavailable, status, path)
		require.Contains(t, body, "queue is not started", path)
	}
	a.RequireStart()
	for path, want := range map[string]int{
		"/api/queue/queues": http.StatusOK, "/api/queue/job?id=x": http.StatusBadRequest, "/api/queue/jobs?limit=-1": http.StatusBadRequest,
		"/api/queue/job?id=4711": http.StatusNotFound, "/api/queue/nope": http.StatusNotFound, "/api/queue/requeue": http.StatusMethodNotAllowed,
	} {
		status, body := page.get(t, path)
		require.Equal(t, want, status, path)
		require.True(t, json.Valid([]byte(body)), path)
	}
	for _, form := range []url.Values{{"all": {"yes"}}, {"all": {"yes"}, "kind": {"mail"}, "limit": {"5"}}, {"id": {"x"}}, {}} {
		require.Equal(t, http.StatusBadRequest, page.post(t, "/api/queue/delete", form).Code, form)
	}
	status, body := page.get(t, "/section/queue/nope")
	require.Equal(t, http.StatusNotFound, status)
	require.Contains(t, body, "there is no such page")

	db.exec(t, `ALTER TABLE river_job RENAME TO gone`)
	for _, path := range []string{"/api/queue/jobs", "/api/queue/job?id=1", "/section/queue/"} {
		status, _ := page.get(t, path)
		require.Equal(t, http.StatusServiceUnavailable, status, path)
	}
	require.Equal(t, http.StatusServiceUnavailable, page.post(t, "/api/queue/requeue", url.Values{"id": {"1"}}).Code)
	db.exec(t, `ALTER TABLE gone RENAME TO river_job`)
}
