package main

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/fxtest"
	"github.com/workerfx/workerfx/queue/internal/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// buffer is a bytes.Buffer for many goroutines.
type buffer struct {
	mu   sync.Mutex // guards text
	text bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

const waitLimit = time.Minute

func TestJobsOfGueAreWorkedOnceEach(t *testing.T) {
	var out, log buffer
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	code := make(chan int, 1)
	args := []string{"-db", pgtest.NewDatabase(t), "-n", "50"}
	go func() { code <- run(ctx, args, &out, &log) }()
	require.Eventually(t, func() bool { return strings.Count(out.String(), "\n") >= 50 }, waitLimit, time.Millisecond)
	stop()
	require.Zero(t, <-code, log.String())
	for i := 1; i <= 50; i++ {
		require.Equal(t, 1, strings.Count(out.String(), fmt.Sprintf("Hello, number %d!\n", i)))
	}
	require.Regexp(t, `greeting job=\w+ worker=jobs workerExecutionID=\w+`, log.String(), "the run's logger reaches the job")
}

// slowWriter blocks the jobs that write to it until they may go on.
type slowWriter struct {
	began chan struct{}
	goOn  chan struct{}
}

func (w slowWriter) Write(p []byte) (int, error) {
	w.began <- struct{}{}
	<-w.goOn
	return len(p), nil
}

func TestPoolOfGueIsAWorkerLikeAnyOther(t *testing.T) {
	url := pgtest.NewDatabase(t)
	w := slowWriter{make(chan struct{}, 10), make(chan struct{})}
	a := fxtest.New(t, app(config{url: url, greetings: 1}, greeter{w}, zerolog.Nop()))
	a.RequireStart()
	a.AwaitStatus("jobs", workerfx.StatusRunning)
	<-w.began
	require.EqualValues(t, 1, a.Metric("worker_running", "worker", "jobs"))

	time.AfterFunc(200*time.Millisecond, func() { close(w.goOn) })
	a.RequireStop() // waits for the job
	db, err := pgxpool.New(t.Context(), url)
	require.NoError(t, err)
	defer db.Close()
	var left int
	require.NoError(t, db.QueryRow(t.Context(), `SELECT count(*) FROM gue_jobs`).Scan(&left))
	require.Zero(t, left, "the job that was being worked is done")
}
