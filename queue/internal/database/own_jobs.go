package database

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/rivertype"
)

// A fetch marks jobs as running in the database and returns them. If its answer is lost, nobody works them: River has
// given up after ten seconds, and others see that the client lives. So a client looks after its own running jobs. One that has
// been running for twenty seconds, and was in no answer, is lost.

// heldJobs are the running jobs that a client knows of.
type heldJobs struct {
	mu       sync.Mutex    // guards the fields below
	ids      map[int64]int // with the number of the answer
	answers  int
	fetching bool // the client waits for an answer
}

// fetchBegan notes that the client asks for jobs. It asks once at a time.
func (h *heldJobs) fetchBegan() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.fetching = true
}

// fetchEnded notes the answer.
func (h *heldJobs) fetchEnded(answer *riverdriver.JobGetAvailableResult) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.fetching = false
	if answer == nil {
		return
	}
	h.answers++
	for _, job := range answer.Jobs {
		h.ids[job.ID] = h.answers
	}
}

// ending is called before the ends of jobs are written, and written after that. A job that runs again at once may have been
// fetched again meanwhile: that one is still held.
func (h *heldJobs) ending(ids []int64) (written func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	last := h.answers
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		for _, id := range ids {
			if h.ids[id] <= last {
				delete(h.ids, id)
			}
		}
	}
}

// isHeld tells whether the client has a job.
func (h *heldJobs) isHeld(id int64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, held := h.ids[id]
	return held
}

// isLost tells whether a job that has been running for long was in no answer, and will be in none. It is not known while the
// client waits for an answer: the process may have been frozen meanwhile.
func (h *heldJobs) isLost(id int64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, held := h.ids[id]
	return !held && !h.fetching
}

// JobAttempt is an attempt of a job.
type JobAttempt struct {
	ID      int64
	Attempt int
}

// ownJob is a running job of a client.
type ownJob struct {
	JobAttempt

	Cancelled bool
	Old       bool // it has been running for twenty seconds
}

// CheckOwnJobs looks at the running jobs of a client. It returns those that were cancelled, and makes lost ones available again.
// The attempt of a lost job does not count, as nobody worked it.
func (s *Store[TTx]) CheckOwnJobs(ctx context.Context, joined *Session) (cancelled []JobAttempt, lost []*rivertype.JobRow, err error) {
	exec := s.driverOf(joined).GetExecutor()
	var found []byte
	if err := exec.QueryRow(ctx, s.dialect.OwnJobs, joined.ClientID).Scan(&found); err != nil {
		return nil, nil, err
	}
	var jobs []ownJob
	if err := json.Unmarshal(found, &jobs); err != nil {
		return nil, nil, err
	}
	var ids []int64
	for _, job := range jobs {
		switch {
		case job.Cancelled && joined.held.isHeld(job.ID):
			cancelled = append(cancelled, job.JobAttempt)
		case job.Old && joined.held.isLost(job.ID):
			ids = append(ids, job.ID)
		}
	}
	if len(ids) == 0 {
		return cancelled, nil, nil
	}
	lost, err = release(ctx, exec, joined, ids)
	return cancelled, lost, err
}

// release makes lost jobs available. Those that were cancelled are given up.
func release(ctx context.Context, exec riverdriver.Executor, joined *Session, ids []int64) (lost []*rivertype.JobRow, err error) {
	rows, err := exec.JobGetByIDMany(ctx, &riverdriver.JobGetByIDManyParams{ID: ids})
	if err != nil {
		return nil, err
	}
	if joined.Executor != nil {
		exec = joined.Executor // of the lock: if it was lost, others take over the jobs
	}
	params := &riverdriver.JobSetStateIfRunningManyParams{}
	for _, row := range rows {
		if row.State != rivertype.JobStateRunning || OwnerOf(row) != joined.ClientID {
			continue
		}
		end := riverdriver.JobSetStateSnoozedAvailable(row.ID, row.ScheduledAt, max(row.Attempt-1, 0), nil)
		if stateWhenFreed(row) == rivertype.JobStateCancelled {
			end = riverdriver.JobSetStateCancelled(row.ID, time.Now(), nil, nil)
		}
		row.State = end.State
		params.ID, params.State = append(params.ID, end.ID), append(params.State, end.State)
		params.Attempt, params.ErrData = append(params.Attempt, end.Attempt), append(params.ErrData, end.ErrData)
		params.FinalizedAt, params.ScheduledAt = append(params.FinalizedAt, end.FinalizedAt), append(params.ScheduledAt, end.ScheduledAt)
		params.MetadataDoMerge, params.MetadataUpdates = append(params.MetadataDoMerge, false), append(params.MetadataUpdates, nil)
		lost = append(lost, row)
	}
	if len(lost) == 0 {
		return nil, nil
	}
	if _, err := exec.JobSetStateIfRunningMany(ctx, params); err != nil {
		return nil, err
	}
	return lost, notifyQueues(ctx, exec, lost[0].Queue) // a client works one queue
}
