package dashboard_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/dashboard"
	"github.com/workerfx/workerfx/fxtest"
)

func newWorker() workerfx.Worker { return workerfx.NewWorker("w", untilStopped) }

// fetch asks a server for a page.
func fetch(t *testing.T, method, url, host string) (status int, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, http.NoBody)
	require.NoError(t, err)
	r.Host = host
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(r)
	require.NoError(t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return answer.StatusCode, string(text)
}

func TestModuleServesThePageWithTheApp(t *testing.T) {
	var server *dashboard.Server
	app := fxtest.New(t,
		workerfx.ProvideWorker(newWorker),
		dashboard.Module,
		fx.Supply(dashboard.Config{Listen: "127.0.0.1:0", Prefix: "/workers/"}),
		dashboard.SupplyOptions(dashboard.WithActions(alice)),
		dashboard.ProvideSection(func() dashboard.Section {
			return (&notes{notes: []string{"tea"}}).Section()
		}),
		fx.Populate(&server),
	).RequireStart()
	app.AwaitStatus("w", workerfx.StatusRunning)

	status, page := fetch(t, http.MethodGet, server.URL(), "")
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, page, `id="worker-w"`)
	require.Contains(t, page, "Notes")
	status, _ = fetch(t, http.MethodPost, server.URL()+"api/worker/pause?name=w", "")
	require.Equal(t, http.StatusOK, status)

	events, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL()+"api/events", http.NoBody)
	require.NoError(t, err)
	stream, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(events)
	require.NoError(t, err)
	defer stream.Body.Close()
	require.NoError(t, app.Stop(t.Context()), "the open stream does not keep the app")
}

func TestAWebSiteCannotReachThePageByItsOwnName(t *testing.T) {
	var server *dashboard.Server
	fxtest.New(t, dashboard.Module, fx.Supply(dashboard.Config{Listen: "127.0.0.1:0"}), fx.Populate(&server)).RequireStart()
	status, _ := fetch(t, http.MethodGet, server.URL(), "evil.example:80")
	require.Equal(t, http.StatusMisdirectedRequest, status)
	for _, host := range []string{"localhost", "localhost:1", "127.0.0.1", "[::1]:80"} {
		status, _ = fetch(t, http.MethodGet, server.URL(), host)
		require.Equal(t, http.StatusOK, status, host)
	}
}

func TestAnAddressThatOthersCanReachHasToBeChosen(t *testing.T) {
	for listen, why := range map[string]string{
		":8090": "other machines", "0.0.0.0:1": "other machines", "[::]:1": "other machines", "example.com:80": "other machines", "8090": "missing port",
	} {
		app := fx.New(fx.NopLogger, workerfx.Module, dashboard.Module, fx.Supply(dashboard.Config{Listen: listen}))
		require.ErrorContains(t, app.Err(), why, listen)
	}
	for _, c := range []dashboard.Config{{Listen: "localhost:0"}, {Listen: "0.0.0.0:0", Public: true}, {}} {
		require.NoError(t, fx.New(fx.NopLogger, workerfx.Module, dashboard.Module, fx.Supply(c)).Err(), "%+v", c)
	}
	silent := fx.New(fx.NopLogger, workerfx.Module, dashboard.Module, fx.Supply(dashboard.Config{Listen: "127.0.0.1:0"}))
	require.NoError(t, silent.Start(t.Context()), "it needs no logger")
	require.NoError(t, silent.Stop(t.Context()))
	require.ErrorContains(t, fx.New(fx.NopLogger, workerfx.Module, dashboard.Module, fx.Supply(dashboard.Config{Prefix: "x"})).Err(), "must begin with /")
}

func TestAPrefixMustBeAPath(t *testing.T) {
	for _, prefix := range []string{"workers", "/a?b", "/a#b", "/a b", "/a%20b", "//a", "/a/../b"} {
		app := fx.New(fx.NopLogger, workerfx.Module, dashboard.Module, fx.Supply(dashboard.Config{Prefix: prefix}))
		require.ErrorContains(t, app.Err(), `prefix "`+prefix+`"`)
	}
}

func TestAnAddressThatIsTakenFailsTheStart(t *testing.T) {
	var first *dashboard.Server
	fxtest.New(t, dashboard.Module, fx.Supply(dashboard.Config{Listen: "127.0.0.1:0"}), fx.Populate(&first)).RequireStart()
	address := first.URL()[len("http://") : len(first.URL())-1]
	second := fx.New(fx.NopLogger, workerfx.Module, dashboard.Module, fx.Supply(dashboard.Config{Listen: address}))
	require.ErrorContains(t, second.Start(t.Context()), address)
}

func newTitled(title string) (dashboard.Section, error) {
	return dashboard.Section{Name: "titled", Title: title, Pages: http.NotFoundHandler()}, nil
}

func newLogin(user string) dashboard.Option {
	return dashboard.WithActions(func(*http.Request) (string, error) { return user, nil })
}

func newSectionPointer() *dashboard.Section { return nil }
func newSections() []dashboard.Section      { return nil }
func newNumber() int                        { return 7 }

func TestConstructorsOfThePageMayBeAnnotated(t *testing.T) {
	var server *dashboard.Server
	fxtest.New(t,
		dashboard.Module,
		fx.Supply(dashboard.Config{Listen: "127.0.0.1:0"}, fx.Annotate("Things", fx.ResultTags(`name:"title"`)), fx.Annotate("alice", fx.ResultTags(`name:"user"`))),
		workerfx.ProvideWorker(newWorker),
		dashboard.ProvideSection(fx.Annotate(newTitled, fx.ParamTags(`name:"title"`))),
		dashboard.ProvideOption(fx.Annotate(newLogin, fx.ParamTags(`name:"user"`))),
		fx.Populate(&server),
	).RequireStart()
	_, page := fetch(t, http.MethodGet, server.URL(), "")
	require.Contains(t, page, ">Things</a>")
	_, answer := fetch(t, http.MethodPost, server.URL()+"api/worker/pause?name=w", "")
	require.Contains(t, answer, `"user":"alice"`)
}

func TestAConstructorOfAnotherTypeIsAnError(t *testing.T) {
	for want, option := range map[string]fx.Option{
		"dashboard.ProvideSection: got <nil>, want a constructor":           dashboard.ProvideSection(nil),
		"dashboard.ProvideOption: got <nil>, want a constructor":            dashboard.ProvideOption(nil),
		"dashboard.Option must return one thing":                            dashboard.ProvideOption(dashboard.WithLogs(nil)),
		"newSectionPointer): *dashboard.Section is not a dashboard.Section": dashboard.ProvideSection(newSectionPointer),
		"newSections): []dashboard.Section is not a dashboard.Section":      dashboard.ProvideSection(newSections),
		"newNumber): int is not a dashboard.Option":                         dashboard.ProvideOption(newNumber),
		"newTitled): dashboard.Section is not a dashboard.Option":           dashboard.ProvideOption(fx.Annotate(newTitled, fx.ParamTags(`name:"x"`))),
	} {
		app := fx.New(fx.NopLogger, workerfx.Module, dashboard.Module, fx.Supply(dashboard.Config{Listen: "127.0.0.1:0"}), option)
		require.ErrorContains(t, app.Err(), want)
	}
}
