package queue

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/workerfx/workerfx/dashboard"
)

// queueJSON is a queue in the API.
type queueJSON struct {
	Queue            string        `json:"queue"`
	Jobs             map[State]int `json:"jobs"`
	OldestDueSeconds float64       `json:"oldestDueSeconds"`
}

// jobJSON is a job in the API.
type jobJSON struct {
	ID          int64           `json:"id"`
	Kind        string          `json:"kind"`
	Queue       string          `json:"queue"`
	State       State           `json:"state"`
	Priority    int             `json:"priority"`
	Attempt     int             `json:"attempt"`
	MaxAttempts int             `json:"maxAttempts"`
	EnqueuedAt  time.Time       `json:"enqueuedAt"`
	ScheduledAt time.Time       `json:"scheduledAt"`
	AttemptedAt time.Time       `json:"attemptedAt,omitzero"`
	FinishedAt  time.Time       `json:"finishedAt,omitzero"`
	Args        json.RawMessage `json:"args,omitempty"`
	ArgsHidden  bool            `json:"argsHidden,omitempty"`
	Errors      []attemptJSON   `json:"errors,omitempty"`
	Trace       string          `json:"trace,omitempty"`
}

type attemptJSON struct {
	Attempt int       `json:"attempt"`
	At      time.Time `json:"at"`
	Error   string    `json:"error"`
	Stack   string    `json:"stack,omitempty"`
}

type jobsJSON struct {
	Jobs []jobJSON `json:"jobs"`
	// Next is the value of "after" for the next page; it is left out on the last page.
	Next int64 `json:"next,omitempty"`
}

type changedJSON struct {
	Action string `json:"action"`
	Jobs   int64  `json:"jobs"`
	User   string `json:"user"`
}

type errorJSON struct {
	Error string `json:"error"`
}

func fail(w http.ResponseWriter, status int, err error) {
	dashboard.WriteJSON(w, status, errorJSON{err.Error()})
}

var errNoNumbers = errors.New("the database has not counted its jobs")

func (s *section) queuesAPI(w http.ResponseWriter, r *http.Request) {
	rows, err := s.queues(r)
	if err != nil {
		fail(w, statusOf(err), err)
		return
	}
	list := []queueJSON{}
	for _, row := range rows {
		queue := queueJSON{Queue: row.Name, Jobs: make(map[State]int), OldestDueSeconds: row.Due.Seconds()}
		for _, count := range row.Counts {
			queue.Jobs[count.State] = count.Jobs
		}
		list = append(list, queue)
	}
	dashboard.WriteJSON(w, http.StatusOK, map[string]any{"queues": list})
}

func (s *section) jobsAPI(w http.ResponseWriter, r *http.Request) {
	q, err := queryOf(r.URL.Query())
	if err != nil {
		fail(w, http.StatusBadRequest, err)
		return
	}
	jobs, err := s.client.Jobs(r.Context(), q.filter())
	if err != nil {
		fail(w, statusOf(err), err)
		return
	}
	page := jobsJSON{Jobs: make([]jobJSON, len(jobs))}
	for i, job := range jobs {
		page.Jobs[i] = s.inJSON(job)
	}
	if len(jobs) == q.Limit {
		page.Next = jobs[len(jobs)-1].ID
	}
	dashboard.WriteJSON(w, http.StatusOK, page)
}

func (s *section) jobAPI(w http.ResponseWriter, r *http.Request) {
	job, trace, err := s.job(r)
	if err != nil {
		fail(w, statusOf(err), err)
		return
	}
	one := s.inJSON(job)
	one.Trace = trace
	dashboard.WriteJSON(w, http.StatusOK, one)
}

func (s *section) inJSON(job JobInfo) jobJSON {
	one := jobJSON{
		ID: job.ID, Kind: job.Kind, Queue: job.Queue, State: job.State, Priority: job.Priority,
		Attempt: job.Attempt, MaxAttempts: job.MaxAttempts,
		EnqueuedAt: job.EnqueuedAt, ScheduledAt: job.ScheduledAt, AttemptedAt: job.AttemptedAt, FinishedAt: job.FinishedAt,
		Args: job.RawArgs, ArgsHidden: s.isHidden(job.Kind),
	}
	if one.ArgsHidden {
		one.Args = nil
	}
	for _, e := range job.Errors {
		one.Errors = append(one.Errors, attemptJSON(e))
	}
	return one
}

// actAPI carries out an action. Its parameters are those of a form of the page.
func (s *section) actAPI(w http.ResponseWriter, r *http.Request) {
	act, known := actionOf(r.PathValue("action"))
	if !known {
		fail(w, http.StatusNotFound, fmt.Errorf("action %q: must be requeue, cancel or delete", r.PathValue("action")))
		return
	}
	err := r.ParseForm()
	var t target
	if err == nil {
		t, err = targetOf(r.Form)
	}
	if err == nil && t.all && (r.Form.Has("after") || r.Form.Has("limit")) {
		err = errors.New("all=yes is all jobs of the filter: after and limit have no meaning")
	}
	if err != nil {
		fail(w, http.StatusBadRequest, err)
		return
	}
	changed, err := s.act(r, act, t)
	if err != nil {
		fail(w, statusOf(err), err)
		return
	}
	dashboard.WriteJSON(w, http.StatusOK, changedJSON{act.Name, changed, dashboard.User(r)})
}
