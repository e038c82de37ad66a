//go:build unix

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx/examples/internal/program"
)

// service is the real program, and where it serves.
type service struct {
	*program.Process

	api, admin string // host and port
}

func startService(t *testing.T, args ...string) *service {
	t.Helper()
	process, err := program.Start(append([]string{"-listen", "127.0.0.1:0", "-admin", "127.0.0.1:0"}, args...)...)
	require.NoError(t, err)
	t.Cleanup(process.Kill)
	admin, err := process.Await(t.Context(), `"url":"http://([^/]+)/workers/"`)
	require.NoError(t, err)
	api, err := process.Await(t.Context(), `"url":"http://([^/]+)/orders"`)
	require.NoError(t, err)
	return &service{Process: process, api: api[1], admin: admin[1]}
}

// get returns the status and the body of an answer.
func get(t *testing.T, url string) (status int, body string) {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Get(url)
	require.NoError(t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return answer.StatusCode, string(text)
}

const tea = `{"item": "tea", "amount": 2}`

// order posts an order, and returns it as it was accepted.
func (s *service) order(t *testing.T) Order {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Post("http://"+s.api+"/orders", "application/json", strings.NewReader(tea))
	require.NoError(t, err)
	return accepted(t, answer)
}

func accepted(t *testing.T, answer *http.Response) (order Order) {
	t.Helper()
	defer answer.Body.Close()
	require.Equal(t, http.StatusAccepted, answer.StatusCode)
	require.NoError(t, json.NewDecoder(answer.Body).Decode(&order))
	return order
}

// slowOrder is a request whose body the client has not sent yet.
type slowOrder struct {
	net.Conn

	answers *bufio.Reader
}

// beginOrder begins a request. When it returns, the API is reading the body.
func (s *service) beginOrder(t *testing.T) slowOrder {
	t.Helper()
	conn, err := net.Dial("tcp", s.api)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	fmt.Fprintf(conn, "POST /orders HTTP/1.1\r\nHost: shop\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", len(tea))
	slow := slowOrder{conn, bufio.NewReader(conn)}
	line, err := slow.answers.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "HTTP/1.1 100 Continue\r\n", line)
	_, err = slow.answers.ReadString('\n')
	require.NoError(t, err)
	return slow
}

// finish sends the body, and returns the order as it was accepted.
func (s slowOrder) finish(t *testing.T) Order {
	t.Helper()
	_, err := io.WriteString(s, tea)
	require.NoError(t, err)
	answer, err := http.ReadResponse(s.answers, nil)
	require.NoError(t, err)
	return accepted(t, answer)
}

func TestAfterSIGTERMRequestsUnderWayAreAnsweredAndAcceptedOrdersArePacked(t *testing.T) {
	shop := startService(t, "-pack", "300ms")
	orders := make([]Order, 6)
	var clients sync.WaitGroup
	for i := range orders {
		clients.Go(func() { orders[i] = shop.order(t) })
	}
	clients.Wait() // some of the orders are not packed yet
	slow := shop.beginOrder(t)
	status, body := get(t, "http://"+shop.admin+"/readyz")
	require.Equal(t, http.StatusOK, status, body)

	require.NoError(t, shop.Terminate())
	_, err := shop.Await(t.Context(), "API stops")
	require.NoError(t, err)

	status, _ = get(t, "http://"+shop.admin+"/readyz")
	require.Equal(t, http.StatusServiceUnavailable, status, "no new requests, please")
	status, body = get(t, "http://"+shop.admin+"/livez")
	require.Equal(t, http.StatusOK, status, body)
	orders = append(orders, slow.finish(t))
	require.Zero(t, shop.Wait(), shop.Output())
	for _, order := range orders {
		require.Contains(t, shop.Output(), fmt.Sprintf(`"order":%d,`, order.ID))
	}
	require.Equal(t, len(orders), strings.Count(shop.Output(), `"message":"packed"`))
	require.NotContains(t, shop.Output(), `"level":"error"`)
	_, err = net.Dial("tcp", shop.api)
	require.Error(t, err)
}

func TestOrdersProbesMetricsAndThePageAreServed(t *testing.T) {
	shop := startService(t, "-pack", "0s", "-report", "10ms")
	order := shop.order(t)
	require.Equal(t, Order{ID: 1, Item: "tea", Amount: 2}, order)
	_, err := shop.Await(t.Context(), `"order":1,.*"message":"packed"`)
	require.NoError(t, err)
	_, err = shop.Await(t.Context(), `"orders":1,"packed":1,.*"message":"report"`)
	require.NoError(t, err)

	for url, want := range map[string]string{
		shop.api + "/orders/1":                     `{"id":1,"item":"tea","amount":2,"packed":true}`,
		shop.admin + "/livez":                      "ok",
		shop.admin + "/readyz?verbose":             "[+] workers ok",
		shop.admin + "/metrics":                    `worker_jobs_total{status="success",worker="packer"} 1`,
		shop.admin + "/workers/":                   `id="worker-report"`,
		shop.admin + "/workers/worker?name=packer": "packed", // a line of its log
	} {
		status, body := get(t, "http://"+url)
		require.Equal(t, http.StatusOK, status, url)
		require.Contains(t, body, want, url)
	}
	require.NoError(t, shop.Terminate())
	require.Zero(t, shop.Wait(), shop.Output())
}

func TestAnAddressThatIsTakenEndsTheProgramWithItsName(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	shop, err := program.Start("-admin", "127.0.0.1:0", "-listen", taken.Addr().String())
	require.NoError(t, err)
	t.Cleanup(shop.Kill)
	require.Equal(t, 1, shop.Wait())
	require.Contains(t, shop.Output(), taken.Addr().String()+": bind: address already in use")
}
