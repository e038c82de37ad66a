package dashboard

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// actions are the names of the actions, in the order of their buttons.
var actions = []string{"pause", "resume", "trigger", "restart", "scale"}

// action is what a user asks for.
type action struct {
	name     string // one of actions
	worker   string
	replicas int // for scale
	user     string
}

// newAction reads an action from the request's path, query or form.
func newAction(r *http.Request) (a action, err error) {
	if err := parseForm(r); err != nil {
		return a, err
	}
	name := r.PathValue("action")
	if name == "" {
		name = r.PostForm.Get("action")
	}
	if !slices.Contains(actions, name) {
		return a, &requestError{http.StatusNotFound, fmt.Sprintf("there is no action %q", name)}
	}
	a = action{name: name, worker: r.FormValue("name"), user: User(r)}
	if name == "scale" {
		if a.replicas, err = strconv.Atoi(r.FormValue("replicas")); err != nil {
			return a, &requestError{http.StatusBadRequest, fmt.Sprintf("worker %q: scale: replicas %q is not a number", a.worker, r.FormValue("replicas"))}
		}
	}
	return a, nil
}

// String describes the action as an event, such as "scale to 3 by alice".
func (a action) String() string {
	if a.name == "scale" {
		return fmt.Sprintf("scale to %d by %s", a.replicas, a.user)
	}
	return a.name + " by " + a.user
}

// perform carries out the action, and notes it or why the pool refused it. If it takes long, or the server shuts down, the
// answer does not wait for its end: waits is true then.
func (h *handler) perform(r *http.Request, a action) (waits bool, err error) {
	if err := h.pool.Note(a.worker, a.String()); err != nil {
		return false, err
	}
	done := make(chan error, 1)
	go func() {
		err := h.command(a)
		if err != nil {
			_ = h.pool.Note(a.worker, fmt.Sprintf("%v was refused: %v", a, err)) // the worker may be gone
		}
		done <- err
	}()
	select {
	case err := <-done:
		return false, err
	case <-time.After(actionWait):
	case <-h.shutdowns.of(r):
	case <-r.Context().Done():
	}
	return true, nil
}

func (h *handler) command(a action) error {
	switch a.name {
	case "pause":
		return h.pool.Pause(a.worker)
	case "resume":
		return h.pool.Resume(a.worker)
	case "trigger":
		return h.pool.Trigger(a.worker)
	case "restart":
		return h.pool.Restart(a.worker)
	default:
		return h.pool.Scale(a.worker, a.replicas)
	}
}

// actionJSON is the answer to an action.
type actionJSON struct {
	Worker string `json:"worker"`
	Action string `json:"action"`
	User   string `json:"user"`
	Waits  bool   `json:"waits"`
}

// actAPI answers POST api/worker/{action}.
func (h *handler) actAPI(w http.ResponseWriter, r *http.Request) {
	a, err := newAction(r)
	var waits bool
	if err == nil {
		waits, err = h.perform(r, a)
	}
	if err != nil {
		h.fail(w, r, err)
		return
	}
	status := http.StatusOK
	if waits {
		status = http.StatusAccepted
	}
	WriteJSON(w, status, actionJSON{Worker: a.worker, Action: a.name, User: a.user, Waits: waits})
}

// actOnPage answers the forms of the worker's page. It asks back before a restart, and before a worker is scaled to 0.
func (h *handler) actOnPage(w http.ResponseWriter, r *http.Request) {
	a, err := newAction(r)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	if q, ok := a.question(); ok && !Confirmed(w, r, q) {
		return
	}
	waits, err := h.perform(r, a)
	if err != nil {
		h.workerPageWith(w, r, a.worker, &notice{Error: true, Text: err.Error()}, statusOf(err))
		return
	}
	done := a.name
	if waits {
		done = "waits"
	}
	Redirect(w, pageOf(a.worker, done))
}

// question is what the page asks before an action that ends all runs.
func (a action) question() (q Question, ok bool) {
	q.Back = pageOf(a.worker, "")
	switch {
	case a.name == "restart":
		q.Text, q.Yes = fmt.Sprintf("Restart worker %q? Its current runs end, and new ones begin.", a.worker), "Restart"
	case a.name == "scale" && a.replicas == 0:
		q.Text, q.Yes = fmt.Sprintf("Scale worker %q to 0? Its current runs end, and none begins.", a.worker), "Scale to 0"
	}
	return q, q.Text != ""
}

// pageOf is the relative link to a worker's page, with a notice about what was done unless that is empty.
func pageOf(worker, done string) string {
	values := url.Values{"name": {worker}}
	if done != "" {
		values.Set("done", done)
	}
	return "./worker?" + values.Encode()
}

// notice is what the worker's page says about an action.
type notice struct {
	Error bool
	Text  string
}

var doneTexts = map[string]string{
	"pause": "Paused: no run begins until it is resumed.", "resume": "Resumed.", "trigger": "Triggered: it runs now, or after the current run.",
	"restart": "Restarted.", "scale": "Scaled.", "waits": "The current run has not ended yet. The action goes on.",
}

// noticeOf is the notice after an action, or nil.
func noticeOf(done string) *notice {
	if text, ok := doneTexts[done]; ok {
		return &notice{Text: text}
	}
	return nil
}
