package dashboard_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/dashboard"
)

func TestThePageShowsTheTreeOfWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool, err := workerfx.NewPool(workerfx.WithLogger(zerolog.Nop()), workerfx.WithConfig(workerfx.Config{Name: "shop", Except: []string{"old"}}))
		require.NoError(t, err)
		for _, w := range []workerfx.Worker{
			workerfx.NewWorker("git-lab", untilStopped),
			workerfx.NewWorker("git/commits", untilStopped, workerfx.WithReplicas(2)),
			workerfx.NewWorker("git", func(context.Context) error { return errBoom }, workerfx.WithMaxAttempts(3), workerfx.WithBackoff(workerfx.StaticBackoff{Sleep: time.Hour})),
			workerfx.NewWorker("main", untilStopped, workerfx.WithEssential(), workerfx.WithReadiness()),
			workerfx.NewWorker("mute", untilStopped, workerfx.WithHeartbeat(time.Second)),
			workerfx.NewWorker("x/y/z", untilStopped),
			workerfx.NewWorker("old", untilStopped),
		} {
			require.NoError(t, pool.Add(w))
		}
		require.NoError(t, pool.Start(context.Background()))
		t.Cleanup(func() { _ = pool.Stop(context.Background()) })
		time.Sleep(2 * time.Second)
		synctest.Wait()

		w := get(dashboard.Handler(pool), "/")
		require.Equal(t, http.StatusOK, w.Code)
		page := w.Body.String()
		names := regexp.MustCompile(`class="depth(\d)">(?:<a [^>]*>)?([^<]+)`).FindAllStringSubmatch(page, -1)
		var tree []string
		for _, m := range names {
			tree = append(tree, m[1]+m[2])
		}
		require.Equal(t, []string{"0git", "1commits", "1commits#1", "0git-lab", "0main", "0mute", "0old", "0x", "1y", "2z"}, tree)
		for _, want := range []string{
			"· shop</title>", `>essential</span>`, `>stuck</span>`, `>not ready</span>`, "by configuration",
			"1 of 3", `<span class="why">boom</span>`, `class="spark"`, `<rect class="failed"`,
			`<span class="dot running"></span>running <b>6</b>`, `<span class="dot failing"></span>failing <b>1</b>`, `disabled <b>1</b>`,
		} {
			require.Contains(t, page, want)
		}
	})
}

func TestSearchAndFilterAreInTheLinks(t *testing.T) {
	h := dashboard.Handler(newPool(t,
		workerfx.NewWorker("mail/send", untilStopped), workerfx.NewWorker("mail/fetch", untilStopped), workerfx.NewWorker("other", untilStopped)))
	page := get(h, "/?q=MAIL&status=pending").Body.String()
	require.Contains(t, page, `name=mail%2fsend`)
	require.NotContains(t, page, "other")
	require.Contains(t, page, `value="MAIL"`)
	require.Contains(t, page, `href="?q=MAIL"`)
	require.Contains(t, page, `<input type="hidden" name="status" value="pending">`)
	require.Contains(t, get(h, "/?status=error").Body.String(), "No worker has this status")
	require.Contains(t, get(h, "/?q=nobody").Body.String(), "No worker has “nobody” in its name")
}

func TestThePageSaysWhichParametersItDoesNotUse(t *testing.T) {
	h := dashboard.Handler(newPool(t, workerfx.NewWorker("w", untilStopped)))
	w := get(h, "/?status=busy&limit=5000")
	require.Equal(t, http.StatusOK, w.Code)
	require.Contains(t, w.Body.String(), `Not used: status &#34;busy&#34;: must be one of error, failing`)
	require.Contains(t, w.Body.String(), `limit &#34;5000&#34;: must be a number, from 1 to 1000`)
	require.Contains(t, w.Body.String(), `id="worker-w"`)
	require.NotContains(t, get(h, "/?status=running&limit=5").Body.String(), "Not used")
}

func TestAWorkerThatRunsAgainIsNotFailing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runs := 0
		pool := startPool(t, workerfx.NewWorker("w", func(ctx context.Context) error {
			if runs++; runs == 1 {
				return errBoom
			}
			return untilStopped(ctx)
		}, workerfx.WithMaxAttempts(0), workerfx.WithBackoff(workerfx.StaticBackoff{Sleep: time.Hour})))
		h := dashboard.Handler(pool)
		synctest.Wait()
		require.Error(t, pool.Health())
		require.Contains(t, get(h, "/").Body.String(), `<span class="dot failing"></span>failing <b>1</b>`)
		require.Contains(t, get(h, "/").Body.String(), `<span class="why">boom</span>`)
		require.Contains(t, get(h, "/api/workers?status=failing").Body.String(), `"total":1`)

		time.Sleep(2 * time.Hour)
		synctest.Wait()
		require.NoError(t, pool.Health())
		require.NotRegexp(t, "failing|boom", get(h, "/").Body.String())
		require.Contains(t, get(h, "/api/workers?status=failing").Body.String(), `"total":0`)
		require.Contains(t, get(h, "/worker?name=w").Body.String(), `<pre class="why">boom</pre>`, "the last error stays")
	})
}

func TestManyWorkersComePageByPage(t *testing.T) {
	pool := newPool(t)
	for i := range 230 {
		require.NoError(t, pool.Add(workerfx.NewWorker(fmt.Sprintf("w%03d", i), untilStopped)))
	}
	h := dashboard.Handler(pool)
	for target, want := range map[string][2]string{"/": {"w000", "w049"}, "/?page=5": {"w200", "w229"}, "/?page=99": {"w200", "w229"}, "/?page=x": {"w000", "w049"}} {
		names := regexp.MustCompile(`>(w\d{3})<`).FindAllStringSubmatch(get(h, target).Body.String(), -1)
		require.Equal(t, want, [2]string{names[0][1], names[len(names)-1][1]}, target)
	}
	require.Contains(t, get(h, "/?page=2").Body.String(), `<a id="next" rel="next" href="?page=3">`)
	require.Contains(t, get(h, "/?limit=10").Body.String(), `<a id="next" rel="next" href="?limit=10&amp;page=2">`)
}

func TestAWorkersPageShowsWhatHappenedAndWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		logs := dashboard.NewLogs(2)
		pool, err := workerfx.NewPool(workerfx.WithLogger(zerolog.New(logs)))
		require.NoError(t, err)
		runs := 0
		require.NoError(t, pool.Add(workerfx.NewWorker("w", func(ctx context.Context) error {
			time.Sleep(time.Second)
			if runs++; runs == 1 {
				workerfx.CtxLogger(ctx).Info().Msg("a line of the first run")
				return nil
			}
			panic("<b>oh</b>")
		}, workerfx.WithInterval(time.Minute), workerfx.WithStartImmediately())))
		require.NoError(t, pool.Start(context.Background()))
		t.Cleanup(func() { _ = pool.Stop(context.Background()) })
		time.Sleep(90 * time.Second)
		synctest.Wait()

		page := get(dashboard.Handler(pool, dashboard.WithLogs(logs)), "/worker?name=w").Body.String()
		for _, want := range []string{
			`<rect class="succeeded"`, `<rect class="failed"`, // the timeline, across runs
			"<pre class=\"why\">panic: &lt;b&gt;oh&lt;/b&gt;</pre>", "TestAWorkersPageShowsWhatHappenedAndWhy", // with its stack
			"<td data-label=\"Event\">succeeded</td>", "<td data-label=\"Took\">1s</td>",
			"<th scope=\"row\">schedule</th><td data-label=\"Value\">every 1m0s</td><td data-label=\"From\">code</td>",
			"<th scope=\"row\">maxAttempts</th><td data-label=\"Value\">1</td><td data-label=\"From\">default</td>",
			`worker failed`,
		} {
			require.Contains(t, page, want)
		}
		require.NotContains(t, page, "<b>oh")
		require.Len(t, logs.Lines("w"), 2, "only the last lines are kept")
	})
}

func TestAnErrorThatPanicsDoesNotBreakThePage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		pool := newPool(t, workerfx.NewWorker("w", func(context.Context) error { return &moody{&calls} }))
		require.NoError(t, pool.Start(context.Background()))
		t.Cleanup(func() { _ = pool.Stop(context.Background()) })
		synctest.Wait()
		w := get(dashboard.Handler(pool), "/worker?name=w")
		require.Equal(t, http.StatusOK, w.Code)
	})
}

// moody is an error that panics when it is asked again.
type moody struct{ calls *int }

func (m *moody) Error() string {
	if *m.calls++; *m.calls > 1 {
		panic("not again")
	}
	return "moody"
}

func TestAWorkerThatDoesNotExistIsNotFound(t *testing.T) {
	h := dashboard.Handler(newPool(t, workerfx.NewWorker("mailer", untilStopped)))
	w := get(h, "/worker?name=mailr")
	require.Equal(t, http.StatusNotFound, w.Code)
	require.Contains(t, w.Body.String(), "mailer")
	require.Equal(t, http.StatusNotFound, get(h, "/nothing").Code)
	require.Equal(t, http.StatusNotFound, get(h, "//evil.example/").Code)
}

func TestThePageWorksUnderAPrefix(t *testing.T) {
	h := http.StripPrefix("/a/b", dashboard.Handler(newPool(t, workerfx.NewWorker("w", untilStopped)),
		dashboard.WithSection(dashboard.Section{Name: "notes", Title: "Notes", Pages: http.NotFoundHandler()})))
	for _, target := range []string{"/a/b/", "/a/b/worker?name=w"} {
		page := get(h, target).Body.String()
		for _, link := range regexp.MustCompile(`(?:href|src|action)="([^"]*)"`).FindAllStringSubmatch(page, -1) {
			require.False(t, strings.HasPrefix(link[1], "/"), link[1])
		}
		require.Contains(t, page, `href="./assets/style.css"`)
	}
	redirect := get(h, "/a/b")
	require.Equal(t, http.StatusMovedPermanently, redirect.Code)
	require.Equal(t, "b/", redirect.Header().Get("Location"))
	require.Equal(t, "./notes/", get(h, "/a/b/section/notes").Header().Get("Location"))
	require.Equal(t, http.StatusOK, get(h, "/a/b/assets/style.css").Code)
	require.Equal(t, http.StatusNotFound, get(h, "/a/b/assets/layout.html").Code)
}

func TestAPathLeadsNowhereOutsideOfThePrefix(t *testing.T) {
	h := dashboard.Handler(newPool(t, workerfx.NewWorker("w", untilStopped)))
	mounted := http.StripPrefix("/workers", h)
	for _, target := range []string{"/workersapi/workers", "/workersx", "/workers..", "/workers//"} {
		w := get(mounted, target)
		require.Equal(t, http.StatusNotFound, w.Code, target)
		require.Empty(t, w.Header().Get("Location"), target)
	}
	require.Equal(t, "workers/?status=error", get(mounted, "/workers?status=error").Header().Get("Location"))
	for _, target := range []string{"/workers/", "/workers/worker?name=w", "/workers/assets/style.css", "/workers/api/workers"} {
		require.Equal(t, http.StatusOK, get(http.StripPrefix("/workers/", h), target).Code, target)
	}
}

func TestLinksOfErrorsLeadToTheRoot(t *testing.T) {
	h := dashboard.Handler(newPool(t), dashboard.WithActions(alice))
	require.Contains(t, get(h, "/section/nope/x").Body.String(), `href="../../assets/style.css"`)
	require.Contains(t, get(h, "/section//x").Body.String(), `href="../../assets/style.css"`)
	r := httptest.NewRequest(http.MethodPost, "/section/reports/delete", http.NoBody)
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	require.Equal(t, http.StatusForbidden, w.Code)
	require.Contains(t, w.Body.String(), `href="../../assets/style.css"`)
}

func TestEveryWorkerHasALinkWithText(t *testing.T) {
	h := dashboard.Handler(newPool(t, workerfx.NewWorker("a/", untilStopped), workerfx.NewWorker("/", untilStopped)))
	page := get(h, "/").Body.String()
	require.Contains(t, page, ">a/</a>")
	require.Contains(t, page, ">/</a>")
}

func TestEveryAnswerIsSafe(t *testing.T) {
	h := dashboard.Handler(newPool(t, workerfx.NewWorker("w", untilStopped)))
	for _, target := range []string{"/", "/worker?name=w", "/worker?name=%3Cscript%3E", "/api/workers", "/assets/page.js", "/nothing"} {
		w := get(h, target)
		policy := w.Header().Get("Content-Security-Policy")
		require.Contains(t, policy, "default-src 'none'", target)
		require.NotContains(t, policy, "unsafe", target)
		require.Equal(t, "nosniff", w.Header().Get("X-Content-Type-Options"), target)
		require.Equal(t, "same-origin", w.Header().Get("Referrer-Policy"), target)
		require.Regexp(t, "^no-", w.Header().Get("Cache-Control"), target)
		if strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
			require.NotRegexp(t, `(?i)<script>|<style|style=|\son\w+=|javascript:`, w.Body.String(), target)
		}
	}
}

func TestAHandlerThatCannotWorkSaysWhy(t *testing.T) {
	pool := newPool(t)
	section := dashboard.Section{Name: "a", Title: "A"}
	for want, h := range map[string]http.Handler{
		"pool is nil":        dashboard.Handler(nil),
		"option 1 is nil":    dashboard.Handler(pool, nil),
		`section name "A b"`: dashboard.Handler(pool, dashboard.WithSection(dashboard.Section{Name: "A b"})),
		"path of the dash":   dashboard.Handler(pool, dashboard.WithSection(dashboard.Section{Name: "events", Title: "x"})),
		"taken by another":   dashboard.Handler(pool, slices.Repeat([]dashboard.Option{dashboard.WithSection(section)}, 2)...),
		"must not be empty":  dashboard.Handler(pool, dashboard.WithSection(dashboard.Section{Name: "a"})),
	} {
		w := get(h, "/")
		require.Equal(t, http.StatusInternalServerError, w.Code)
		require.Contains(t, w.Body.String(), want)
	}
}
