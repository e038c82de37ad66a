package main

import (
	"io"
	"net/http"
	"testing"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/pubsub/gochannel"
	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/fxtest"
)

func TestTypesOfOtherLibrariesRunAsWorkers(t *testing.T) {
	var broker *gochannel.GoChannel
	var inbox Inbox
	a := fxtest.New(t, app("127.0.0.1:0"), fx.Populate(&broker, &inbox)).RequireStart()
	for _, name := range []string{"http", "importer", "consumer"} {
		a.AwaitStatus(name, workerfx.StatusRunning)
	}

	address := ""
	for _, l := range a.Logs("http") {
		if l.Message == "serving" {
			address, _ = l.Fields["address"].(string)
		}
	}
	answer, err := http.Get("http://" + address)
	require.NoError(t, err)
	text, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	require.Equal(t, "hello\n", string(text))
	http.DefaultClient.CloseIdleConnections()

	require.NoError(t, broker.Publish(topic, message.NewMessage(watermill.NewUUID(), []byte("tea"))))
	require.Equal(t, "tea", <-inbox)

	a.RequireStop()
	for _, name := range []string{"http", "importer", "consumer"} {
		e, err := a.Pool.Execution(name)
		require.NoError(t, err)
		require.Equal(t, workerfx.StatusStopped, e.Status, name)
		require.NoError(t, e.Err, name)
	}
}

func TestAPortThatIsTakenIsAFailureOfTheServer(t *testing.T) {
	first := fxtest.New(t, workerfx.ProvideWorker(func() *HTTPServer { return NewHTTPServer("127.0.0.1:0") })).RequireStart()
	first.AwaitStatus("http", workerfx.StatusRunning)
	address := ""
	for address == "" {
		for _, l := range first.Logs("http") {
			if l.Message == "serving" {
				address, _ = l.Fields["address"].(string)
			}
		}
	}
	second := fxtest.New(t, workerfx.ProvideWorker(func() *HTTPServer { return NewHTTPServer(address) })).RequireStart()
	e := second.AwaitStatus("http", workerfx.StatusError)
	require.ErrorContains(t, e.Err, "address already in use")
}
