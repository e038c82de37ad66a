package main

import (
	"context"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx"
)

// webOf makes a worker of a handler, and a channel with the address of each server.
func webOf(handler http.HandlerFunc) (web workerfx.Worker, addresses chan string) {
	addresses = make(chan string, 10)
	return workerfx.NewWorker("web", serve(func() *http.Server {
		return &http.Server{Addr: "127.0.0.1:0", Handler: handler, BaseContext: func(l net.Listener) context.Context {
			addresses <- l.Addr().String()
			return context.Background()
		}}
	})), addresses
}

// startPool starts a pool with one worker.
func startPool(t *testing.T, w workerfx.Worker, opts ...workerfx.Option) *workerfx.Pool {
	t.Helper()
	pool, err := workerfx.NewPool()
	require.NoError(t, err)
	require.NoError(t, pool.Add(w, opts...))
	require.NoError(t, pool.Start(t.Context()))
	t.Cleanup(func() { require.NoError(t, stop(pool)) })
	return pool
}

func stop(pool *workerfx.Pool) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return pool.Stop(ctx)
}

func TestAStopWaitsForTheRequestUnderWay(t *testing.T) {
	began, goOn := make(chan struct{}), make(chan struct{})
	web, addresses := webOf(func(w http.ResponseWriter, r *http.Request) {
		close(began)
		<-goOn
		w.WriteHeader(http.StatusAccepted)
	})
	pool := startPool(t, web)
	address := <-addresses
	status := make(chan int)
	go func() {
		answer, err := client.Get("http://" + address)
		if err != nil {
			status <- 0
			return
		}
		answer.Body.Close()
		status <- answer.StatusCode
	}()
	<-began

	stopped := make(chan error)
	go func() { stopped <- stop(pool) }()
	require.Eventually(t, func() bool { return !accepts(address) }, patience, time.Millisecond)
	select {
	case err := <-stopped:
		t.Fatal("the stop did not wait:", err)
	default:
	}
	close(goOn)

	require.Equal(t, http.StatusAccepted, <-status)
	require.NoError(t, <-stopped)
}

// accepts tells whether there is a server at an address.
func accepts(address string) bool {
	conn, err := net.Dial("tcp", address)
	if err == nil {
		conn.Close()
	}
	return err == nil
}

func TestARestartServesAgain(t *testing.T) {
	web, addresses := webOf(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) })
	pool := startPool(t, web)
	first := <-addresses
	require.NoError(t, pool.Restart("web"))

	second := <-addresses

	status, _ := send(t, "http://"+second, "")
	require.Equal(t, http.StatusAccepted, status)
	if second != first { // the system may give out the same port again
		require.False(t, accepts(first))
	}
}

func TestAServerThatCannotListenIsAFailedRun(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	web := workerfx.NewWorker("web", serve(func() *http.Server { return &http.Server{Addr: taken.Addr().String()} }))
	require.ErrorContains(t, workerfx.RunAll(t.Context(), web), "listen tcp "+taken.Addr().String())
}
