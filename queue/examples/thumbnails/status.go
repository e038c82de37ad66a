package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"; the queue brings "sqlite" along
	"github.com/rs/zerolog"

	"github.com/workerfx/workerfx/queue"
)

const (
	maxLetters = 10_000 // dead letters that are read or requeued at a time
	maxLines   = 20     // dead letters that are listed
)

// status prints how many jobs there are in each state, and the dead letters. With -requeue, it requeues them instead.
func status(ctx context.Context, c config, log zerolog.Logger, stdout io.Writer) error {
	return withClient(ctx, c, log, func(client *queue.Client) error {
		letters, err := client.DeadLetters(ctx, maxLetters)
		if err != nil {
			return err
		}
		letters = slices.DeleteFunc(letters, func(job queue.JobInfo) bool { return job.Queue != queueName })
		if c.requeue {
			return requeue(ctx, client, letters, stdout)
		}
		n, err := count(ctx, c)
		if err != nil {
			return err
		}
		return printStatus(stdout, n, letters)
	})
}

// requeue requeues the jobs. Another process may do so at the same time.
func requeue(ctx context.Context, client *queue.Client, letters []queue.JobInfo, stdout io.Writer) error {
	n := 0
	for _, job := range letters {
		err := client.Requeue(ctx, job.ID)
		switch {
		case err == nil:
			n++
		case !errors.Is(err, queue.ErrNoJob):
			return err
		}
	}
	_, err := fmt.Fprintln(stdout, n, "requeued")
	return err
}

// count counts the jobs of this queue in each state. It queries River's table, which is the same in both databases.
func count(ctx context.Context, c config) (map[queue.State]int, error) {
	driver, source := "sqlite", c.db
	if c.isPostgres() {
		driver = "pgx"
	}
	db, err := sql.Open(driver, source)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	rows, err := db.QueryContext(ctx, `SELECT state, count(*) FROM river_job WHERE queue = '`+queueName+`' GROUP BY state`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	counts := make(map[queue.State]int)
	for rows.Next() {
		var state queue.State
		var n int
		if err := rows.Scan(&state, &n); err != nil {
			return nil, err
		}
		counts[state] = n
	}
	return counts, rows.Err()
}

// printStatus writes the tables.
func printStatus(stdout io.Writer, n map[queue.State]int, letters []queue.JobInfo) error {
	table := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	line := func(what string, states ...queue.State) {
		sum := 0
		for _, state := range states {
			sum += n[state]
		}
		_, _ = fmt.Fprintf(table, "%s\t%d\n", what, sum)
	}
	line("waiting", queue.StateAvailable, queue.StateScheduled, queue.StatePending)
	line("running", queue.StateRunning)
	line("waiting for another attempt", queue.StateRetryable)
	line("done, in the last 24 hours", queue.StateCompleted)
	line("given up", queue.StateDiscarded, queue.StateCancelled)
	if len(letters) > 0 {
		_, _ = fmt.Fprintln(table, "\nJOB\tATTEMPTS\tGIVEN UP BECAUSE")
	}
	for _, job := range letters[:min(len(letters), maxLines)] {
		_, _ = fmt.Fprintf(table, "%d\t%d\t%s\n", job.ID, job.Attempt, reason(job))
	}
	if more := len(letters) - maxLines; more > 0 {
		_, _ = fmt.Fprintf(table, "and %d more\n", more)
	}
	return table.Flush()
}

// reason returns why a job was given up: its last error, which names the image, or else the image.
func reason(job queue.JobInfo) string {
	var args Thumbnail
	_ = json.Unmarshal(job.RawArgs, &args) // without the arguments, the reason is shorter
	why := args.Source + ": nothing is known"
	if len(job.Errors) > 0 {
		why = job.Errors[len(job.Errors)-1].Error
	}
	return why
}
