package dashboard

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/internal/names"
)

// disabled is the status of workers that the configuration excludes from this process.
const disabled = "disabled"

// filters are what ?status= may ask for, in the order in which they are shown.
var filters = []string{
	"error", "failing", "stuck", "not ready", "running", "waiting", "deferred", "pending", "paused", "success", "stopped", disabled,
}

// query is what a request asks of the list of workers.
type query struct {
	Search string // a part of the name
	Status string // one of filters; empty for all
	Page   int    // the first is 1
	Size   int    // workers on a page
	limit  int    // Size, if the request names it
}

// newQuery reads the parameters of a request. If some are wrong, it returns an error that names them, and a query with
// the defaults in their place.
func newQuery(values url.Values, size, largest int) (query, error) {
	status, statusErr := statusIn(values)
	page, pageErr := numberIn(values, "page", math.MaxInt)
	limit, limitErr := numberIn(values, "limit", largest)
	return query{
		Search: values.Get("q"), Status: status,
		Page: max(page, 1), Size: cmp.Or(limit, size), limit: limit,
	}, errors.Join(statusErr, pageErr, limitErr)
}

// statusIn returns the status to filter by, or "" for all.
func statusIn(values url.Values) (string, error) {
	status := values.Get("status")
	if status != "" && !slices.Contains(filters, status) {
		return "", fmt.Errorf("status %q: must be one of %s", status, strings.Join(filters, ", "))
	}
	return status, nil
}

// numberIn returns a parameter that is a number from 1 to largest. It returns 0 if there is none.
func numberIn(values url.Values, name string, largest int) (int, error) {
	text := values.Get(name)
	if text == "" {
		return 0, nil
	}
	if n, err := strconv.Atoi(text); err == nil && n > 0 && n <= largest {
		return n, nil
	}
	allowed := "1 or more"
	if largest < math.MaxInt {
		allowed = fmt.Sprintf("from 1 to %d", largest)
	}
	return 0, fmt.Errorf("%s %q: must be a number, %s", name, text, allowed)
}

// link is the query with another status and page, as part of a link.
func (q query) link(status string, page int) string {
	values := make(url.Values)
	for name, value := range map[string]string{"q": q.Search, "status": status} {
		if value != "" {
			values.Set(name, value)
		}
	}
	if page > 1 {
		values.Set("page", strconv.Itoa(page))
	}
	if q.limit > 0 {
		values.Set("limit", strconv.Itoa(q.limit))
	}
	return "?" + values.Encode()
}

// workerList is one page of the workers, and how many there are.
type workerList struct {
	Counts map[string]int // by filter; of all that match the search
	All    int            // that match the search
	Found  int            // that match the search and the status
	Pages  int
	Page   int
	items  []item // of the page
}

// item is a replica, or the name of a worker that is disabled.
type item struct {
	*workerfx.Execution

	name string
}

// newList finds what the query asks for. A page that does not exist is the last one.
func newList(executions []workerfx.Execution, excluded []string, q query) workerList {
	l := workerList{Counts: make(map[string]int)}
	search := strings.ToLower(q.Search)
	var found []item
	take := func(i item, matching []string) {
		if !strings.Contains(strings.ToLower(i.name), search) {
			return
		}
		l.All++
		for _, filter := range matching {
			l.Counts[filter]++
		}
		if q.Status == "" || slices.Contains(matching, q.Status) {
			found = append(found, i)
		}
	}
	for i := range executions {
		e := &executions[i]
		take(item{e, names.Replica(e.Worker, e.Replica)}, filtersOf(e))
	}
	for _, name := range excluded {
		take(item{name: name}, []string{disabled})
	}
	slices.SortStableFunc(found, byTree)
	l.Found = len(found)
	l.Pages = max(1, (l.Found+q.Size-1)/q.Size)
	l.Page = min(q.Page, l.Pages)
	first := (l.Page - 1) * q.Size
	l.items = found[first:min(first+q.Size, l.Found)]
	return l
}

// filtersOf are the filters that find a replica.
func filtersOf(e *workerfx.Execution) []string {
	found := append(make([]string, 0, 3), e.Status.String())
	if e.Status != workerfx.StatusError && e.Status != workerfx.StatusStopped {
		if e.Status == workerfx.StatusWaiting && e.Err != nil { // as in Pool.Health
			found = append(found, "failing")
		}
		if !e.Ready {
			found = append(found, "not ready")
		}
	}
	if e.Stuck {
		found = append(found, "stuck")
	}
	return found
}

// byTree sorts workers behind the group or the parent in their names.
func byTree(a, b item) int {
	x, y := a.name, b.name
	if a.Execution != nil && b.Execution != nil && a.Worker == b.Worker {
		return cmp.Compare(a.Replica, b.Replica)
	}
	for i := 0; i < len(x) && i < len(y); i++ {
		switch {
		case x[i] == y[i]:
		case x[i] == '/':
			return -1
		case y[i] == '/':
			return 1
		default:
			return cmp.Compare(x[i], y[i])
		}
	}
	return cmp.Compare(len(x), len(y))
}

// row is a line of the table: a replica, a disabled worker, or the name of a group.
type row struct {
	*reportJSON // nil for a group and a disabled worker

	Name     string // the last part of the name
	Full     string
	Depth    int
	Disabled bool
}

// rows returns the page as a tree. A group or a parent that is not on the page itself gets a line with its name.
func (l *workerList) rows() []row {
	var rows []row
	shown := make(map[string]bool)
	for _, i := range l.items {
		for _, above := range ancestors(i.name) {
			if !shown[above] {
				rows = append(rows, newRow(above))
				shown[above] = true
			}
		}
		r := newRow(i.name)
		if i.Execution != nil {
			report := newReport(i.Execution)
			r.reportJSON = &report
		} else {
			r.Disabled = true
		}
		rows = append(rows, r)
		shown[i.name] = true
	}
	return rows
}

// Group tells whether the row is only the name of a group or a parent.
func (r row) Group() bool { return r.reportJSON == nil && !r.Disabled }

func newRow(name string) row {
	short := strings.TrimPrefix(name, names.Parent(name)+"/")
	if short == "" { // such as of "a/"
		short = name
	}
	return row{Name: short, Full: name, Depth: strings.Count(name, "/")}
}

// ancestors are the groups and parents in a name, the outermost first.
func ancestors(name string) (all []string) {
	for name = names.Parent(name); name != ""; name = names.Parent(name) {
		all = append(all, name)
	}
	slices.Reverse(all)
	return all
}
