//go:build unix

package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// output is what a process writes.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// build builds the program.
func build(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "httpapi")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".").CombinedOutput()
	require.NoError(t, err, string(out))
	return program
}

// start starts the program, and returns it with its URL and its log.
func start(t *testing.T) (service *exec.Cmd, url string, log *output) {
	t.Helper()
	log = &output{}
	service = exec.CommandContext(t.Context(), build(t), "-listen", "127.0.0.1:0")
	service.Stderr = log
	require.NoError(t, service.Start())
	t.Cleanup(func() { _ = service.Process.Kill() })
	address := regexp.MustCompile(`"address":"([^"]+)"`)
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if found := address.FindStringSubmatch(log.String()); found != nil {
			return service, "http://" + found[1], log
		}
		require.True(t, time.Now().Before(deadline), "it does not serve: %s", log)
	}
}

func TestTheServiceAnswersAndHandlesWhatItHasAcceptedBeforeItEnds(t *testing.T) {
	service, url, log := start(t)
	get := func(path string) string {
		answer, err := http.Get(url + path)
		require.NoError(t, err)
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, answer.StatusCode, path)
		return string(text)
	}
	require.Equal(t, "ok\n", get("/readyz"))
	require.Contains(t, get("/metrics"), `worker_replicas{worker="orders/handle"} 2`)
	require.Contains(t, get("/workers/"), "orders")

	const orders = 30
	for i := range orders {
		answer, err := http.Post(fmt.Sprintf("%s/orders?item=tea-%d", url, i), "", nil)
		require.NoError(t, err)
		require.Equal(t, http.StatusAccepted, answer.StatusCode)
		require.NoError(t, answer.Body.Close())
	}
	http.DefaultClient.CloseIdleConnections()
	require.NoError(t, service.Process.Signal(syscall.SIGTERM))
	require.NoError(t, service.Wait(), "exit code 0: %s", log)
	require.Equal(t, orders, strings.Count(log.String(), "order handled"), "each once")
}

func TestAnOrderWithoutAnItemIsRefused(t *testing.T) {
	_, url, _ := start(t)
	answer, err := http.Post(url+"/orders", "", nil)
	require.NoError(t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusBadRequest, answer.StatusCode)
	require.Equal(t, "item must not be empty\n", string(text))
}

func TestMain(m *testing.M) {
	code := m.Run()
	http.DefaultClient.CloseIdleConnections()
	os.Exit(code)
}
