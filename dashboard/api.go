package dashboard

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"

	"github.com/workerfx/workerfx"
)

const (
	apiSize    = 1000 // workers in an answer of api/workers
	apiLargest = 10_000
)

// workersJSON is the answer of api/workers.
type workersJSON struct {
	Pool     string         `json:"pool"`
	Workers  []reportJSON   `json:"workers"`
	Disabled []string       `json:"disabled"`
	Counts   map[string]int `json:"counts"`
	Total    int            `json:"total"`
	Page     int            `json:"page"`
	Pages    int            `json:"pages"`
}

// workersAPI answers GET api/workers.
func (h *handler) workersAPI(w http.ResponseWriter, r *http.Request) {
	q, err := newQuery(r.URL.Query(), apiSize, apiLargest)
	if err != nil {
		h.fail(w, r, &requestError{http.StatusBadRequest, err.Error()})
		return
	}
	l := newList(h.pool.Executions(), h.pool.Excluded(), q)
	answer := workersJSON{
		Pool: h.pool.Name(), Workers: []reportJSON{}, Disabled: []string{}, Counts: l.Counts,
		Total: l.Found, Page: l.Page, Pages: l.Pages,
	}
	for _, i := range l.items {
		if i.Execution == nil {
			answer.Disabled = append(answer.Disabled, i.name)
			continue
		}
		answer.Workers = append(answer.Workers, newReport(i.Execution))
	}
	WriteJSON(w, http.StatusOK, answer)
}

// replicaJSON is what api/worker tells of one replica.
type replicaJSON struct {
	reportJSON

	Stack  string      `json:"stack,omitempty"`
	Events []eventJSON `json:"events"`
}

// workerJSON is the answer of api/worker.
type workerJSON struct {
	Worker   string        `json:"worker"`
	Replicas []replicaJSON `json:"replicas"`
	Settings []settingJSON `json:"settings"`
	Logs     []string      `json:"logs,omitempty"`
}

// workerAPI answers GET api/worker.
func (h *handler) workerAPI(w http.ResponseWriter, r *http.Request) {
	name := r.URL.Query().Get("name")
	executions, settings, err := h.findWorker(name)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	answer := workerJSON{Worker: name, Settings: newSettings(settings), Logs: h.logs.Lines(name)}
	for i := range executions {
		e := &executions[i]
		answer.Replicas = append(answer.Replicas, replicaJSON{newReport(e), stackOf(e.Err), newEvents(e.Events)})
	}
	WriteJSON(w, http.StatusOK, answer)
}

// findWorker returns the reports on all replicas of a worker, and its settings.
func (h *handler) findWorker(name string) (executions []workerfx.Execution, settings []workerfx.Setting, err error) {
	if settings, err = h.pool.Settings(name); err != nil {
		return nil, nil, err
	}
	for _, e := range h.pool.Executions() {
		if e.Worker == name {
			executions = append(executions, e)
		}
	}
	if executions == nil { // it has just gone
		return nil, nil, fmt.Errorf("worker %q: %w", name, workerfx.ErrUnknownWorker)
	}
	return executions, settings, nil
}

// errorJSON is the answer to a request that failed.
type errorJSON struct {
	Error string `json:"error"`
}

// WriteJSON answers a request with a value as JSON. If the value cannot be JSON, the answer is an error that says so.
func WriteJSON(w http.ResponseWriter, status int, value any) {
	body, err := json.Marshal(value)
	if err != nil {
		status = http.StatusInternalServerError
		body, _ = json.Marshal(errorJSON{err.Error()}) //nolint:errchkjson // a string is always JSON
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that went away needs no answer
}
