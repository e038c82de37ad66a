package queue_test

import (
	"context"
	"errors"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/queue"
)

// proxy is a TCP proxy on loopback that can cut the connection.
type proxy struct {
	net.Listener

	target string
	mu     sync.Mutex    // guards the fields below
	open   chan struct{} // closed while bytes flow
	conns  []net.Conn
}

// newProxy returns a proxy to the server of a URL, and the URL that leads through it.
func newProxy(t *testing.T, to string) (*proxy, string) {
	t.Helper()
	u, err := url.Parse(to)
	require.NoError(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &proxy{Listener: l, target: u.Host, open: make(chan struct{})}
	close(p.open)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", p.target)
			if err != nil {
				in.Close()
				continue
			}
			p.mu.Lock()
			p.conns = append(p.conns, in, out)
			p.mu.Unlock()
			wg.Go(func() { p.pipe(out, in) })
			wg.Go(func() { p.pipe(in, out) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		p.heal()
		p.drop()
		wg.Wait()
	})
	u.Host = l.Addr().String()
	return p, u.String()
}

func (p *proxy) pipe(to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		p.mu.Lock()
		open := p.open
		p.mu.Unlock()
		<-open
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// cut stops all bytes and closes nothing, like a pulled cable.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open = make(chan struct{})
}

// heal lets bytes through again.
func (p *proxy) heal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.open:
	default:
		close(p.open)
	}
}

// drop closes all connections.
func (p *proxy) drop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		c.Close()
	}
	p.conns = nil
}

// interruptible is a handler that says when its attempt begins, and why its context ends.
func interruptible(begun chan<- queue.JobInfo, ended chan<- error) queue.HandlerFunc[mail] {
	return func(ctx context.Context, job *queue.Job[mail]) error {
		begun <- job.JobInfo
		if job.Args.To == "brief" || job.Attempt > 1 {
			return nil
		}
		<-ctx.Done()
		ended <- context.Cause(ctx)
		return ctx.Err()
	}
}

func TestProcessThatIsCutOffStopsItsJobsBeforeOthersTakeThemOver(t *testing.T) {
	for name, cut := range map[string]func(*proxy){
		"silence": (*proxy).cut,
		"connections closed": func(p *proxy) {
			p.cut()
			p.drop()
		},
	} {
		t.Run(name, func(t *testing.T) {
			db := newPostgres(t)
			network, url := newProxy(t, db.url)
			begun, ended := make(chan queue.JobInfo, 10), make(chan error, 10)
			var stopped atomic.Bool
			do := interruptible(begun, ended)
			far := newAppWith(t, queue.Module(queue.Postgres(url), queue.WithLease(testLease)), handle(func(ctx context.Context, job *queue.Job[mail]) error {
				defer stopped.Store(true)
				return do(ctx, job)
			}))
			far.RequireStart()
			taken, twice := make(chan queue.JobInfo, 10), make(chan bool, 10)
			near := newAppWith(t, db.module(queue.WithLease(testLease)),
				handle(func(_ context.Context, job *queue.Job[mail]) error {
					twice <- !stopped.Load()
					taken <- job.JobInfo
					return nil
				}))
			near.RequireStart()
			require.NoError(t, near.Pool.Pause("queue/default"))
			near.AwaitStatus("queue/default", workerfx.StatusPaused)
			id := near.enqueue(t, mail{})
			require.Equal(t, id, receive(t, begun).ID)
			require.NoError(t, near.Pool.Resume("queue/default"))
			near.AwaitStatus("queue/default", workerfx.StatusRunning)

			at := time.Now()
			cut(network)
			require.ErrorIs(t, receive(t, ended), queue.ErrLockLost)
			t.Logf("stopped after %v", time.Since(at))
			require.False(t, receive(t, twice), "the job runs twice at a time")
			job := receive(t, taken)
			t.Logf("taken over after %v", time.Since(at))
			require.Equal(t, id, job.ID)
			require.Equal(t, 2, job.Attempt)
			near.awaitState(t, id, queue.StateCompleted)
			eventually(t, "its health tells", func() bool { return far.Pool.Health() != nil })
			t.Logf("told after %v", time.Since(at))
			require.NoError(t, near.Pool.Health())

			require.NoError(t, near.Pool.Pause("queue/default"))
			near.AwaitStatus("queue/default", workerfx.StatusPaused)
			network.heal()
			next := near.enqueue(t, mail{To: "brief"})
			require.Equal(t, next, receive(t, begun).ID, "it works again")
			eventually(t, "its health tells of it", func() bool { return far.Pool.Health() == nil })
		})
	}
}

// billing is a handler that writes a bill. Its first attempt holds its transaction until its context ends. begun gets the
// number of each attempt, and 0 when the row is locked.
func billing(begun chan<- int) fx.Option {
	return queue.ProvideHandler[mail](func() queue.HandlerTxFunc[mail, pgx.Tx] {
		return func(ctx context.Context, tx pgx.Tx, job *queue.Job[mail]) error {
			begun <- job.Attempt
			_, err := tx.Exec(ctx, `INSERT INTO bills VALUES ($1)`, job.ID)
			if err == nil && job.Attempt == 1 {
				begun <- 0 // the row is locked
				<-ctx.Done()
			}
			return err
		}
	})
}

func TestTransactionOfACutOffProcessBlocksNobody(t *testing.T) {
	db := newPostgres(t)
	db.exec(t, `CREATE TABLE bills (job bigint PRIMARY KEY)`)
	begun := make(chan int, 10)
	bills := billing(begun)
	network, url := newProxy(t, db.url)
	far := newAppWith(t, queue.Module(queue.Postgres(url), queue.WithLease(testLease)), bills)
	far.RequireStart()
	id := far.enqueue(t, mail{})
	require.Equal(t, 1, receive(t, begun))
	require.Equal(t, 0, receive(t, begun))
	near := newAppWith(t, db.module(queue.WithLease(testLease)), bills)
	near.RequireStart()
	network.cut()
	require.Equal(t, 2, receive(t, begun))
	near.awaitState(t, id, queue.StateCompleted)
	require.Equal(t, 1, db.count(t, `SELECT count(*) FROM bills`))
}

func TestAppThatIsCutOffStopsSoon(t *testing.T) {
	for name, silence := range map[string]time.Duration{"at once": 0, "after the loss": testLease} {
		t.Run(name, func(t *testing.T) {
			network, url := newProxy(t, newPostgres(t).url)
			a := newAppWith(t, queue.Module(queue.Postgres(url), queue.WithLease(testLease)),
				handle(func(context.Context, *queue.Job[mail]) error { return nil }))
			a.RequireStart()
			a.enqueue(t, mail{})
			network.cut()
			time.Sleep(silence)
			begun := time.Now()
			require.NoError(t, a.Stop(within(t)))
			require.Less(t, time.Since(begun), waitLimit/2, "it does not use up its time")
		})
	}
}

// endLocks ends the connections that hold the locks of queues.
func (db testDB) endLocks(t testing.TB) {
	t.Helper()
	db.exec(t, `SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'
		AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`)
}

func TestAQueueIsStuckIfAHandlerDoesNotReturnAfterTheLockIsLost(t *testing.T) {
	onPostgres(t, func(t *testing.T, db testDB) {
		begun, goOn := make(chan struct{}, 10), make(chan struct{})
		a := newAppWith(t, db.module(queue.WithQueue("default", 1, workerfx.WithHeartbeat(300*time.Millisecond))),
			handle(func(context.Context, *queue.Job[mail]) error {
				begun <- struct{}{}
				<-goOn
				return nil
			}))
		a.RequireStart()
		a.enqueue(t, mail{})
		receive(t, begun)
		db.endLocks(t)
		eventually(t, "it is stuck", func() bool { return errors.Is(a.Pool.Health(), workerfx.ErrStuck) })
		close(goOn)
		eventually(t, "it works again", func() bool { return a.Pool.Health() == nil })
	})
}

func TestClientThatLosesItsLockStartsAgain(t *testing.T) {
	onPostgres(t, func(t *testing.T, db testDB) {
		begun, ended := make(chan queue.JobInfo, 10), make(chan error, 10)
		a := startApp(t, db, handle(interruptible(begun, ended)))
		id := a.enqueue(t, mail{})
		receive(t, begun)
		db.endLocks(t)
		require.ErrorIs(t, receive(t, ended), queue.ErrLockLost)
		job := receive(t, begun)
		require.Equal(t, id, job.ID)
		require.Equal(t, 2, job.Attempt)
		e := a.AwaitRuns("queue/default", 2)
		require.ErrorIs(t, e.Err, queue.ErrLockLost)
	})
}

func TestAppThatStoppedWhileItWasCutOffStartsAgain(t *testing.T) {
	network, url := newProxy(t, newPostgres(t).url)
	var client *queue.Client
	app := fx.New(fx.NopLogger, queue.Module(queue.Postgres(url)), fx.Populate(&client))
	require.NoError(t, app.Start(within(t)))
	network.cut()
	enqueued := make(chan error, 1)
	go func() {
		_, err := client.Enqueue(context.Background(), mail{})
		enqueued <- err
	}()
	time.Sleep(100 * time.Millisecond) // it has a connection by then
	require.NoError(t, app.Stop(within(t)))
	require.Error(t, receive(t, enqueued))
	network.heal()
	require.NoError(t, app.Start(within(t)))
	require.NoError(t, app.Stop(within(t)))
}

func TestStopDoesNotWaitForADatabaseThatIsOutOfReach(t *testing.T) {
	db := newPostgres(t)
	network, url := newProxy(t, db.url)
	a := newAppWith(t, queue.Module(queue.Postgres(url), queue.WithLease(testLease)),
		handle(func(context.Context, *queue.Job[mail]) error { return nil }))
	a.RequireStart()
	network.cut()
	eventually(t, "its health tells", func() bool { return a.Pool.Health() != nil })
	time.Sleep(200 * time.Millisecond) // it tries to connect by then
	at := time.Now()
	require.NoError(t, a.Stop(within(t)))
	require.Less(t, time.Since(at), waitLimit/2, "to wait would take three quarters of it")
}
