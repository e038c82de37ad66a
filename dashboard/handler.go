package dashboard

import (
	"errors"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/workerfx/workerfx"
)

const (
	maxBody    = 64 << 10         // of a request, in bytes
	actionWait = 10 * time.Second // for an action: a restart waits for the run under way
)

// Handler serves the page, its parts and its API: see the package documentation. Its links are relative. So it may be
// mounted under a prefix with [http.StripPrefix]. It may serve many requests at once, before the pool's start and after
// its stop. A nil pool, a nil option and a bad [Section] make it answer every request with an error that says so.
func Handler(pool *workerfx.Pool, opts ...Option) http.Handler {
	h, err := newHandler(pool, opts)
	if err != nil {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		})
	}
	return h
}

// handler serves the page of one pool.
type handler struct {
	options

	pool    *workerfx.Pool
	mux     *http.ServeMux
	origins *http.CrossOriginProtection
	readers chan struct{} // holds as many as streams of changes are open

	shutdowns shutdowns
}

func newHandler(pool *workerfx.Pool, opts []Option) (*handler, error) {
	if pool == nil {
		return nil, errors.New("dashboard: pool is nil")
	}
	o, err := newOptions(opts)
	if err != nil {
		return nil, err
	}
	h := &handler{
		options: o, pool: pool, mux: http.NewServeMux(),
		origins: http.NewCrossOriginProtection(), readers: make(chan struct{}, maxReaders),
	}
	h.origins.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.fail(w, r, &requestError{http.StatusForbidden, "the request came from another site"})
	}))
	h.route()
	return h, nil
}

// route says which function answers which path.
func (h *handler) route() {
	h.mux.HandleFunc("GET /{$}", h.workersPage)
	h.mux.HandleFunc("GET /worker", h.workerPage)
	h.mux.HandleFunc("POST /worker", h.actOnPage)
	h.mux.HandleFunc("GET /assets/{file}", asset)
	h.mux.HandleFunc("GET /api/workers", h.workersAPI)
	h.mux.HandleFunc("GET /api/worker", h.workerAPI)
	h.mux.HandleFunc("GET /api/events", h.eventsAPI)
	h.mux.HandleFunc("GET /api/openapi.json", asset)
	h.mux.HandleFunc("POST /api/worker/{action}", h.actAPI)
	for _, s := range h.sections {
		h.routeSection(s)
	}
	h.mux.HandleFunc("/", h.noRoute)
}

// noRoute answers a request that no other route is for.
func (h *handler) noRoute(w http.ResponseWriter, r *http.Request) {
	var allowed []string
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost} {
		other := r.Clone(r.Context())
		other.Method = method
		if _, route := h.mux.Handler(other); route != "/" {
			allowed = append(allowed, method)
		}
	}
	if len(allowed) == 0 {
		h.fail(w, r, errNoPage)
		return
	}
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	h.fail(w, r, &requestError{http.StatusMethodNotAllowed, r.Method + " is not allowed here"})
}

var errNoPage = &requestError{http.StatusNotFound, "there is no such page"}

// ServeHTTP answers a request.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "+
		"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	header.Set("Referrer-Policy", "same-origin") // with "no-referrer", browsers hide the origin of forms
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("X-Frame-Options", "DENY")
	header.Set("Cache-Control", "no-store")
	r = withSlash(r)
	if r.URL.Path == "" { // the prefix without its slash
		redirectToRoot(w, r)
		return
	}
	h.shutdowns.of(r) // now, as it is too late when the server shuts down already
	r = r.WithContext(withInfo(r.Context(), &requestInfo{handler: h, root: rootOf(r.URL.EscapedPath())}))
	if !isPlain(r.URL.Path) {
		h.fail(w, r, errNoPage)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	h.origins.Handler(http.HandlerFunc(h.authorized)).ServeHTTP(w, r)
}

// withSlash returns the request with the slash of its path that StripPrefix took away, if its prefix has one at its end.
func withSlash(r *http.Request) *http.Request {
	if strings.HasPrefix(r.URL.Path, "/") {
		return r
	}
	asked, _, _ := strings.Cut(r.RequestURI, "?")
	if !strings.HasSuffix(asked, "/"+r.URL.EscapedPath()) {
		return r
	}
	with := r.Clone(r.Context())
	with.URL.Path = "/" + with.URL.Path
	if with.URL.RawPath != "" {
		with.URL.RawPath = "/" + with.URL.RawPath
	}
	return with
}

// redirectToRoot adds the missing slash. The request's own path has the last part of the prefix.
func redirectToRoot(w http.ResponseWriter, r *http.Request) {
	asked, query, _ := strings.Cut(r.RequestURI, "?")
	to := path.Base(asked) + "/"
	if query != "" {
		to += "?" + query
	}
	w.Header().Set("Location", to)
	w.WriteHeader(http.StatusMovedPermanently)
}

// isPlain tells whether the mux takes a path as it is. It would redirect others, to a place outside of a prefix.
func isPlain(urlPath string) bool {
	clean := path.Clean(urlPath)
	return strings.HasPrefix(urlPath, "/") && (clean == urlPath || clean != "/" && clean+"/" == urlPath)
}

// authorized answers a request that does not come from another site. A request that could change something needs a user.
func (h *handler) authorized(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		user, err := h.userOf(r)
		if err != nil {
			h.fail(w, r, err)
			return
		}
		infoOf(r).user = user
	}
	h.mux.ServeHTTP(w, r)
}

// userOf returns who asks for an action.
func (h *handler) userOf(r *http.Request) (string, error) {
	if h.authorize == nil {
		return "", &requestError{http.StatusForbidden, "actions are off: the page is read-only"}
	}
	user, err := h.authorize(r)
	switch {
	case err != nil:
		return "", &requestError{http.StatusForbidden, "not allowed: " + err.Error()}
	case user == "":
		return "", &requestError{http.StatusForbidden, "not allowed: nobody says who you are"}
	}
	return user, nil
}

// rootOf is the way from an escaped path to the handler's root, for relative links.
func rootOf(escaped string) string {
	depth := strings.Count(escaped, "/") - 1
	if depth <= 0 {
		return "./"
	}
	return strings.Repeat("../", depth)
}

// requestError is an error with its HTTP status.
type requestError struct {
	status int
	text   string
}

func (e *requestError) Error() string { return e.text }

// statusOf is the HTTP status of an error.
func statusOf(err error) int {
	if e, ok := errors.AsType[*requestError](err); ok {
		return e.status
	}
	if errors.Is(err, workerfx.ErrUnknownWorker) {
		return http.StatusNotFound
	}
	return http.StatusConflict
}

// fail answers with an error: as JSON below api/, else as a page.
func (h *handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	if strings.HasPrefix(r.URL.Path, "/api/") {
		WriteJSON(w, statusOf(err), errorJSON{err.Error()})
		return
	}
	h.render(w, r, statusOf(err), page{Title: http.StatusText(statusOf(err))}, messageTemplate, err.Error())
}
