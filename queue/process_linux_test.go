package queue_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/queue"
)

// processEnv makes the test binary work the queue of a database. The value is a path or a URL.
const processEnv = "WORKERFX_TEST_PROCESS"

// runProcess works the queue until it gets SIGTERM. It prints when each attempt begins and ends. Attempts that wait end
// when a line comes on the standard input.
func runProcess(database string) error {
	goOn := make(chan struct{})
	go func() {
		if bufio.NewScanner(os.Stdin).Scan() {
			close(goOn)
		}
	}()
	app := fx.New(fx.NopLogger, fx.Supply(zerolog.Nop()), workerfx.Module, databaseOf(database).module(queue.WithLease(testLease)),
		handle(func(ctx context.Context, job *queue.Job[mail]) error {
			fmt.Printf("begun %d %d\n", job.ID, job.Attempt)
			defer fmt.Printf("ended %d %d\n", job.ID, job.Attempt)
			if job.Args.To == "wait" {
				<-goOn // it ignores its context
			}
			return nil
		}))
	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer cancel()
	if err := app.Start(stop); err != nil {
		return err
	}
	fmt.Println("started")
	<-stop.Done()
	return app.Stop(context.Background())
}

// process is another process that works a queue.
type process struct {
	*exec.Cmd

	lines chan string // that it printed
	stdin interface{ Write([]byte) (int, error) }
}

// startProcess starts a process, and kills it at the end of the test.
func startProcess(t *testing.T, db testDB) *process {
	t.Helper()
	p := &process{Cmd: exec.Command(os.Args[0]), lines: make(chan string, 10_000)}
	p.Env = db.environment(processEnv)
	p.Stderr = os.Stderr
	p.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := p.StdoutPipe()
	require.NoError(t, err)
	p.stdin, err = p.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, p.Start())
	go func() {
		for scanner := bufio.NewScanner(out); scanner.Scan(); {
			p.lines <- scanner.Text()
		}
	}()
	t.Cleanup(func() {
		_ = p.Process.Kill()
		_ = p.Wait()
	})
	require.Equal(t, "started", receive(t, p.lines))
	return p
}

func (p *process) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	require.NoError(t, p.Process.Signal(s))
}

func TestJobsOfAKilledProcessRunAgainSoon(t *testing.T) {
	onBoth(t, func(t *testing.T, db testDB) {
		other := startProcess(t, db)
		begun := make(chan queue.JobInfo, 10)
		discarded := make(chan queue.JobInfo, 10)
		a := newApp(t, db, handle(func(_ context.Context, job *queue.Job[mail]) error {
			begun <- job.JobInfo
			return nil
		}), queue.ProvideHooks(func() queue.Hooks {
			return queue.Hooks{OnDiscard: func(_ context.Context, job queue.JobInfo, err error) {
				require.ErrorContains(t, err, "died")
				discarded <- job
			}}
		}))
		a.RequireStart()
		require.NoError(t, a.Pool.Pause("queue/default"))
		a.AwaitStatus("queue/default", workerfx.StatusPaused)
		again := a.enqueue(t, mail{To: "wait"})
		last := a.enqueue(t, mail{To: "wait"}, queue.MaxAttempts(1))
		receive(t, other.lines)
		receive(t, other.lines)
		require.NoError(t, a.Pool.Resume("queue/default"))
		a.AwaitStatus("queue/default", workerfx.StatusRunning)
		time.Sleep(300 * time.Millisecond)
		require.Empty(t, begun, "the other process lives, and has the jobs")

		killed := time.Now()
		other.signal(t, syscall.SIGKILL)
		job := receive(t, begun)
		t.Logf("ran again after %v", time.Since(killed))
		require.Equal(t, again, job.ID)
		require.Equal(t, 2, job.Attempt, "the crash counts")
		require.Len(t, job.Errors, 1)
		require.Contains(t, job.Errors[0].Error, "died")
		require.Equal(t, last, receive(t, discarded).ID)
		a.awaitState(t, again, queue.StateCompleted)
		a.awaitState(t, last, queue.StateDiscarded)
	})
}

func TestFrozenProcessDoesNotEndJobsThatWereTakenOver(t *testing.T) {
	onPostgres(t, func(t *testing.T, db testDB) {
		frozen := startProcess(t, db)
		begun, goOn := make(chan queue.JobInfo, 10), make(chan struct{})
		a := newAppWith(t, db.module(queue.WithLease(testLease)),
			handle(func(_ context.Context, job *queue.Job[mail]) error {
				begun <- job.JobInfo
				<-goOn
				return nil
			}))
		a.RequireStart()
		require.NoError(t, a.Pool.Pause("queue/default"))
		a.AwaitStatus("queue/default", workerfx.StatusPaused)
		id := a.enqueue(t, mail{To: "wait"})
		require.Equal(t, fmt.Sprintf("begun %d 1", id), receive(t, frozen.lines))
		frozen.signal(t, syscall.SIGSTOP)
		require.NoError(t, a.Pool.Resume("queue/default"))
		job := receive(t, begun)
		require.Equal(t, 2, job.Attempt)

		frozen.signal(t, syscall.SIGCONT)
		_, err := frozen.stdin.Write([]byte("go on\n"))
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintf("ended %d 1", id), receive(t, frozen.lines))
		for range 20 { // its end of the job is not written
			job, err := a.client.Job(t.Context(), id)
			require.NoError(t, err)
			require.Equal(t, queue.StateRunning, job.State)
			require.Equal(t, 2, job.Attempt)
			time.Sleep(50 * time.Millisecond)
		}
		require.NoError(t, a.Pool.Pause("queue/default"))
		close(goOn)
		a.awaitState(t, id, queue.StateCompleted)
		a.AwaitStatus("queue/default", workerfx.StatusPaused)

		next := a.enqueue(t, mail{}) // it begins again
		require.Equal(t, fmt.Sprintf("begun %d 1", next), receive(t, frozen.lines))
		a.awaitState(t, next, queue.StateCompleted)
	})
}
