package browser_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/dashboard"
)

// contrasts is a script that returns all texts whose contrast with what is behind them is below 4.5.
const contrasts = `(() => {
	const rgb = (color) => color.match(/[\d.]+/g).map(Number);
	const light = (color) => {
		const [r, g, b] = rgb(color).map(c => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
		return 0.2126 * r + 0.7152 * g + 0.0722 * b;
	};
	const behind = (e) => {
		for (; e; e = e.parentElement) {
			const color = getComputedStyle(e).backgroundColor;
			if (color !== "transparent" && (rgb(color)[3] ?? 1) === 1) return color;
		}
		return "rgb(255, 255, 255)";
	};
	const weak = [];
	for (const e of document.querySelectorAll("body *")) {
		if (![...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()) || !e.getClientRects().length) continue;
		const [a, b] = [light(getComputedStyle(e).color), light(behind(e))].sort((x, y) => y - x);
		const contrast = (a + 0.05) / (b + 0.05);
		if (contrast < 4.5) weak.push(e.tagName + "." + e.className + " " + contrast.toFixed(2) + ": " + e.textContent.trim().slice(0, 40));
	}
	return weak;
})()`

func TestThePageIsReadableInTheLightAndInTheDarkAtEveryWidth(t *testing.T) {
	pool, logs := newShop(t)
	ctx, address := visit(t, pool, dashboard.WithActions(alice), dashboard.WithLogs(logs))
	background := make(map[string]string)
	for _, scheme := range []string{"light", "dark"} {
		for _, width := range []int64{1280, 768, 360} {
			do(ctx, t,
				command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
					Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
				}),
				command(emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
					Width: width, Height: 900, DeviceScaleFactor: 1, Mobile: width < 500,
				}),
			)
			for name, path := range map[string]string{"workers": "", "worker": "worker?name=mail/send", "panic": "worker?name=payments"} {
				do(ctx, t, chromedp.Navigate(address+path), visible("#live"))
				at := fmt.Sprintf("%s at %d, %s", name, width, scheme)
				screenshot(ctx, t, fmt.Sprintf("%s-%d-%s", name, width, scheme))
				require.LessOrEqual(t, value[int64](ctx, t, `document.documentElement.scrollWidth`), width, "%s: nothing sticks out", at)
				require.Empty(t, value[[]string](ctx, t, contrasts), at)
			}
			background[scheme] = value[string](ctx, t, `getComputedStyle(document.body).backgroundColor`)
		}
	}
	require.NotEqual(t, background["light"], background["dark"])
}

func TestTenThousandWorkersStayUsable(t *testing.T) {
	few := newPool(t, manyWorkers(100)...)
	before := heap()
	many := newPool(t, manyWorkers(10_000)...)
	require.NoError(t, many.Ready(context.Background()))
	pools := heap()
	ctx, address := visit(t, few)
	small, elements := firstView(ctx, t, address), countElements(ctx, t)
	address = serve(t, many)
	large := firstView(ctx, t, address)
	t.Logf("first view: %v, with 100 workers %v; heap: %d MB for 10,000 workers, %d MB more for the page",
		large, small, (pools-before)>>20, (heap()-pools)>>20)
	require.Less(t, countElements(ctx, t), 2*elements, "a hundred times as many workers")
	require.Less(t, heap()-pools, int64(100<<20))

	require.Contains(t, value[string](ctx, t, `document.querySelector(".pages").textContent`), "10000 workers")
	do(ctx, t,
		enter("#q", "worker-0042\r"),
		visible("a[id='worker-group-42/worker-0042']"),
		chromedp.Navigate("about:blank"), // the stream of changes ends
	)
}

// countElements returns how many elements the page has.
func countElements(ctx context.Context, t *testing.T) int64 {
	t.Helper()
	return value[int64](ctx, t, `document.getElementsByTagName("*").length`)
}

func manyWorkers(n int) (workers []workerfx.Worker) {
	for i := range n {
		workers = append(workers, workerfx.NewWorker(fmt.Sprintf("group-%d/worker-%04d", i%100, i), untilStopped))
	}
	return workers
}

// firstView is how long the browser takes until it has painted the page. Others may use the machine, so the fastest of a
// few counts.
func firstView(ctx context.Context, t *testing.T, address string) time.Duration {
	t.Helper()
	fastest := time.Hour
	for range 5 {
		do(ctx, t, chromedp.Navigate(address), visible("table.workers"), until(`performance.getEntriesByType("paint").length > 0`))
		ms := value[float64](ctx, t, `performance.getEntriesByType("paint")[0].startTime`)
		fastest = min(fastest, time.Duration(ms*float64(time.Millisecond)))
	}
	return fastest
}

// heap is how much memory the process has taken for its objects.
func heap() int64 {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapSys)
}
