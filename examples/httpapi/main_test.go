package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"
	"go.uber.org/goleak"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/examples/internal/program"
	"github.com/workerfx/workerfx/fxtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, goleak.Cleanup(program.Remove)) }

// ask sends a request to a handler.
func ask(t *testing.T, handler http.Handler, method, path, body string) *httptest.ResponseRecorder {
	t.Helper()
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body)))
	return answer
}

func TestBadRequestsGetAnswersThatSayWhatIsWrong(t *testing.T) {
	orders, err := NewOrders(config{})
	require.NoError(t, err)
	api := newAPI(orders)
	for _, c := range []struct {
		method, path, body string
		status             int
		says               string
	}{
		{"POST", "/orders", `{"amount": 1}`, 400, "item: must not be empty"},
		{"POST", "/orders", `{"item": "tea"}`, 400, "amount: must be at least 1"},
		{"POST", "/orders", `{"item": "tea", "amount": 1, "packed": true}`, 400, `unknown field "packed"`},
		{"POST", "/orders", `tea`, 400, "invalid character"},
		{"POST", "/orders", `{"item": "` + strings.Repeat("a", maxBody) + `"}`, 400, "too large"},
		{"GET", "/orders/1", "", 404, "not found"},
		{"GET", "/orders/tea", "", 404, "not found"},
		{"DELETE", "/orders/1", "", 405, "Method Not Allowed"},
	} {
		answer := ask(t, api, c.method, c.path, c.body)
		require.Equal(t, c.status, answer.Code, c)
		require.Contains(t, answer.Body.String(), c.says)
	}
}

func TestAnOrderIsNotAcceptedWhileAllPackersAreBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		orders, err := NewOrders(config{pack: time.Hour})
		require.NoError(t, err)
		api := newAPI(orders)
		app := fxtest.New(t, fx.Supply(orders), workerfx.ProvideWorker(newPacker), fx.StopTimeout(24*time.Hour)).RequireStart()
		tea := `{"item": "tea", "amount": 1}`
		require.Equal(t, http.StatusAccepted, ask(t, api, "POST", "/orders", tea).Code)
		require.Equal(t, http.StatusAccepted, ask(t, api, "POST", "/orders", tea).Code)

		busy := ask(t, api, "POST", "/orders", tea)

		require.Equal(t, http.StatusServiceUnavailable, busy.Code)
		require.Contains(t, busy.Body.String(), errBusy.Error())
		require.Equal(t, "5", busy.Header().Get("Retry-After"))
		app.RequireStop()
		total, packed := orders.count()
		require.Equal(t, 2, total, "the third was not accepted")
		require.Equal(t, 2, packed)
	})
}

func TestReportsComeOnTheirSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		orders, err := NewOrders(config{})
		require.NoError(t, err)
		app := fxtest.New(t, fx.Supply(orders, config{report: time.Minute}), workerfx.ProvideWorker(newReport)).RequireStart()
		began := time.Now()

		app.AwaitRuns("report", 3)

		require.GreaterOrEqual(t, time.Since(began), 3*time.Minute)
		require.Less(t, time.Since(began), 4*time.Minute)
	})
}

func TestBadFlagsAreErrorsOfTheStart(t *testing.T) {
	for want, c := range map[string]config{
		`flag -pack -1ns: must not be negative`:                {pack: -1, report: 1},
		`worker "report": interval -1ns: must be positive`:     {report: -1},
		`flag -admin: listen tcp: address 7: missing port in`:  {report: 1, admin: "7"},
		`flag -listen: listen tcp: address 7: missing port in`: {report: 1, admin: "127.0.0.1:0", listen: "7"},
	} {
		app := fx.New(options(c, io.Discard))
		err := app.Err()
		if err == nil {
			err = app.Start(t.Context())
		}
		require.ErrorContains(t, err, want)
	}
}
