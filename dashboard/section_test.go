package dashboard_test

import (
	"bytes"
	"fmt"
	"html/template"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/dashboard"
)

// notes is a small real section: a list of notes that users may delete.
type notes struct {
	mu    sync.Mutex
	notes []string
	by    string // who deleted last
}

var notesTemplate = template.Must(template.New("notes").Funcs(dashboard.Funcs()).Parse(`<h1>Notes</h1>
<ul>{{range .Notes}}<li>{{.}}</li>{{end}}</ul>
<p><a href="{{.Root}}worker?name=w">the worker</a></p>
{{if .CanAct}}<form method="post" action="delete"><input type="hidden" name="note" value="{{index .Notes 0}}"><button>Delete</button></form>{{end}}`))

// Section makes the part of the page.
func (n *notes) Section() dashboard.Section {
	pages, api := http.NewServeMux(), http.NewServeMux()
	pages.HandleFunc("GET /{$}", n.page)
	pages.HandleFunc("POST /delete", n.delete)
	api.HandleFunc("GET /list", func(w http.ResponseWriter, _ *http.Request) { dashboard.WriteJSON(w, http.StatusOK, n.list()) })
	api.HandleFunc("POST /delete", func(w http.ResponseWriter, r *http.Request) {
		dashboard.WriteJSON(w, http.StatusOK, map[string]int{"deleted": n.remove(r.FormValue("note"), dashboard.User(r))})
	})
	return dashboard.Section{Name: "notes", Title: "Notes", Pages: pages, API: api}
}

func (n *notes) page(w http.ResponseWriter, r *http.Request) {
	dashboard.Render(w, r, http.StatusOK, "Notes", notesTemplate, map[string]any{
		"Notes": n.list(), "Root": dashboard.Root(r), "CanAct": dashboard.CanAct(r),
	})
}

func (n *notes) delete(w http.ResponseWriter, r *http.Request) {
	note := r.PostFormValue("note")
	if note == "" {
		dashboard.Fail(w, r, http.StatusBadRequest, fmt.Errorf("which note?"))
		return
	}
	if !dashboard.Confirmed(w, r, dashboard.Question{Text: fmt.Sprintf("Delete %q?", note), Yes: "Delete"}) {
		return
	}
	n.remove(note, dashboard.User(r))
	if err := dashboard.Note(r, "", fmt.Sprintf("deleted %q", note)); err != nil {
		dashboard.Fail(w, r, http.StatusInternalServerError, err)
		return
	}
	dashboard.Redirect(w, "./")
}

func (n *notes) list() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.notes)
}

func (n *notes) remove(note, user string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	before := len(n.notes)
	n.notes = slices.DeleteFunc(n.notes, func(s string) bool { return s == note })
	n.by = user
	return before - len(n.notes)
}

func ExampleWithSection() {
	pool, err := workerfx.NewPool()
	if err != nil {
		panic(err)
	}
	n := &notes{notes: []string{"buy milk"}}
	h := dashboard.Handler(pool, dashboard.WithSection(n.Section()))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/api/notes/list", http.NoBody))
	fmt.Println(w.Body)
	// Output: ["buy milk"]
}

func TestASectionIsAPartOfThePage(t *testing.T) {
	var log bytes.Buffer
	pool, err := workerfx.NewPool(workerfx.WithLogger(zerolog.New(&log)))
	require.NoError(t, err)
	n := &notes{notes: []string{"<b>milk</b>", "tea"}}
	h := http.StripPrefix("/admin", dashboard.Handler(pool, dashboard.WithSection(n.Section()), dashboard.WithActions(alice)))

	require.Contains(t, get(h, "/admin/").Body.String(), `<a href="./section/notes/">Notes</a>`)
	page := get(h, "/admin/section/notes/").Body.String()
	require.Contains(t, page, "<li>&lt;b&gt;milk&lt;/b&gt;</li>")
	require.Contains(t, page, `href="../../assets/style.css"`)
	require.Contains(t, page, `<a href="../../worker?name=w">`)
	require.Contains(t, page, `<a href="../../section/notes/" aria-current="page">Notes</a>`)

	asked := post(h, "/admin/section/notes/delete", "note=tea").Body.String()
	require.Contains(t, asked, "Delete &#34;tea&#34;?")
	require.Contains(t, asked, `action="./delete"`)
	require.Contains(t, asked, `<input type="hidden" name="note" value="tea">`)
	require.Contains(t, asked, `href="./">Cancel</a>`)
	require.Len(t, n.list(), 2, "the page asks first")

	require.Equal(t, http.StatusSeeOther, post(h, "/admin/section/notes/delete", "note=tea&confirm=yes").Code)
	require.Equal(t, []string{"<b>milk</b>"}, n.list())
	require.Equal(t, "alice", n.by)
	lines := log.String()
	require.Contains(t, lines, `"note":"POST /section/notes/delete by alice"`)
	require.Contains(t, lines, `"note":"deleted \"tea\" by alice"`)
	require.Equal(t, http.StatusBadRequest, post(h, "/admin/section/notes/delete", "").Code)
}

func TestLinksOfASectionKeepAnEncodedSlash(t *testing.T) {
	pages := http.NewServeMux()
	empty := template.Must(template.New("").Parse(""))
	pages.HandleFunc("GET /report/{name}", func(w http.ResponseWriter, r *http.Request) {
		dashboard.Render(w, r, http.StatusOK, "", empty, nil)
	})
	pages.HandleFunc("POST /report/{name}", func(w http.ResponseWriter, r *http.Request) {
		dashboard.Confirmed(w, r, dashboard.Question{Text: "Delete " + r.PathValue("name") + "?"})
	})
	h := dashboard.Handler(newPool(t), dashboard.WithActions(alice), dashboard.WithSection(dashboard.Section{Name: "reports", Title: "R", Pages: pages}))
	require.Contains(t, get(h, "/section/reports/report/a%2Fb").Body.String(), `href="../../../assets/style.css"`)
	asked := post(h, "/section/reports/report/a%2Fb", "").Body.String()
	require.Contains(t, asked, "Delete a/b?")
	require.Contains(t, asked, `action="./a%2Fb"`)
}

func TestAFormThatCannotBeReadIsNotConfirmed(t *testing.T) {
	pages := http.NewServeMux()
	confirmed := false
	pages.HandleFunc("POST /delete", func(w http.ResponseWriter, r *http.Request) {
		confirmed = dashboard.Confirmed(w, r, dashboard.Question{Text: "Delete?"})
	})
	h := dashboard.Handler(newPool(t), dashboard.WithActions(alice), dashboard.WithSection(dashboard.Section{Name: "reports", Title: "R", Pages: pages}))
	for _, form := range []string{strings.Repeat("keep=aaaaaaaa&", 10_000), "keep=%zz"} {
		w := post(h, "/section/reports/delete", form)
		require.Equal(t, http.StatusBadRequest, w.Code)
		require.Contains(t, w.Body.String(), "the form cannot be read")
		require.NotContains(t, w.Body.String(), "Delete?")
		require.False(t, confirmed)
	}
}

func TestASectionNeedNotCareWhoMayAct(t *testing.T) {
	for name, opts := range map[string][]dashboard.Option{
		"read-only": nil,
		"refused":   {dashboard.WithActions(func(*http.Request) (string, error) { return "", errBoom })},
		"nobody":    {dashboard.WithActions(func(*http.Request) (string, error) { return "", nil })},
	} {
		n := &notes{notes: []string{"tea"}}
		h := dashboard.Handler(newPool(t), append(opts, dashboard.WithSection(n.Section()))...)
		require.Equal(t, http.StatusForbidden, post(h, "/section/notes/delete", "note=tea&confirm=yes").Code, name)
		require.Equal(t, http.StatusForbidden, post(h, "/api/notes/delete", "note=tea").Code, name)
		require.Equal(t, []string{"tea"}, n.list(), name)
	}
	n := &notes{notes: []string{"tea"}}
	h := dashboard.Handler(newPool(t), dashboard.WithActions(alice), dashboard.WithSection(n.Section()))
	r := httptest.NewRequest(http.MethodPost, "/api/notes/delete?note=tea", http.NoBody)
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	require.Equal(t, http.StatusForbidden, w.Code)
	require.Equal(t, []string{"tea"}, n.list())
	require.NotRegexp(t, "Delete", get(dashboard.Handler(newPool(t), dashboard.WithSection(n.Section())), "/section/notes/").Body.String())
	require.Contains(t, strings.ToLower(w.Body.String()), "another site")
}
