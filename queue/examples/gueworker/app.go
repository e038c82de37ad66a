package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/rs/zerolog"
	"github.com/vgarvardt/gue/v5"
	"github.com/vgarvardt/gue/v5/adapter/pgxv5"
	guezerolog "github.com/vgarvardt/gue/v5/adapter/zerolog"
	"go.uber.org/fx"

	"github.com/workerfx/workerfx"
)

// app is the whole app. The last two lines make gue's pool a worker.
func app(c config, g greeter, log zerolog.Logger) fx.Option {
	return fx.Options(
		fx.NopLogger, // failures are returned as errors
		fx.Supply(c, g, log),
		fx.Provide(openDB, newClient, newWorkerPool),
		fx.Invoke(enqueue),
		workerfx.Module,
		workerfx.UseWorker[*gue.WorkerPool](workerfx.WithName("jobs"), workerfx.WithEssential()),
	)
}

// newWorkerPool makes a pool of gue, as in an app without workerfx.
func newWorkerPool(client *gue.Client, g greeter, log zerolog.Logger) (*gue.WorkerPool, error) {
	return gue.NewWorkerPool(client, gue.WorkMap{"greet": g.greet}, 4,
		gue.WithPoolPollInterval(200*time.Millisecond),
		gue.WithPoolLogger(guezerolog.New(log)),
		// A current job is finished when the app stops. Without this option, its transaction would end with its
		// context, and the job would run again. The context keeps its values, such as the worker's logger.
		gue.WithPoolWorkerContextFactory(context.WithoutCancel),
	)
}

// greeter does the jobs.
type greeter struct{ to io.Writer }

type greeting struct {
	Name string `json:"name"`
}

// greet is a gue.WorkFunc. Its context also has the values of workerfx, such as the logger.
func (g greeter) greet(ctx context.Context, job *gue.Job) error {
	var args greeting
	if err := json.Unmarshal(job.Args, &args); err != nil {
		return gue.ErrDiscardJob(err.Error())
	}
	workerfx.CtxLogger(ctx).Info().Stringer("job", job.ID).Msg("greeting")
	_, err := fmt.Fprintf(g.to, "Hello, %s!\n", args.Name)
	return err
}

// enqueue enqueues the greetings of the flags when the database is open.
func enqueue(lifecycle fx.Lifecycle, c config, client *gue.Client) {
	lifecycle.Append(fx.StartHook(func(ctx context.Context) error {
		jobs := make([]*gue.Job, c.greetings)
		for i := range jobs {
			args, err := json.Marshal(greeting{Name: fmt.Sprintf("number %d", i+1)})
			if err != nil {
				return err
			}
			jobs[i] = &gue.Job{Type: "greet", Args: args}
		}
		if len(jobs) == 0 {
			return nil
		}
		return client.EnqueueBatch(ctx, jobs)
	}))
}

func newClient(db *pgxpool.Pool) (*gue.Client, error) {
	return gue.NewClient(pgxv5.NewConnPool(db))
}

// openDB opens the database. It closes the database after the pool of workers has stopped.
func openDB(lifecycle fx.Lifecycle, c config) (*pgxpool.Pool, error) {
	db, err := pgxpool.New(context.Background(), c.url)
	if err != nil {
		return nil, err
	}
	lifecycle.Append(fx.StartStopHook(func(ctx context.Context) error {
		if _, err := db.Exec(ctx, schema); err != nil {
			db.Close() // fx stops only what it has started
			return err
		}
		return nil
	}, db.Close))
	return db, nil
}

// schema is the table of gue, as in its migrations.
const schema = `
	CREATE TABLE IF NOT EXISTS gue_jobs (
		job_id text PRIMARY KEY, queue text NOT NULL, job_type text NOT NULL, args bytea NOT NULL,
		priority smallint NOT NULL, run_at timestamptz NOT NULL,
		error_count integer NOT NULL DEFAULT 0, last_error text,
		created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL);
	CREATE INDEX IF NOT EXISTS idx_gue_jobs_selector ON gue_jobs (queue, run_at, priority)`
