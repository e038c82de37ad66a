package dashboard

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// Option changes what a [Handler] shows and does.
type Option func(*options)

type options struct {
	authorize func(*http.Request) (user string, err error)
	sections  []Section
	logs      *Logs
}

// WithActions lets users act on workers. Each request for an action calls authorize, which says who asks, or why they
// may not. The user is in the worker's events and in the log. An empty user is refused. authorize may be called from many
// goroutines. Without this option, and with nil, the page is read-only.
func WithActions(authorize func(*http.Request) (user string, err error)) Option {
	return func(o *options) { o.authorize = authorize }
}

// WithSection adds a part to the page. It may be given more than once. Sections are shown in the order of their titles.
func WithSection(s Section) Option {
	return func(o *options) { o.sections = append(o.sections, s) }
}

// WithLogs shows the last log lines of each worker. The app's logger has to write to logs, too: see [NewLogs]. By
// default, and with nil, no lines are kept or shown.
func WithLogs(logs *Logs) Option {
	return func(o *options) { o.logs = logs }
}

func newOptions(opts []Option) (o options, err error) {
	for i, opt := range opts {
		if opt == nil {
			return o, fmt.Errorf("dashboard: option %d is nil", i+1)
		}
		opt(&o)
	}
	slices.SortStableFunc(o.sections, func(a, b Section) int { return strings.Compare(a.Title, b.Title) })
	return o, checkSections(o.sections)
}

var sectionName = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)

// ownNames are the names below api/ that sections cannot have.
var ownNames = []string{"workers", "worker", "events"}

func checkSections(sections []Section) error {
	var errs []error
	seen := make(map[string]bool)
	for _, s := range sections {
		switch {
		case !sectionName.MatchString(s.Name):
			errs = append(errs, fmt.Errorf("dashboard: section name %q: must be lower case letters, digits and -, and begin with a letter", s.Name))
		case slices.Contains(ownNames, s.Name):
			errs = append(errs, fmt.Errorf("dashboard: section name %q: is a path of the dashboard itself", s.Name))
		case seen[s.Name]:
			errs = append(errs, fmt.Errorf("dashboard: section name %q: is taken by another section", s.Name))
		case s.Title == "":
			errs = append(errs, fmt.Errorf("dashboard: section %q: title must not be empty", s.Name))
		}
		seen[s.Name] = true
	}
	return errors.Join(errs...)
}
