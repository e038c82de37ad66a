package queue_test

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
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

// workerProcessEnv makes TestWorkerProcess a process that works the queue of a database: its value is a path or a URL.
const workerProcessEnv = "WORKERFX_TEST_WORKER_PROCESS"

// errand is a job whose handler leaves an effect, a row of the table effects. It works for a time, which
// may be another one for all attempts but the first.
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

// insertEffect is the effect of an attempt. Nothing in the table forbids a second one.
func insertEffect(job queue.JobInfo) string {
	return fmt.Sprintf(`INSERT INTO effects (job, attempt) VALUES (%d, %d)`, job.ID, job.Attempt)
}

// TestWorkerProcess is no test, but a process of a running, which works until it is killed.
func TestWorkerProcess(t *testing.T) {
	database := os.Getenv(workerProcessEnv)
	if database == "" {
		t.Skip("is for the tests that kill processes")
	}
	db := testDB{path: database, Database: queue.SQLite(database)}
	if strings.HasPrefix(database, "postgres://") {
		db = testDB{url: database, Database: queue.Postgres(database)}
	}
	startApp := fx.New(fx.NopLogger, fx.Supply(zerolog.Nop()), workerfx.Module,
		queue.Module(db.Database, queue.WithLease(testLease)), plainHandler(db.open(t)), exactHandler(db)).Start
	require.NoError(t, startApp(t.Context()))
	say("started", queue.JobInfo{})
	select {}
}

func say(what string, job queue.JobInfo) {
	fmt.Println(what, job.ID, job.Attempt, time.Now().UnixNano())
}

// plainHandler leaves its effect on a connection of its own.
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

// exactHandler leaves its effect in the transaction that ends its job, before it works: so that it is there when
// its process is killed.
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

// running is a few processes that work a queue, and what they say.
type processes struct {
	t  testing.TB
	db testDB

	mu    sync.Mutex // guards begun
	begun map[attempted]time.Time
}

func newProcesses(t testing.TB, db testDB) *processes {
	return &processes{t: t, db: db, begun: make(map[attempted]time.Time)}
}

// member is a process of a running.
type member struct {
	*exec.Cmd

	started chan time.Time // receives when it has
	silent  chan struct{}  // closed when all that it said was heard
}

func (c *processes) startAll(n int) []*member {
	c.t.Helper()
	all := make([]*member, n)
	for i := range all {
		all[i] = c.start()
	}
	return all
}

// start starts a process, and ends it with the test.
func (c *processes) start() *member {
	c.t.Helper()
	m := &member{Cmd: exec.Command(os.Args[0], "-test.run=^TestWorkerProcess$"), started: make(chan time.Time, 1), silent: make(chan struct{})}
	m.Env = append(os.Environ(), workerProcessEnv+"="+c.db.path+c.db.url, "WORKERFX_TEST_POSTGRES_URL=that of "+workerProcessEnv)
	m.Stderr = os.Stderr
	m.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := m.StdoutPipe()
	require.NoError(c.t, err)
	require.NoError(c.t, m.Start())
	go func() {
		defer close(m.silent)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			c.hear(m, lines.Text())
		}
	}()
	c.t.Cleanup(func() { m.kill() })
	return m
}

// hear takes down what a process says, and when it said so.
func (c *processes) hear(m *member, line string) {
	var what string
	var which attempted
	var nanos int64
	if n, err := fmt.Sscan(line, &what, &which.job, &which.attempt, &nanos); n < 4 || err != nil {
		return // it was killed in the middle of a word
	}
	at := time.Unix(0, nanos)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch what {
	case "started":
		m.started <- at
	case "begun":
		c.begun[which] = at
	}
}

// kill ends a process as the system does when memory is short, and returns when.
func (m *member) kill() time.Time {
	at := time.Now()
	_ = m.Process.Kill()
	<-m.silent
	_ = m.Wait()
	return at
}

// beganAgain is when a job began the next time after an attempt, if it has.
func (c *processes) beganAgain(after attempted) (at time.Time, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for later := after.attempt + 1; later <= after.attempt+10 && !ok; later++ { // some attempts die before they begin
		at, ok = c.begun[attempted{after.job, later}]
	}
	return at, ok
}

// begunAgain counts the jobs that have begun again after these attempts.
func (c *processes) begunAgain(after []attempted) (n int) {
	for _, a := range after {
		if _, ok := c.beganAgain(a); ok {
			n++
		}
	}
	return n
}

// slowestRerun is how long it took from some time, that of each attempt, until all these jobs had begun again.
func (c *processes) slowestRerun(since map[attempted]time.Time) time.Duration {
	c.t.Helper()
	var waits []time.Duration
	for a, at := range since {
		if _, lostToo := since[attempted{a.job, a.attempt + 1}]; lostToo {
			continue // its next attempt died before it began, and is measured itself
		}
		began, ok := c.beganAgain(a)
		require.True(c.t, ok, "job %d has not run again", a.job)
		waits = append(waits, began.Sub(at).Round(time.Millisecond))
	}
	require.NotEmpty(c.t, waits, "no job ran when its process was killed")
	slices.Sort(waits)
	slowest := waits[len(waits)-1]
	c.t.Logf("%d jobs began again, half of them within %v, all within %v", len(waits), waits[len(waits)/2], slowest)
	return slowest
}
