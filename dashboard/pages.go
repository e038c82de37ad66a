package dashboard

import (
	"net/http"
	"slices"
	"strconv"
	"time"
)

// pageSize is how many workers a page has.
const pageSize = 50

// workersView is what the first page shows.
type workersView struct {
	workerList

	Query  query
	Wrong  error // the parameters that are wrong, and not used
	Rows   []row
	Now    time.Time
	CanAct bool
}

// workersPage answers GET / with the list of workers.
func (h *handler) workersPage(w http.ResponseWriter, r *http.Request) {
	view := workersView{Now: time.Now(), CanAct: h.authorize != nil}
	view.Query, view.Wrong = newQuery(r.URL.Query(), pageSize, apiSize)
	view.workerList = newList(h.pool.Executions(), h.pool.Excluded(), view.Query)
	view.Rows = view.rows()
	h.render(w, r, http.StatusOK, page{Title: "Workers"}, workersTemplate, view)
}

// filterView is a link to the workers of one status.
type filterView struct {
	Name, Link string
	Count      int
	Current    bool
}

// Filters are the links above the table: those that find a worker, and the one that is chosen.
func (v workersView) Filters() []filterView {
	links := []filterView{{"all", v.Query.link("", 1), v.All, v.Query.Status == ""}}
	for _, name := range filters {
		if current := name == v.Query.Status; v.Counts[name] > 0 || current {
			links = append(links, filterView{name, v.Query.link(name, 1), v.Counts[name], current})
		}
	}
	return links
}

// PageLink is the link to another page of the list, or empty if there is none.
func (v workersView) PageLink(step int) string {
	if to := v.workerList.Page + step; to >= 1 && to <= v.Pages {
		return v.Query.link(v.Query.Status, to)
	}
	return ""
}

// Sparkline is the small chart of a row.
func (v workersView) Sparkline(r row) *sparkline { return newSparkline(r.RecentRuns, v.Now) }

// workerView is what a worker's page shows.
type workerView struct {
	Report   reportJSON // of the replica that is shown
	Stack    string
	Runs     []runView // the newest first
	Timeline *timeline
	Events   []eventJSON // the newest first
	Replicas []reportJSON
	Wanted   int // how many replicas, as the first value of the form
	Settings []settingJSON
	Logs     []string
	HasLogs  bool
	CanAct   bool
	Notice   *notice
}

// runView is a run with how long it took.
type runView struct {
	runJSON

	Took string
}

// workerPage answers GET worker?name=.
func (h *handler) workerPage(w http.ResponseWriter, r *http.Request) {
	h.workerPageWith(w, r, r.URL.Query().Get("name"), noticeOf(r.URL.Query().Get("done")), http.StatusOK)
}

// workerPageWith answers with a worker's page that says how an action went.
func (h *handler) workerPageWith(w http.ResponseWriter, r *http.Request, name string, n *notice, status int) {
	executions, settings, err := h.findWorker(name)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	index := 0
	if wanted, err := strconv.Atoi(r.URL.Query().Get("replica")); err == nil {
		for i, e := range executions {
			if e.Replica == wanted {
				index = i
			}
		}
	}
	e := executions[index]
	view := workerView{
		Report: newReport(&e), Stack: stackOf(e.Err), Events: newEvents(e.Events), Settings: newSettings(settings),
		Logs: h.logs.Lines(name), HasLogs: h.logs != nil, CanAct: h.authorize != nil, Notice: n,
	}
	if view.Wanted, _, err = h.pool.Replicas(name); err != nil {
		h.fail(w, r, err)
		return
	}
	view.addRuns(time.Now())
	slices.Reverse(view.Events)
	for i := range executions {
		view.Replicas = append(view.Replicas, newReport(&executions[i]))
	}
	h.render(w, r, status, page{Title: view.Report.Label()}, workerTemplate, view)
}

func (v *workerView) addRuns(now time.Time) {
	v.Timeline = newTimeline(v.Report.RecentRuns, now)
	for _, run := range slices.Backward(v.Report.RecentRuns) {
		v.Runs = append(v.Runs, runView{run, duration(run.took(now))})
	}
}

// button is an action that a worker's page offers.
type button struct{ Name, Title string }

// Actions are the buttons that the worker's state allows. Scale has a form of its own.
func (v workerView) Actions() []button {
	switch v.Report.Status {
	case "paused":
		return []button{{"resume", "Resume"}, {"restart", "Restart"}}
	case "success", "error", "stopped":
		return []button{{"restart", "Restart"}}
	}
	return []button{{"pause", "Pause"}, {"resume", "Resume"}, {"trigger", "Run now"}, {"restart", "Restart"}}
}
