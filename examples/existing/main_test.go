package main

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/workerfx/workerfx/fxtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience limits every wait. It is long, as a busy machine is slow.
const patience = time.Minute

// client keeps no connections, which would outlive a test.
var client = http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// send posts a text, and returns the answer.
func send(t *testing.T, url, text string) (status int, body string) {
	t.Helper()
	answer, err := client.Post(url, "text/plain", strings.NewReader(text))
	require.NoError(t, err)
	defer answer.Body.Close()
	read, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return answer.StatusCode, string(read)
}

// await returns the log record of a worker, or of the app for "", with this message and this field.
func await(t *testing.T, app *fxtest.App, message, field string) (value any) {
	t.Helper()
	require.Eventually(t, func() bool {
		for _, record := range app.Logs() {
			if record.Message == message {
				value = record.Fields[field]
				return true
			}
		}
		return false
	}, patience, time.Millisecond)
	return value
}

func TestANoteGoesThroughKafkaToTheConsumer(t *testing.T) {
	app := fxtest.New(t, options("127.0.0.1:0")).RequireStart()
	url := await(t, app, "serving", "url").(string)
	await(t, app, "memory has doubled", "bytes")

	status, body := send(t, url, "Buy milk")

	require.Equal(t, http.StatusAccepted, status, body)
	require.Equal(t, "Buy milk", await(t, app, "note", "text"))
	status, body = send(t, url, strings.Repeat("a", 2<<10))
	require.Equal(t, http.StatusBadRequest, status, body)
	app.RequireStop()
	for _, e := range app.Pool.Executions() {
		require.NoError(t, e.Err, e.Worker)
	}
}
