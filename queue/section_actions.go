package queue

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/workerfx/workerfx/dashboard"
	"github.com/workerfx/workerfx/queue/internal/database"
)

// action is what users may do with jobs.
type action struct {
	Name, Title, Past string
	change            *manyChange
}

var actions = []action{
	{"requeue", "Requeue", "requeued", &requeueAll},
	{"cancel", "Cancel", "cancelled", &cancelAll},
	{"delete", "Delete", "deleted", &deleteAll},
}

func actionOf(name string) (action, bool) {
	i := slices.IndexFunc(actions, func(a action) bool { return a.Name == name })
	if i < 0 {
		return action{}, false
	}
	return actions[i], true
}

// target is the jobs of a form: those with these IDs, or all that the query chooses.
type target struct {
	ids   []int64
	all   bool
	query query
}

var errNoTarget = errors.New("no job is selected")

// targetOf reads the jobs of a form. Its fields are id, as often as there are jobs, or all=yes and those of a query.
func targetOf(form url.Values) (t target, err error) {
	if t.all = form.Get("all") == "yes"; t.all {
		t.query, err = queryOf(form)
		t.query.After, t.query.Limit = 0, 0
		return t, err
	}
	for _, text := range form["id"] {
		id, err := parseNumber[int64]("id", text)
		if err != nil {
			return t, err
		}
		t.ids = append(t.ids, id)
	}
	if len(t.ids) == 0 {
		return t, errNoTarget
	}
	return t, nil
}

// String says which jobs were selected, for the log.
func (t target) String() string {
	if t.all {
		return "all of " + t.query.String()
	}
	const most = 10
	shown := make([]string, min(most, len(t.ids)))
	for i := range shown {
		shown[i] = strconv.FormatInt(t.ids[i], 10)
	}
	list := strings.Join(shown, ", ")
	if more := len(t.ids) - most; more > 0 {
		list += fmt.Sprintf(" and %d more", more)
	}
	return list
}

// act changes jobs, notes in the log what was done, and returns how many.
func (s *section) act(r *http.Request, act action, t target) (changed int64, err error) {
	ctx := r.Context()
	if t.all {
		filter := t.query.filter()
		if err := act.change.validate(&filter); err != nil {
			return 0, badRequest{err}
		}
		changed, err = s.client.changeAll(ctx, *act.change, filter)
	} else {
		err = s.client.withDatabase(ctx, act.change.name, func(db database.Database) (err error) {
			changed, err = db.ChangeThese(ctx, act.change.change, t.ids, texts(act.change.states))
			return err
		})
	}
	s.client.app.stats.expire()
	return changed, errors.Join(err, dashboard.Note(r, "", fmt.Sprintf("%s %s (selected: %v)", act.Past, plural(changed), t)))
}

// question asks whether to change jobs, with their number.
func (s *section) question(r *http.Request, act action, t target) (string, error) {
	if !t.all {
		return fmt.Sprintf("%s %s?", act.Title, plural(len(t.ids))), nil
	}
	filter := t.query.filter()
	if err := act.change.validate(&filter); err != nil {
		return "", badRequest{err}
	}
	if len(filter.States) == 0 {
		filter.States = act.change.states
	}
	filter.Limit = maxCounted
	selection := filter.selection()
	found := 0
	err := s.client.withDatabase(r.Context(), act.change.name, func(db database.Database) (err error) {
		found, err = db.CountChosen(r.Context(), &selection)
		return err
	})
	if found == maxCounted {
		return fmt.Sprintf("%s all jobs that the filter chooses? There are %d or more.", act.Title, found), err
	}
	return fmt.Sprintf("%s all that the filter chooses: %s?", act.Title, plural(found)), err
}

func plural[N int | int64](jobs N) string {
	if jobs == 1 {
		return "1 job"
	}
	return fmt.Sprintf("%d jobs", jobs)
}

// actOnPage carries out the form of a page, after it has asked.
func (s *section) actOnPage(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		dashboard.Fail(w, r, http.StatusBadRequest, err)
		return
	}
	act, known := actionOf(r.PostForm.Get("action"))
	t, err := targetOf(r.PostForm)
	if !known {
		err = fmt.Errorf("action %q: must be requeue, cancel or delete", r.PostForm.Get("action"))
	}
	if err != nil {
		dashboard.Fail(w, r, http.StatusBadRequest, err)
		return
	}
	text, err := s.question(r, act, t)
	if err != nil {
		dashboard.Fail(w, r, statusOf(err), err)
		return
	}
	back := backOf(r.PostForm)
	if !dashboard.Confirmed(w, r, dashboard.Question{Text: text, Yes: act.Title, Back: back}) {
		return
	}
	changed, err := s.act(r, act, t)
	if err != nil {
		dashboard.Fail(w, r, statusOf(err), err)
		return
	}
	if act.Name == "delete" && r.PostForm.Get("page") == "job" {
		back = "./"
	}
	dashboard.Redirect(w, withDone(back, act, changed))
}

// backOf is the relative link to the page of a form.
func backOf(form url.Values) string {
	if form.Get("page") == "job" {
		return "job?id=" + url.QueryEscape(form.Get("id"))
	}
	q, err := queryOf(form)
	if err != nil {
		return "./"
	}
	return q.link()
}

// withDone adds to a link what was done. The page shows it.
func withDone(link string, act action, changed int64) string {
	separator := "?"
	if u, err := url.Parse(link); err == nil && u.RawQuery != "" {
		separator = "&"
	}
	return link + separator + url.Values{"done": {act.Name}, "jobs": {strconv.FormatInt(changed, 10)}}.Encode()
}

// doneText says what the link says that was done.
func doneText(values url.Values) string {
	act, ok := actionOf(values.Get("done"))
	n, err := strconv.Atoi(values.Get("jobs"))
	if !ok || err != nil {
		return ""
	}
	return act.Past + " " + plural(n)
}
