package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/rs/zerolog"

	"github.com/workerfx/workerfx/queue"
)

// maxLines is how many of the jobs that were given up are listed.
const maxLines = 20

// givenUp chooses the jobs that were given up.
var givenUp = queue.JobFilter{Queues: []string{queueName}, States: []queue.State{queue.StateDiscarded, queue.StateCancelled}}

// status prints how many jobs there are in each state, and those that were given up. With -requeue, it requeues them instead.
func status(ctx context.Context, c config, log zerolog.Logger, stdout io.Writer) error {
	return withClient(ctx, c, log, func(client *queue.Client) error {
		if c.requeue {
			n, err := client.RequeueAll(ctx, givenUp)
			_, _ = fmt.Fprintln(stdout, n, "requeued")
			return err
		}
		counts, err := client.Counts(ctx)
		if err != nil {
			return err
		}
		n := make(map[queue.State]int)
		for _, count := range counts {
			if count.Queue == queueName {
				n[count.State] = count.Jobs
			}
		}
		listed := givenUp
		listed.Limit = maxLines
		jobs, err := client.Jobs(ctx, listed)
		if err != nil {
			return err
		}
		return printStatus(stdout, n, jobs)
	})
}

// printStatus writes the numbers of jobs, and the first jobs that were given up.
func printStatus(stdout io.Writer, n map[queue.State]int, listed []queue.JobInfo) error {
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
	line("given up", givenUp.States...)
	if len(listed) > 0 {
		_, _ = fmt.Fprintln(table, "\nJOB\tATTEMPTS\tGIVEN UP BECAUSE")
	}
	for _, job := range listed {
		_, _ = fmt.Fprintf(table, "%d\t%d\t%s\n", job.ID, job.Attempt, reason(job))
	}
	if more := n[queue.StateDiscarded] + n[queue.StateCancelled] - len(listed); more > 0 {
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
