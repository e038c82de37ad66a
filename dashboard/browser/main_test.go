package browser_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/chromedp"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/dashboard"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for the browser before it fails.
const patience = time.Minute

// chromium returns the path of the browser. Without one the test says so and is skipped.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{os.Getenv("WORKERFX_TEST_CHROMIUM"), "chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); name != "" && err == nil {
			return path
		}
	}
	t.Skip("Chromium is not installed (on Debian: apt-get install chromium)")
	return ""
}

// visit serves the page of a pool, and starts a browser with an empty profile. It returns the context of the browser's
// first tab, and the address of the page.
func visit(t *testing.T, pool *workerfx.Pool, opts ...dashboard.Option) (ctx context.Context, address string) {
	t.Helper()
	path := chromium(t)
	address = serve(t, pool, opts...)
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath(path),
		chromedp.UserDataDir(t.TempDir()),
		chromedp.DisableGPU,
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("host-resolver-rules", "MAP intranet 127.0.0.1"),
		chromedp.WSURLReadTimeout(patience),
	)
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox)
	}
	ctx, cancelAll := context.WithTimeout(context.Background(), patience)
	ctx, cancelBrowser := chromedp.NewExecAllocator(ctx, options...)
	ctx, cancelTab := chromedp.NewContext(ctx)
	t.Cleanup(func() {
		_ = chromedp.Cancel(ctx) // closes the browser and waits for its end
		cancelTab()
		cancelBrowser()
		cancelAll()
	})
	do(ctx, t, chromedp.EmulateViewport(1280, 800))
	return ctx, address
}

// step is what the browser is asked to do.
type step = chromedp.Action[chromedp.Void]

// do lets the browser do something.
func do(ctx context.Context, t *testing.T, steps ...step) {
	t.Helper()
	require.NoError(t, chromedp.Do(ctx, steps...))
}

// click clicks an element. If the page replaces the element at that moment, as it follows the changes, it tries again.
func click(selector string) step {
	return func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		for {
			done, err := chromedp.Click(chromedp.CSS(selector))(ctx, t)
			if err == nil || ctx.Err() != nil || !strings.Contains(err.Error(), "Could not find node") {
				return done, err
			}
		}
	}
}

func visible(selector string) step { return chromedp.WaitVisible(chromedp.CSS(selector)) }
func gone(selector string) step    { return chromedp.WaitNotPresent(chromedp.CSS(selector)) }
func until(script string) step     { return chromedp.Poll[chromedp.Void](script) }
func enter(selector, keys string) step {
	return chromedp.SendKeys(chromedp.CSS(selector), keys)
}

// command is a command of the browser's protocol.
func command[P, R any](c cdp.Command[P, R], params P) step {
	return func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, t, c, params)
		return chromedp.Void{}, err
	}
}

// value is the result of a script.
func value[T any](ctx context.Context, t *testing.T, script string) T {
	t.Helper()
	result, err := chromedp.Run(ctx, chromedp.Evaluate[T](script))
	require.NoError(t, err)
	return result
}

// newPool makes a silent pool that stops when the test is over.
func newPool(t *testing.T, workers ...workerfx.Worker) *workerfx.Pool {
	t.Helper()
	pool, err := workerfx.NewPool(workerfx.WithLogger(zerolog.Nop()))
	require.NoError(t, err)
	for _, w := range workers {
		require.NoError(t, pool.Add(w))
	}
	require.NoError(t, pool.Start(context.Background()))
	t.Cleanup(func() { _ = pool.Stop(context.Background()) })
	return pool
}

// serve serves the page of a pool under a prefix, and returns its address.
func serve(t *testing.T, pool *workerfx.Pool, opts ...dashboard.Option) string {
	t.Helper()
	server := httptest.NewServer(http.StripPrefix("/admin/workers", dashboard.Handler(pool, opts...)))
	t.Cleanup(server.Close)
	return server.URL + "/admin/workers/"
}

func alice(*http.Request) (string, error) { return "alice", nil }

func untilStopped(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// screenshot keeps a picture of the page in the directory that WORKERFX_TEST_SCREENSHOTS names.
func screenshot(ctx context.Context, t *testing.T, name string) {
	t.Helper()
	dir := os.Getenv("WORKERFX_TEST_SCREENSHOTS")
	if dir == "" {
		return
	}
	png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, name+".png"), png, 0o600))
}
