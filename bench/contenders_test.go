//go:build unix

package bench_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
	"github.com/stretchr/testify/require"
	"github.com/vgarvardt/gue/v5"
	"github.com/vgarvardt/gue/v5/adapter/pgxv5"
	"go.uber.org/fx"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/queue"
)

// task is what all jobs are about.
type task struct {
	N int `json:"n"`
}

// Kind is that of task.
func (task) Kind() string { return "task" }

// contender is a queue under test.
type contender struct {
	name string
	// jobs is how many it works in a turn, samples how many are enqueued one by one.
	jobs, samples int
	// poll is how often it looks for jobs if nobody tells it of new ones.
	poll time.Duration
	open func(t testing.TB, url string, workers int, handle func(task)) system
}

// system is a contender at work on a database of its own.
type system interface {
	enqueue(ctx context.Context, tasks ...task) error
	// start makes it work, stop ends that, and close frees all that it has.
	start(t testing.TB)
	stop(t testing.TB)
	close(t testing.TB)
}

const (
	// riverConns is how many connections River's clients have, plain or within a queue.
	riverConns = 10
	// fastCooldown is what package queue sets; River's own is 100ms.
	fastCooldown = time.Millisecond
)

var (
	gueDefault   = contender{"gue", 2_000, 7, 5 * time.Second, openGue}
	riverDefault = contender{"river", 500, 50, 0, func(t testing.TB, url string, workers int, handle func(task)) system {
		return openRiver(t, url, workers, 0, handle)
	}}
	riverFast = contender{"river-1ms", 20_000, 50, 0, func(t testing.TB, url string, workers int, handle func(task)) system {
		return openRiver(t, url, workers, fastCooldown, handle)
	}}
	ours = contender{"workerfx", 20_000, 50, 0, func(t testing.TB, url string, workers int, handle func(task)) system {
		return openOurs(t, url, workers, handle)
	}}
	// oursLater is a queue whose jobs are all due at the same later moment.
	oursLater = contender{"workerfx-later", 20_000, 50, 0, func(t testing.TB, url string, workers int, handle func(task)) system {
		s := openOurs(t, url, workers, handle)
		s.options = []queue.EnqueueOption{queue.At(time.Now().Add(laterBy))}
		return s
	}}
)

// laterBy is longer than it takes to enqueue the jobs of a turn and to start the app that works them.
const laterBy = 15 * time.Second

// oursSystem is a queue of workerfx: one app that enqueues, another one that works.
type oursSystem struct {
	client         *queue.Client
	options        []queue.EnqueueOption
	sender, worker *fx.App
}

func openOurs(t testing.TB, url string, workers int, handle func(task)) *oursSystem {
	t.Helper()
	s := &oursSystem{}
	db := queue.Postgres(withParameter(t, url, "pool_max_conns", strconv.Itoa(riverConns)))
	s.sender = fx.New(fx.NopLogger, queue.Module(db), fx.Populate(&s.client))
	var opts []queue.Option
	if workers != queue.DefaultSlots {
		opts = append(opts, queue.WithQueue(queue.DefaultQueue, workers))
	}
	s.worker = fx.New(fx.NopLogger, workerfx.Module, queue.Module(db, opts...),
		queue.ProvideHandler[task](func() queue.HandlerFunc[task] {
			return func(_ context.Context, job *queue.Job[task]) error {
				handle(job.Args)
				return nil
			}
		}))
	require.NoError(t, s.sender.Start(context.Background()))
	return s
}

func (s *oursSystem) enqueue(ctx context.Context, tasks ...task) error {
	entries := make([]queue.Entry, len(tasks))
	for i, t := range tasks {
		entries[i] = queue.NewEntry(t, s.options...)
	}
	_, err := s.client.EnqueueBatch(ctx, entries...)
	return err
}

func (s *oursSystem) start(t testing.TB) { require.NoError(t, s.worker.Start(context.Background())) }
func (s *oursSystem) stop(t testing.TB)  { require.NoError(t, s.worker.Stop(context.Background())) }
func (s *oursSystem) close(t testing.TB) { require.NoError(t, s.sender.Stop(context.Background())) }

// riverSystem is River as its documentation shows it.
type riverSystem struct {
	sendPool, workPool *pgxpool.Pool
	sender             *river.Client[pgx.Tx]
	worker             *river.Client[pgx.Tx]
}

type riverWorker struct {
	river.WorkerDefaults[task]

	handle func(task)
}

// Work works a job.
func (w *riverWorker) Work(_ context.Context, job *river.Job[task]) error {
	w.handle(job.Args)
	return nil
}

func openRiver(t testing.TB, url string, workers int, cooldown time.Duration, handle func(task)) system {
	t.Helper()
	ctx := context.Background()
	s := &riverSystem{sendPool: newPool(t, url, riverConns), workPool: newPool(t, url, riverConns)}
	log := slog.New(slog.DiscardHandler)
	migrator, err := rivermigrate.New(riverpgxv5.New(s.sendPool), &rivermigrate.Config{Logger: log})
	require.NoError(t, err)
	_, err = migrator.Migrate(ctx, rivermigrate.DirectionUp, nil)
	require.NoError(t, err)
	s.sender, err = river.NewClient(riverpgxv5.New(s.sendPool), &river.Config{Logger: log, FetchCooldown: cooldown})
	require.NoError(t, err)
	all := river.NewWorkers()
	river.AddWorker(all, &riverWorker{handle: handle})
	s.worker, err = river.NewClient(riverpgxv5.New(s.workPool), &river.Config{
		Logger: log, Workers: all, FetchCooldown: cooldown,
		Queues: map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: workers}},
	})
	require.NoError(t, err)
	return s
}

func (s *riverSystem) enqueue(ctx context.Context, tasks ...task) error {
	params := make([]river.InsertManyParams, len(tasks))
	for i, t := range tasks {
		params[i] = river.InsertManyParams{Args: t}
	}
	_, err := s.sender.InsertMany(ctx, params)
	return err
}

func (s *riverSystem) start(t testing.TB) { require.NoError(t, s.worker.Start(context.Background())) }
func (s *riverSystem) stop(t testing.TB)  { require.NoError(t, s.worker.Stop(context.Background())) }

func (s *riverSystem) close(testing.TB) {
	s.workPool.Close()
	s.sendPool.Close()
}

// gueSchema is the one of its version 5.
const gueSchema = `CREATE TABLE gue_jobs (job_id TEXT NOT NULL PRIMARY KEY, priority SMALLINT NOT NULL,
	run_at TIMESTAMPTZ NOT NULL, job_type TEXT NOT NULL, args BYTEA NOT NULL, error_count INTEGER NOT NULL DEFAULT 0,
	last_error TEXT, queue TEXT NOT NULL, created_at TIMESTAMPTZ NOT NULL, updated_at TIMESTAMPTZ NOT NULL);
	CREATE INDEX idx_gue_jobs_selector ON gue_jobs (queue, run_at, priority);`

// gueSystem is gue with its defaults, and a connection for each worker: it holds one while it works.
type gueSystem struct {
	pool    *pgxpool.Pool
	client  *gue.Client
	workers *gue.WorkerPool
	cancel  context.CancelFunc
	ended   chan error
}

func openGue(t testing.TB, url string, workers int, handle func(task)) system {
	t.Helper()
	execute(t, url, gueSchema)
	s := &gueSystem{pool: newPool(t, url, int32(workers)+2), ended: make(chan error, 1)}
	var err error
	s.client, err = gue.NewClient(pgxv5.NewConnPool(s.pool))
	require.NoError(t, err)
	s.workers, err = gue.NewWorkerPool(s.client, gue.WorkMap{"task": func(_ context.Context, j *gue.Job) error {
		var args task
		if err := json.Unmarshal(j.Args, &args); err != nil {
			return err
		}
		handle(args)
		return nil
	}}, workers)
	require.NoError(t, err)
	return s
}

func (s *gueSystem) enqueue(ctx context.Context, tasks ...task) error {
	jobs := make([]*gue.Job, len(tasks))
	for i, t := range tasks {
		args, err := json.Marshal(t)
		if err != nil {
			return err
		}
		jobs[i] = &gue.Job{Type: t.Kind(), Args: args}
	}
	return s.client.EnqueueBatch(ctx, jobs)
}

func (s *gueSystem) start(testing.TB) {
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	go func() { s.ended <- s.workers.Run(ctx) }()
}

func (s *gueSystem) stop(t testing.TB) {
	s.cancel()
	require.NoError(t, <-s.ended)
}

func (s *gueSystem) close(testing.TB) { s.pool.Close() }
