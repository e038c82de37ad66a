package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
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

// jobQueue is a queue for jobs.
type jobQueue struct {
	name string
	// jobs is how many it works in a round.
	jobs int
	// open opens it for as many workers, on a database of its own.
	open func(url string, workers int, handle func(task)) openQueue
}

// openQueue is a queue on a database of its own.
type openQueue interface {
	enqueue(ctx context.Context, tasks ...task) error
	// start makes it work, stop ends that, and close frees all that it has.
	start()
	stop()
	close()
}

const (
	// riverConns is how many connections River's clients have, plain or within a queue.
	riverConns = 10
	// fastCooldown is what package queue sets; River's own is 100ms.
	fastCooldown = time.Millisecond
)

var (
	gueDefault   = jobQueue{"gue", 2_000, openGue}
	riverDefault = jobQueue{"river", 500, func(url string, workers int, handle func(task)) openQueue {
		return openRiver(url, workers, 0, handle)
	}}
	riverFast = jobQueue{"river-1ms", 20_000, func(url string, workers int, handle func(task)) openQueue {
		return openRiver(url, workers, fastCooldown, handle)
	}}
	ourQueue = jobQueue{"workerfx", 20_000, func(url string, workers int, handle func(task)) openQueue {
		return openOurs(url, workers, handle)
	}}
	// dueAtOnce is the same, beside dueLater, whose jobs are all due at the same later moment.
	dueAtOnce = jobQueue{"due at once", ourQueue.jobs, ourQueue.open}
	dueLater  = jobQueue{"workerfx", ourQueue.jobs, func(url string, workers int, handle func(task)) openQueue {
		s := openOurs(url, workers, handle)
		s.options = []queue.EnqueueOption{queue.At(time.Now().Add(laterBy))}
		return s
	}}
)

// laterBy is longer than it takes to enqueue the jobs of a turn and to start the app that works them.
const laterBy = 15 * time.Second

// oursOpen is a queue of workerfx: one app that enqueues, another one that works.
type oursOpen struct {
	client         *queue.Client
	options        []queue.EnqueueOption
	sender, worker *fx.App
}

func openOurs(url string, workers int, handle func(task)) *oursOpen {
	s := &oursOpen{}
	db := queue.Postgres(withParameter(url, "pool_max_conns", strconv.Itoa(riverConns)))
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
	check(s.sender.Start(context.Background()))
	return s
}

func (s *oursOpen) enqueue(ctx context.Context, tasks ...task) error {
	entries := make([]queue.Entry, len(tasks))
	for i, t := range tasks {
		entries[i] = queue.NewEntry(t, s.options...)
	}
	_, err := s.client.EnqueueBatch(ctx, entries...)
	return err
}

func (s *oursOpen) start() { check(s.worker.Start(context.Background())) }
func (s *oursOpen) stop()  { check(s.worker.Stop(context.Background())) }
func (s *oursOpen) close() { check(s.sender.Stop(context.Background())) }

// riverOpen is River as its documentation shows it.
type riverOpen struct {
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

func openRiver(url string, workers int, cooldown time.Duration, handle func(task)) openQueue {
	ctx := context.Background()
	s := &riverOpen{sendPool: newPgxPool(url, riverConns), workPool: newPgxPool(url, riverConns)}
	log := slog.New(slog.DiscardHandler)
	migrator, err := rivermigrate.New(riverpgxv5.New(s.sendPool), &rivermigrate.Config{Logger: log})
	check(err)
	_, err = migrator.Migrate(ctx, rivermigrate.DirectionUp, nil)
	check(err)
	s.sender, err = river.NewClient(riverpgxv5.New(s.sendPool), &river.Config{Logger: log, FetchCooldown: cooldown})
	check(err)
	all := river.NewWorkers()
	river.AddWorker(all, &riverWorker{handle: handle})
	s.worker, err = river.NewClient(riverpgxv5.New(s.workPool), &river.Config{
		Logger: log, Workers: all, FetchCooldown: cooldown,
		Queues: map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: workers}},
	})
	check(err)
	return s
}

func (s *riverOpen) enqueue(ctx context.Context, tasks ...task) error {
	params := make([]river.InsertManyParams, len(tasks))
	for i, t := range tasks {
		params[i] = river.InsertManyParams{Args: t}
	}
	_, err := s.sender.InsertMany(ctx, params)
	return err
}

func (s *riverOpen) start() { check(s.worker.Start(context.Background())) }
func (s *riverOpen) stop()  { check(s.worker.Stop(context.Background())) }

func (s *riverOpen) close() {
	s.workPool.Close()
	s.sendPool.Close()
}

// gueSchema is the one of its version 5.
const gueSchema = `CREATE TABLE gue_jobs (job_id TEXT NOT NULL PRIMARY KEY, priority SMALLINT NOT NULL,
	run_at TIMESTAMPTZ NOT NULL, job_type TEXT NOT NULL, args BYTEA NOT NULL, error_count INTEGER NOT NULL DEFAULT 0,
	last_error TEXT, queue TEXT NOT NULL, created_at TIMESTAMPTZ NOT NULL, updated_at TIMESTAMPTZ NOT NULL);
	CREATE INDEX idx_gue_jobs_selector ON gue_jobs (queue, run_at, priority);`

// gueOpen is gue with its defaults, and a connection for each worker: it holds one while it works.
type gueOpen struct {
	pool    *pgxpool.Pool
	client  *gue.Client
	workers *gue.WorkerPool
	cancel  context.CancelFunc
	ended   chan error
}

func openGue(url string, workers int, handle func(task)) openQueue {
	execute(url, gueSchema)
	s := &gueOpen{pool: newPgxPool(url, workers+2), ended: make(chan error, 1)}
	var err error
	s.client, err = gue.NewClient(pgxv5.NewConnPool(s.pool))
	check(err)
	s.workers, err = gue.NewWorkerPool(s.client, gue.WorkMap{"task": func(_ context.Context, j *gue.Job) error {
		var args task
		if err := json.Unmarshal(j.Args, &args); err != nil {
			return err
		}
		handle(args)
		return nil
	}}, workers)
	check(err)
	return s
}

func (s *gueOpen) enqueue(ctx context.Context, tasks ...task) error {
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

func (s *gueOpen) start() {
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	go func() { s.ended <- s.workers.Run(ctx) }()
}

func (s *gueOpen) stop() {
	s.cancel()
	check(<-s.ended)
}

func (s *gueOpen) close() { s.pool.Close() }
