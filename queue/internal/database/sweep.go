package database

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/rivertype"
	"github.com/rs/xid"
)

// clientPrefix begins the names of clients with a lock. River rescues the jobs of other clients.
const clientPrefix = "workerfx:"

// NewClientID returns the name of a River client, with its machine, process and a number.
func NewClientID() string {
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "host"
	}
	return fmt.Sprintf("%s%s:%d:%s", clientPrefix, host[:min(len(host), 48)], os.Getpid(), xid.New())
}

// IsOurs tells whether a client is of this package, by its name. Such a client has a lock while it lives.
func IsOurs(clientID string) bool { return strings.HasPrefix(clientID, clientPrefix) }

// OwnerOf returns the name of the client that runs a job, or "".
func OwnerOf(job *rivertype.JobRow) string {
	if len(job.AttemptedBy) == 0 {
		return ""
	}
	return job.AttemptedBy[len(job.AttemptedBy)-1]
}

// stateWhenFreed is the next state of a job whose client is gone.
func stateWhenFreed(job *rivertype.JobRow) rivertype.JobState {
	var metadata struct {
		CancelAttemptedAt any `json:"cancel_attempted_at"` // River sets it when a job is cancelled while it runs
	}
	switch {
	case json.Unmarshal(job.Metadata, &metadata) == nil && metadata.CancelAttemptedAt != nil:
		return rivertype.JobStateCancelled
	case job.Attempt >= job.MaxAttempts:
		return rivertype.JobStateDiscarded
	}
	return rivertype.JobStateAvailable
}

// farFuture is after the begin of every attempt, also if the clock of its machine was ahead.
var farFuture = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// Free ends the attempts of jobs whose client is gone. The caller has locked their rows. A job with another attempt is
// available, at its old place in the queue. Other jobs, and cancelled jobs, are dead letters. Free updates jobs.
func Free(ctx context.Context, exec riverdriver.Executor, jobs []*rivertype.JobRow) error {
	now := time.Now().UTC()
	params := riverdriver.JobRescueManyParams{StuckHorizon: farFuture}
	var queues []string
	for _, job := range jobs {
		failed := rivertype.AttemptError{At: now, Attempt: job.Attempt, Error: "its end was not written, as its process died, was cut off, or could not write: " + OwnerOf(job)}
		data, err := json.Marshal(failed)
		if err != nil {
			return err
		}
		job.Errors, job.State, job.FinalizedAt = append(job.Errors, failed), stateWhenFreed(job), nil
		if job.State != rivertype.JobStateAvailable {
			job.FinalizedAt = &now
		}
		if !slices.Contains(queues, job.Queue) {
			queues = append(queues, job.Queue)
		}
		params.ID, params.Error = append(params.ID, job.ID), append(params.Error, data)
		params.State, params.FinalizedAt = append(params.State, string(job.State)), append(params.FinalizedAt, job.FinalizedAt)
		params.ScheduledAt = append(params.ScheduledAt, job.ScheduledAt)
	}
	if _, err := exec.JobRescueMany(ctx, &params); err != nil {
		return err
	}
	return notifyQueues(ctx, exec, queues...)
}
