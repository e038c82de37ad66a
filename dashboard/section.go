package dashboard

import (
	"context"
	"errors"
	"html/template"
	"net/http"
	"strings"
)

// Section is a part that an extension adds to the page: an entry in the menu, pages of its own, and an API.
//
// The handlers are called for every request below their paths. Their requests have paths that begin after that path, with
// "/". A request that is not GET or HEAD reaches them only if [WithActions] is given, the request does not come from
// another site, and authorize named a [User]. So a section only has to take care that its GET requests change nothing.
// Bodies are limited to 64 KiB.
type Section struct {
	// Name is in the paths: lower case letters, digits and "-".
	Name string
	// Title is in the menu.
	Title string
	// Pages serves section/<name>/. It answers with [Render], and asks back with [Confirmed]. nil is none.
	Pages http.Handler
	// API serves api/<name>/. It answers with [WriteJSON]. nil is none.
	API http.Handler
}

// requestInfo is what the handler knows of a request.
type requestInfo struct {
	handler *handler
	root    string // the way to the handler's root
	user    string // who asks for an action; empty for requests that only read
	section string // the name of the section that answers
}

type infoKey struct{}

func withInfo(ctx context.Context, info *requestInfo) context.Context {
	return context.WithValue(ctx, infoKey{}, info)
}

// infoOf never returns nil.
func infoOf(r *http.Request) *requestInfo {
	if info, ok := r.Context().Value(infoKey{}).(*requestInfo); ok {
		return info
	}
	return &requestInfo{handler: new(handler), root: "./"}
}

// routeSection adds the paths of a section.
func (h *handler) routeSection(s Section) {
	mount := func(prefix string, to http.Handler) {
		if to == nil {
			return
		}
		stripped := http.StripPrefix(prefix, to)
		h.mux.HandleFunc(prefix+"/", func(w http.ResponseWriter, r *http.Request) {
			info := infoOf(r)
			info.section = s.Name
			if info.user != "" {
				_ = h.pool.Note("", r.Method+" "+r.URL.Path+" by "+info.user) // without a worker it cannot fail
			}
			stripped.ServeHTTP(w, r)
		})
		h.mux.HandleFunc(prefix, func(w http.ResponseWriter, _ *http.Request) { // the mux would leave a prefix out
			w.Header().Set("Location", "./"+s.Name+"/")
			w.WriteHeader(http.StatusPermanentRedirect)
		})
	}
	mount("/section/"+s.Name, s.Pages)
	mount("/api/"+s.Name, s.API)
}

// Note writes what the user of a request has done to the log, such as "deleted 3 reports by alice". If worker is not
// empty, it is also an event of that worker. It fails if there is no such worker. Each request of a section for an
// action is in the log already, with its path.
func Note(r *http.Request, worker, message string) error {
	info := infoOf(r)
	if info.handler.pool == nil {
		return errNotServed
	}
	return info.handler.pool.Note(worker, message+" by "+info.user)
}

var errNotServed = errors.New("dashboard: the request is not served by a dashboard.Handler")

// User returns who asks for an action, as the authorize function of [WithActions] said. It is empty for GET and HEAD.
func User(r *http.Request) string { return infoOf(r).user }

// CanAct tells whether [WithActions] is given, so that a page should offer actions.
func CanAct(r *http.Request) bool { return infoOf(r).handler.authorize != nil }

// Root returns the relative path from a request of a section to the first page, such as "../../". Links of a section to
// pages outside of it begin with it.
func Root(r *http.Request) string { return infoOf(r).root }

// Render answers a request of a section with a page: t, executed with data, inside of the page's layout. t may use the
// functions of [Funcs]. If t fails, the answer is an error with its text.
func Render(w http.ResponseWriter, r *http.Request, status int, title string, t *template.Template, data any) {
	infoOf(r).handler.render(w, r, status, page{Title: title}, t, data)
}

// Fail answers a request of a section with a page that shows an error.
func Fail(w http.ResponseWriter, r *http.Request, status int, err error) {
	infoOf(r).handler.render(w, r, status, page{Title: http.StatusText(status)}, messageTemplate, err.Error())
}

// Redirect answers a form of a section with a relative link to another page, such as "./". [http.Redirect] would lose the
// prefix under which the page is mounted.
func Redirect(w http.ResponseWriter, link string) {
	w.Header().Set("Location", link)
	w.WriteHeader(http.StatusSeeOther)
}

// Question is what [Confirmed] asks.
type Question struct {
	// Text is the question, such as "Delete 42 jobs?".
	Text string
	// Yes is the button, such as "Delete". The default is "Yes".
	Yes string
	// Back is the relative link of the other button, which changes nothing. The default is "./".
	Back string
}

// confirmView is what the confirmation page shows.
type confirmView struct {
	Question

	Path   string
	Fields map[string][]string
}

// confirmField is the form field that says that the user was asked.
const confirmField = "confirm"

// Confirmed tells whether the user has confirmed a form. If not, it answers with a page that asks, and sends the form's
// fields again for a yes. If the form cannot be read, such as one that is too large, it answers with an error. The caller
// then does nothing more. It is for forms of pages, not for the API.
func Confirmed(w http.ResponseWriter, r *http.Request, q Question) bool {
	if err := parseForm(r); err != nil {
		Fail(w, r, statusOf(err), err)
		return false
	}
	if r.PostFormValue(confirmField) == "yes" {
		return true
	}
	view := confirmView{Question: q, Path: ownPath(r), Fields: make(map[string][]string, len(r.PostForm))}
	if q.Back == "" {
		view.Back = "./"
	}
	for name, values := range r.PostForm {
		if name != confirmField {
			view.Fields[name] = values
		}
	}
	infoOf(r).handler.render(w, r, http.StatusOK, page{Title: "Please confirm"}, confirmTemplate, view)
	return false
}

// parseForm reads the form of a request, of either encoding.
func parseForm(r *http.Request) error {
	err := r.ParseForm()
	if err == nil {
		err = r.ParseMultipartForm(maxBody) //nolint:gosec // the handler has limited the body
	}
	if err == nil || errors.Is(err, http.ErrNotMultipart) {
		return nil
	}
	return &requestError{http.StatusBadRequest, "the form cannot be read: " + err.Error()}
}

// ownPath is the relative link to the request's own path.
func ownPath(r *http.Request) string {
	escaped := r.URL.EscapedPath()
	own := "./" + escaped[strings.LastIndexByte(escaped, '/')+1:]
	if r.URL.RawQuery != "" {
		own += "?" + r.URL.RawQuery
	}
	return own
}
