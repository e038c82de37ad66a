package queue

import (
	"bytes"
	"embed"
	"encoding/json"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/workerfx/workerfx/dashboard"
)

//go:embed assets
var assets embed.FS

var (
	jobsTemplate = parse("jobs.html")
	jobTemplate  = parse("job.html")
)

func parse(file string) *template.Template {
	return template.Must(template.New(file).Funcs(dashboard.Funcs()).ParseFS(assets, "assets/"+file))
}

// jobsView is what the page of jobs shows.
type jobsView struct {
	Query  query
	States []State
	Queues []queueRow
	Jobs   []JobInfo
	Next   string // the link to the next page
	First  string // the link to the first page, if this is another one
	CanAct bool
	Acts   []action
	Done   string // what the last action did
}

// queueRow is a queue with the numbers of its jobs.
type queueRow struct {
	Name   string
	Due    time.Duration
	Counts []countCell
}

type countCell struct {
	State State
	Jobs  int
	Link  string
}

// jobsPage shows the queues, and the jobs that the filter chooses.
func (s *section) jobsPage(w http.ResponseWriter, r *http.Request) {
	q, err := queryOf(r.URL.Query())
	if err != nil {
		dashboard.Fail(w, r, http.StatusBadRequest, err)
		return
	}
	jobs, err := s.client.Jobs(r.Context(), q.filter())
	if err != nil {
		dashboard.Fail(w, r, statusOf(err), err)
		return
	}
	queues, _ := s.queues(r) // without them, the page says that the database may not answer
	view := jobsView{
		Query: q, States: states, Queues: queues, Jobs: jobs,
		CanAct: dashboard.CanAct(r), Acts: actions, Done: doneText(r.URL.Query()),
	}
	if len(jobs) == q.Limit {
		next := q
		next.After = jobs[len(jobs)-1].ID
		view.Next = next.link()
	}
	if q.After > 0 {
		first := q
		first.After = 0
		view.First = first.link()
	}
	dashboard.Render(w, r, http.StatusOK, "Jobs", jobsTemplate, view)
}

// queues returns the queues with the numbers of their jobs, sorted by name.
func (s *section) queues(r *http.Request) ([]queueRow, error) {
	if !s.client.app.opened.Load() {
		return nil, ErrNotStarted
	}
	numbers := s.client.app.stats.get(r.Context())
	if numbers.at.IsZero() {
		return nil, errNoNumbers
	}
	found := numbers.queues
	rows := make([]queueRow, 0, len(found))
	for _, name := range slices.Sorted(maps.Keys(found)) {
		row := queueRow{Name: name, Due: found[name].due.Round(time.Second)}
		for _, state := range states {
			link := query{State: string(state), Queue: name}.link()
			row.Counts = append(row.Counts, countCell{state, found[name].jobs[state], link})
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// jobView is what the page of a job shows.
type jobView struct {
	Job    JobInfo
	Args   string
	Hidden bool
	Trace  string
	CanAct bool
	Acts   []action
	Done   string
}

// jobPage shows one job.
func (s *section) jobPage(w http.ResponseWriter, r *http.Request) {
	job, trace, err := s.job(r)
	if err != nil {
		dashboard.Fail(w, r, statusOf(err), err)
		return
	}
	slices.Reverse(job.Errors)
	view := jobView{
		Job: job, Args: indented(job.RawArgs), Hidden: s.isHidden(job.Kind), Trace: trace,
		CanAct: dashboard.CanAct(r), Done: doneText(r.URL.Query()),
	}
	for _, act := range actions {
		if slices.Contains(act.change.states, job.State) {
			view.Acts = append(view.Acts, act)
		}
	}
	dashboard.Render(w, r, http.StatusOK, "Job "+strconv.FormatInt(job.ID, 10), jobTemplate, view)
}

// indented returns arguments as people read them.
func indented(args json.RawMessage) string {
	var out bytes.Buffer
	if json.Indent(&out, args, "", "  ") != nil {
		return string(args)
	}
	return out.String()
}
