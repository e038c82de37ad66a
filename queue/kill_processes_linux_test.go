package queue_test

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx", so that one piece of code asks both databases
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/queue"
)

// workerProcessEnv makes TestWorkerProcess work the queue of a database. The value is a path or a URL.
const workerProcessEnv = "WORKERFX_TEST_WORKER_PROCESS"

// errand is a job whose handler inserts a row into the table effects. First is how long the first attempt takes, and
// Again is how long each later attempt takes.
type errand struct {
	First time.Duration `json:"first"`
	Again time.Duration `json:"again"`
}

func (e errand) work(attempt int) {
	if attempt == 1 {
		time.Sleep(e.First)
		return
	}
	time.Sleep(e.Again)
}

// plain has a Handler, exact a HandlerTx.
type (
	plain struct{ errand }
	exact struct{ errand }
)

func (plain) Kind() string { return "plain" }
func (exact) Kind() string { return "exact" }

// insertEffect is the effect of an attempt. The table allows a second effect of a job.
func insertEffect(job queue.JobInfo) string {
	return fmt.Sprintf(`INSERT INTO effects (job, attempt) VALUES (%d, %d)`, job.ID, job.Attempt)
}

// TestWorkerProcess is no test. It is the process that other tests start and kill.
func TestWorkerProcess(t *testing.T) {
	database := os.Getenv(workerProcessEnv)
	if database == "" {
		t.Skip("is for the tests that kill processes")
	}
	db := databaseOf(database)
	startApp := fx.New(fx.NopLogger, fx.Supply(zerolog.Nop()), workerfx.Module,
		db.module(queue.WithLease(testLease)), plainHandler(db.open(t)), exactHandler(db)).Start
	require.NoError(t, startApp(t.Context()))
	say("started", queue.JobInfo{})
	select {}
}

func say(what string, job queue.JobInfo) {
	fmt.Println(what, job.ID, job.Attempt, time.Now().UnixNano())
}

// plainHandler inserts its effect on a connection of its own.
func plainHandler(raw *sql.DB) fx.Option {
	return queue.ProvideHandler[plain](func() queue.HandlerFunc[plain] {
		return func(ctx context.Context, job *queue.Job[plain]) error {
			say("begun", job.JobInfo)
			job.Args.work(job.Attempt)
			_, err := raw.ExecContext(context.WithoutCancel(ctx), insertEffect(job.JobInfo))
			return err
		}
	})
}

// exactHandler inserts its effect in the transaction that ends its job. It inserts before it works, so that the row is
// there when its process is killed.
func exactHandler(db testDB) fx.Option {
	if db.isSQLite() {
		return queue.ProvideHandler[exact](func() queue.HandlerTxFunc[exact, *sql.Tx] {
			return func(ctx context.Context, tx *sql.Tx, job *queue.Job[exact]) error {
				say("begun", job.JobInfo)
				_, err := tx.ExecContext(ctx, insertEffect(job.JobInfo))
				job.Args.work(job.Attempt)
				return err
			}
		})
	}
	return queue.ProvideHandler[exact](func() queue.HandlerTxFunc[exact, pgx.Tx] {
		return func(ctx context.Context, tx pgx.Tx, job *queue.Job[exact]) error {
			say("begun", job.JobInfo)
			_, err := tx.Exec(ctx, insertEffect(job.JobInfo))
			job.Args.work(job.Attempt)
			return err
		}
	})
}

// open returns a few connections to the database, beside the queue's.
func (db testDB) open(t testing.TB) *sql.DB {
	t.Helper()
	if db.isSQLite() {
		return db.openSQLite(t)
	}
	raw, err := sql.Open("pgx", db.url)
	require.NoError(t, err)
	raw.SetMaxOpenConns(4)
	t.Cleanup(func() { raw.Close() })
	return raw
}

// attempted is one attempt at a job.
type attempted struct {
	job     int64
	attempt int
}

// processes are a few processes that work a queue, and the lines that they print.
type processes struct {
	t  testing.TB
	db testDB

	mu    sync.Mutex // guards begun
	begun map[attempted]time.Time
}

func newProcesses(t testing.TB, db testDB) *processes {
	return &processes{t: t, db: db, begun: make(map[attempted]time.Time)}
}

// workerProcess is one of the processes.
type workerProcess struct {
	*exec.Cmd

	started chan time.Time // receives the time when it has started
	silent  chan struct{}  // closed when all its lines were read
}

func (p *processes) startAll(n int) []*workerProcess {
	p.t.Helper()
	all := make([]*workerProcess, n)
	for i := range all {
		all[i] = p.start()
	}
	return all
}

// start starts a process, and ends it with the test.
func (p *processes) start() *workerProcess {
	p.t.Helper()
	w := &workerProcess{Cmd: exec.Command(os.Args[0], "-test.run=^TestWorkerProcess$"), started: make(chan time.Time, 1), silent: make(chan struct{})}
	w.Env = append(p.db.environment(workerProcessEnv), "WORKERFX_TEST_POSTGRES_URL=that of "+workerProcessEnv)
	w.Stderr = os.Stderr
	w.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := w.StdoutPipe()
	require.NoError(p.t, err)
	require.NoError(p.t, w.Start())
	go func() {
		defer close(w.silent)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			p.readLine(w, lines.Text())
		}
	}()
	p.t.Cleanup(func() { w.kill() })
	return w
}

// readLine stores the event and the time that a process prints.
func (p *processes) readLine(w *workerProcess, line string) {
	var what string
	var which attempted
	var nanos int64
	if n, err := fmt.Sscan(line, &what, &which.job, &which.attempt, &nanos); n < 4 || err != nil {
		return // it was killed while it printed
	}
	at := time.Unix(0, nanos)
	p.mu.Lock()
	defer p.mu.Unlock()
	switch what {
	case "started":
		w.started <- at
	case "begun":
		p.begun[which] = at
	}
}

// kill ends a process as the system does when memory is short, and returns the time.
func (w *workerProcess) kill() time.Time {
	at := time.Now()
	_ = w.Process.Kill()
	<-w.silent
	_ = w.Wait()
	return at
}

// beganAgain returns when the next attempt of a job began. ok is false if there was none.
func (p *processes) beganAgain(after attempted) (at time.Time, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for later := after.attempt + 1; later <= after.attempt+10 && !ok; later++ { // some attempts die before they begin
		at, ok = p.begun[attempted{after.job, later}]
	}
	return at, ok
}

// begunAgain counts the jobs that have begun again after these attempts.
func (p *processes) begunAgain(after []attempted) (n int) {
	for _, a := range after {
		if _, ok := p.beganAgain(a); ok {
			n++
		}
	}
	return n
}

// slowestRerun returns the longest time until a job began again. since is the start of the wait for each attempt.
func (p *processes) slowestRerun(since map[attempted]time.Time) time.Duration {
	p.t.Helper()
	var waits []time.Duration
	for a, at := range since {
		if _, lostToo := since[attempted{a.job, a.attempt + 1}]; lostToo {
			continue // its next attempt died before it began, and is measured itself
		}
		var began time.Time
		eventually(p.t, fmt.Sprintf("the line is read by which job %d has run again", a.job), func() (ok bool) {
			began, ok = p.beganAgain(a)
			return ok
		})
		waits = append(waits, began.Sub(at).Round(time.Millisecond))
	}
	require.NotEmpty(p.t, waits, "no job ran when its process was killed")
	slices.Sort(waits)
	slowest := waits[len(waits)-1]
	p.t.Logf("%d jobs began again, half of them within %v, all within %v", len(waits), waits[len(waits)/2], slowest)
	return slowest
}
