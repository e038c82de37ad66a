package browser_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/dashboard"
)

// statusOf is a script that returns the shown status of a worker.
func statusOf(worker string) string {
	return fmt.Sprintf(`document.getElementById(%q)?.closest("tr").querySelector(".status").textContent`, "worker-"+worker)
}

func TestThePageShowsAFailureWithoutAReload(t *testing.T) {
	fail := make(chan struct{})
	pool := newPool(t, workerfx.NewWorker("mailer", func(context.Context) error {
		<-fail
		return errors.New("mail server is down")
	}))
	ctx, address := visit(t, pool)
	do(ctx, t,
		chromedp.Navigate(address),
		visible("#connection.live"),
		until(statusOf("mailer")+` === "running"`),
	)
	// The page itself takes the time: the test's own time would have that of the driver in it.
	do(ctx, t, chromedp.Evaluate[chromedp.Void](`window.begin = performance.now(); new MutationObserver(() => {
		if (`+statusOf("mailer")+` === "error") window.took ??= performance.now() - window.begin;
	}).observe(document.body, {subtree: true, childList: true, characterData: true}); true`))
	close(fail)
	do(ctx, t, until(`window.took !== undefined`))
	took := value[float64](ctx, t, `window.took`)
	t.Logf("the page showed the failure after %.0f ms", took)
	require.Contains(t, value[string](ctx, t, `document.querySelector("span.why").textContent`), "mail server is down")
}

func TestAnActionGoesFromTheButtonToTheWorkerAndBack(t *testing.T) {
	pool := newPool(t, workerfx.NewWorker("w", untilStopped, workerfx.WithInterval(time.Hour)))
	ctx, address := visit(t, pool, dashboard.WithActions(alice))
	do(ctx, t,
		chromedp.Navigate(address),
		click("#worker-w"),
		visible("#act-pause"),
		click("#act-pause"),
		visible(".notice.good"),
		until(`document.querySelector("#live .status").textContent === "paused"`),
	)
	e, err := pool.Execution("w")
	require.NoError(t, err)
	require.Equal(t, workerfx.StatusPaused, e.Status)
	require.True(t, e.HasEvent("note: pause by alice"))

	do(ctx, t,
		click("#act-restart"),
		visible("button.danger"), // it asks
		click("#cancel"),
	)
	do(ctx, t, click("#act-restart"), visible("button.danger"))
	e, err = pool.Execution("w")
	require.NoError(t, err)
	require.False(t, e.HasEvent("note: restart by alice"))
	do(ctx, t,
		click("button.danger"),
		visible(".notice.good"),
	)
	do(ctx, t,
		chromedp.Navigate(address+"worker?name=w"), // without the notice of the restart
		chromedp.SetValue(chromedp.CSS("#replicas"), "2"),
		click("#act-scale"),
		visible(".notice.good"),
		until(`document.querySelectorAll("#live .filters li").length === 2`),
	)
	require.Len(t, pool.Executions(), 2)
}

func TestAnActionAlsoWorksOverPlainHTTPOnAnotherHost(t *testing.T) {
	pool := newPool(t, workerfx.NewWorker("w", untilStopped, workerfx.WithInterval(time.Hour)))
	ctx, address := visit(t, pool, dashboard.WithActions(alice))
	do(ctx, t,
		chromedp.Navigate(strings.Replace(address, "127.0.0.1", "intranet", 1)+"worker?name=w"),
		click("#act-pause"),
		visible(".notice.good"),
	)
	e, err := pool.Execution("w")
	require.NoError(t, err)
	require.Equal(t, workerfx.StatusPaused, e.Status)
}

func TestThePageAfterARefusedActionFollowsTheChanges(t *testing.T) {
	pool := newPool(t, workerfx.NewWorker("w", untilStopped))
	ctx, address := visit(t, pool, dashboard.WithActions(alice))
	do(ctx, t,
		chromedp.Navigate(address+"worker?name=w"),
		click("#act-trigger"), // it runs already
		visible(".notice.bad"),
		visible("#connection.live"),
	)
	require.NoError(t, pool.Note("w", "a new event"))
	do(ctx, t, until(`document.querySelector("#live").textContent.includes("a new event")`))
}

func TestAnUpdateLeavesFocusAndScrollAndWhatIsOpen(t *testing.T) {
	logs := dashboard.NewLogs(200)
	logger := zerolog.New(logs)
	pool, err := workerfx.NewPool(workerfx.WithLogger(logger))
	require.NoError(t, err)
	require.NoError(t, pool.Add(workerfx.NewWorker("w", func(ctx context.Context) error {
		for range 100 {
			workerfx.CtxLogger(ctx).Info().Msg("a line")
		}
		panic("boom")
	}, workerfx.WithReplicas(2))))
	require.NoError(t, pool.Start(context.Background()))
	t.Cleanup(func() { _ = pool.Stop(context.Background()) })
	ctx, address := visit(t, pool, dashboard.WithLogs(logs))
	do(ctx, t, chromedp.Navigate(address+"worker?name=w"), visible("#connection.live"), visible("details[open]"))
	do(ctx, t, chromedp.Evaluate[chromedp.Void](`
		document.querySelector("details").open = false;
		document.querySelector("pre.log").scrollTop = 100;
		document.querySelectorAll("#live .filters a")[1].focus();
		true`))
	require.NoError(t, pool.Note("w", "a new event"))
	do(ctx, t, until(`document.querySelector("#live").textContent.includes("a new event")`))
	require.True(t, value[bool](ctx, t, `document.activeElement === document.querySelectorAll("#live .filters a")[1]`), "the focus")
	require.False(t, value[bool](ctx, t, `document.querySelector("details").open`), "what is open")
	require.InDelta(t, 100, value[float64](ctx, t, `document.querySelector("pre.log").scrollTop`), 1)
}

func TestHostileNamesAndTextsAreOnlyText(t *testing.T) {
	const name = "a b/#1@x:..ü"
	const text = `</pre><script>window.hacked = true</script><img src=x onerror="window.hacked = true">` + "\u202e\x1b[31m"
	pool := newPool(t, workerfx.NewWorker(name, func(context.Context) error { return errors.New(text) }))
	require.NoError(t, pool.Note(name, text))
	ctx, address := visit(t, pool)
	do(ctx, t,
		chromedp.Navigate(address+"?q=%22%3E%3Cscript%3Ewindow.hacked=true%3C/script%3E"),
		visible("#q"),
	)
	require.Equal(t, `"><script>window.hacked=true</script>`, value[string](ctx, t, `document.getElementById("q").value`))
	do(ctx, t,
		click(".brand"),
		visible("tbody tr.group"),
		click("tbody tr a"),
		visible("pre.why"),
	)
	require.Equal(t, name, value[string](ctx, t, `document.querySelector("h1").textContent`))
	require.Contains(t, value[string](ctx, t, `document.querySelector("pre.why").textContent`), "<script>window.hacked")
	require.False(t, value[bool](ctx, t, `"hacked" in window`))
	require.Zero(t, value[int](ctx, t, `document.querySelectorAll("main script, main img").length`))
}

func TestWithoutJavaScriptThePageIsAPlainTable(t *testing.T) {
	pool, _ := newShop(t)
	ctx, address := visit(t, pool, dashboard.WithActions(alice))
	do(ctx, t,
		command(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}),
		chromedp.Navigate(address),
		visible("table.workers"),
		enter("#q", "mail"+kb.Enter),
		gone("#worker-orders"),
		click("a[id='filter-running']"),
		visible("a[id='filter-running'][aria-current]"),
		click("a[id='worker-mail/fetch']"),
		visible("#act-pause"),
		click("#act-pause"),
		visible(".notice.good"),
	)
	e, err := pool.Execution("mail/fetch")
	require.NoError(t, err)
	require.True(t, e.HasEvent("note: pause by alice"))
}

func TestSearchAndFilterSurviveAReload(t *testing.T) {
	pool := newPool(t, workerfx.NewWorker("mail/fetch", untilStopped), workerfx.NewWorker("orders", untilStopped),
		workerfx.NewWorker("mail/send", untilStopped, workerfx.WithInterval(time.Hour)))
	ctx, address := visit(t, pool)
	do(ctx, t,
		chromedp.Navigate(address),
		enter("#q", "mail"+kb.Enter),
		gone("#worker-orders"),
		click("a[id='filter-running']"),
		visible("a[id='filter-running'][aria-current]"),
	)
	do(ctx, t, chromedp.Reload(), visible("a[id='filter-running'][aria-current]"))
	require.Equal(t, "mail", value[string](ctx, t, `document.getElementById("q").value`))
	require.Equal(t, []string{"mail/fetch"},
		value[[]string](ctx, t, `[...document.querySelectorAll("tbody a")].map(a => a.id.slice("worker-".length))`))
}

func TestEverythingCanBeDoneWithTheKeyboard(t *testing.T) {
	pool := newPool(t, workerfx.NewWorker("a", untilStopped), workerfx.NewWorker("b", untilStopped))
	ctx, address := visit(t, pool, dashboard.WithActions(alice))
	focused := func() string {
		return value[string](ctx, t, `document.activeElement.id || document.activeElement.textContent.trim()`)
	}
	tabTo := func(want string) {
		for range 30 {
			if focused() == want {
				return
			}
			do(ctx, t, chromedp.KeyEvent(kb.Tab))
		}
		require.Equal(t, want, focused())
	}
	do(ctx, t, chromedp.Navigate(address), visible("#connection.live"))
	do(ctx, t, chromedp.KeyEvent(kb.Tab))
	require.Equal(t, "Skip to the content", focused())
	tabTo("worker-b")
	outline := value[string](ctx, t, `getComputedStyle(document.activeElement).outlineStyle`)
	require.Equal(t, "solid", outline, "one sees where the focus is")

	require.NoError(t, pool.Restart("a")) // the page is refreshed
	do(ctx, t, until(`document.getElementById("worker-a").closest("tr").cells[7].textContent === "2"`))
	require.Equal(t, "worker-b", focused(), "a refresh leaves the focus where it is")

	do(ctx, t, chromedp.KeyEvent(kb.Enter), visible("#act-restart"))
	tabTo("act-restart")
	do(ctx, t, chromedp.KeyEvent(kb.Enter), visible("button.danger"))
	tabTo("Restart")
	do(ctx, t, chromedp.KeyEvent(kb.Enter), visible(".notice.good"))
	e, err := pool.Execution("b")
	require.NoError(t, err)
	require.EqualValues(t, 2, e.Runs)
}
