package queue

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/workerfx/workerfx/dashboard"
	"github.com/workerfx/workerfx/queue/internal/database"
)

// Section is a part of the dashboard with the queues and jobs of a client: queues with the numbers of their jobs, jobs by
// state, kind and queue, and a page for each job with its arguments and failed attempts. With [dashboard.WithActions], users
// may requeue, cancel and delete one job, those selected, or all that the filter chooses. [WithHiddenArgs] hides arguments.
// The same is served as JSON. Give it to [dashboard.WithSection], or to [dashboard.ProvideSection] as it is.
func Section(c *Client) dashboard.Section {
	s := &section{client: c}
	pages, api := http.NewServeMux(), http.NewServeMux()
	pages.HandleFunc("GET /{$}", s.limited(s.jobsPage))
	pages.HandleFunc("GET /job", s.limited(s.jobPage))
	pages.HandleFunc("POST /act", s.actOnPage)
	api.HandleFunc("GET /queues", s.limited(s.queuesAPI))
	api.HandleFunc("GET /jobs", s.limited(s.jobsAPI))
	api.HandleFunc("GET /job", s.limited(s.jobAPI))
	api.HandleFunc("POST /{action}", s.actAPI)
	pages.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		dashboard.Fail(w, r, unserved(w, r), errNoPage)
	})
	api.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fail(w, unserved(w, r), errNoPage) })
	return dashboard.Section{Name: "queue", Title: "Jobs", Pages: pages, API: api}
}

type section struct{ client *Client }

var errNoPage = errors.New("there is no such page")

// unserved is the status of a request that no handler is for: 405 for the wrong method of a path, else 404.
func unserved(w http.ResponseWriter, r *http.Request) int {
	allowed := map[string]string{"/": "GET", "/job": "GET", "/jobs": "GET", "/queues": "GET", "/act": "POST"}
	for _, act := range actions {
		allowed["/"+act.Name] = "POST"
	}
	method, known := allowed[r.URL.Path]
	if !known || method == r.Method {
		return http.StatusNotFound
	}
	w.Header().Set("Allow", method)
	return http.StatusMethodNotAllowed
}

const (
	sectionTimeout = 5 * time.Second // of a request that only reads
	pageSize       = 50              // jobs
	maxCounted     = 50_000          // jobs that a filter chooses; a larger number is "more than"
)

// limited gives the requests of a handler a time limit.
func (*section) limited(serve http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), sectionTimeout)
		defer cancel()
		serve(w, r.WithContext(ctx))
	}
}

// query is the filter of a request, and the job after which a page begins.
type query struct {
	State, Kind, Queue string
	After              int64
	Limit              int
}

// queryOf reads the filter of a URL or a form.
func queryOf(values url.Values) (query, error) {
	q := query{State: values.Get("state"), Kind: values.Get("kind"), Queue: values.Get("queue"), Limit: pageSize}
	var err, limitErr error
	if after := values.Get("after"); after != "" {
		q.After, err = parseNumber[int64]("after", after)
	}
	if limit := values.Get("limit"); limit != "" {
		q.Limit, limitErr = parseNumber[int]("limit", limit)
	}
	if err := errors.Join(err, limitErr); err != nil {
		return q, err
	}
	if q.Limit == 0 { // the default, as in a JobFilter
		q.Limit = pageSize
	}
	filter := q.filter()
	return q, filter.validatePage()
}

// parseNumber reads a number of a request. The error names the field and the value.
func parseNumber[N int | int64](field, text string) (N, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || int64(N(n)) != n {
		return 0, fmt.Errorf("%s %.40q: must be a whole number of at most 64 bits", field, text)
	}
	return N(n), nil
}

// String says which jobs the query chooses, such as `state "discarded", kind "mail"`.
func (q query) String() string {
	var parts []string
	for _, p := range []struct{ field, value string }{{"state", q.State}, {"kind", q.Kind}, {"queue", q.Queue}} {
		if p.value != "" {
			parts = append(parts, fmt.Sprintf("%s %q", p.field, p.value))
		}
	}
	return strings.Join(parts, ", ")
}

// filter returns the query for the calls of the client.
func (q query) filter() JobFilter {
	f := JobFilter{AfterID: q.After, Limit: q.Limit}
	if q.State != "" {
		f.States = []State{State(q.State)}
	}
	if q.Kind != "" {
		f.Kinds = []string{q.Kind}
	}
	if q.Queue != "" {
		f.Queues = []string{q.Queue}
	}
	return f
}

// link is the relative link to the jobs of a query.
func (q query) link() string {
	values := url.Values{}
	for name, value := range map[string]string{"state": q.State, "kind": q.Kind, "queue": q.Queue} {
		if value != "" {
			values.Set(name, value)
		}
	}
	if q.After > 0 {
		values.Set("after", strconv.FormatInt(q.After, 10))
	}
	if len(values) == 0 {
		return "./"
	}
	return "./?" + values.Encode()
}

// isHidden tells whether the arguments of a kind are hidden.
func (s *section) isHidden(kind string) bool { return slices.Contains(s.client.app.hiddenArgs, kind) }

// job returns a job, and the trace of the span that enqueued it, if there is one.
func (s *section) job(r *http.Request) (job JobInfo, trace string, err error) {
	id, err := parseNumber[int64]("id", r.URL.Query().Get("id"))
	if err != nil {
		return JobInfo{}, "", badRequest{err}
	}
	err = s.client.withDatabase(r.Context(), fmt.Sprintf("job %d", id), func(db database.Database) error {
		row, err := db.Job(r.Context(), id)
		if err != nil {
			return err
		}
		job = infoOf(row)
		if span := traceLinkOf(row.Metadata); span.IsValid() {
			trace = span.TraceID().String()
		}
		return nil
	})
	if s.isHidden(job.Kind) {
		job.RawArgs = nil
	}
	return job, trace, err
}

// badRequest is an error in a request.
type badRequest struct{ error }

func (e badRequest) Unwrap() error { return e.error }

// statusOf is the HTTP status of an error. An error that is not in the request is one of the database.
func statusOf(err error) int {
	switch {
	case isA[badRequest](err):
		return http.StatusBadRequest
	case errors.Is(err, ErrNoJob):
		return http.StatusNotFound
	}
	return http.StatusServiceUnavailable
}
