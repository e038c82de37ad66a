package dashboard

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"path"
	"strconv"
	"time"
)

//go:embed assets
var assets embed.FS

var (
	layoutTemplate  = parse("layout.html")
	workersTemplate = parse("workers.html")
	workerTemplate  = parse("worker.html")
	confirmTemplate = parse("confirm.html")
	messageTemplate = parse("message.html")
)

func parse(file string) *template.Template {
	return template.Must(template.New(file).Funcs(Funcs()).ParseFS(assets, "assets/"+file))
}

// Funcs returns the functions for templates of [Render]: "ago" shows a time as a distance from now, "duration" a duration
// with three digits.
func Funcs() template.FuncMap {
	return template.FuncMap{"ago": ago, "duration": duration}
}

// page is what the layout needs.
type page struct {
	Title   string
	Root    string
	Pool    string
	Section string // the name of the section that answers
	Menu    []Section
	Body    template.HTML
}

// render answers with a page. t is executed before anything is written, so that a failure can be said.
func (h *handler) render(w http.ResponseWriter, r *http.Request, status int, p page, t *template.Template, data any) {
	var body, whole bytes.Buffer
	err := t.Execute(&body, data)
	if err == nil {
		info := infoOf(r)
		p.Root, p.Section, p.Menu = info.root, info.section, h.sections
		if h.pool != nil {
			p.Pool = h.pool.Name()
		}
		p.Body = template.HTML(body.String()) //nolint:gosec // a template of html/template wrote it
		err = layoutTemplate.Execute(&whole, p)
	}
	if err != nil {
		http.Error(w, "the page cannot be shown: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(whole.Len()))
	w.WriteHeader(status)
	_, _ = whole.WriteTo(w) // a browser that went away needs no answer
}

// asset serves an embedded file. Browsers ask again each time, as there is no version in its path.
func asset(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-cache")
	file, ok := assetFiles[path.Base(r.URL.Path)]
	if !ok {
		http.NotFound(w, r)
		return
	}
	http.ServeFileFS(w, r, assets, file)
}

// assetFiles are the embedded files that browsers may ask for.
var assetFiles = map[string]string{
	"style.css": "assets/style.css", "page.js": "assets/page.js", "icon.svg": "assets/icon.svg", "openapi.json": "assets/openapi.json",
}

// ago is a time as a distance from now, and in full in the attributes. The script keeps the distance up to date.
func ago(t time.Time) template.HTML {
	if t.IsZero() {
		return `<span class="none">–</span>`
	}
	utc := t.UTC()
	return template.HTML(`<time datetime="` + utc.Format(time.RFC3339Nano) + //nolint:gosec // digits and letters
		`" title="` + t.Format("2006-01-02 15:04:05.000 MST") + `">` + distance(time.Until(t)) + `</time>`)
}

// distance is the time until something in words.
func distance(d time.Duration) string {
	if d <= -time.Second {
		return shortly(-d) + " ago"
	}
	if d >= time.Second {
		return "in " + shortly(d)
	}
	return "now"
}

// shortly is a duration in its largest unit.
func shortly(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	default:
		return fmt.Sprintf("%dd", int(d.Hours()/24))
	}
}

// duration is a duration with three digits.
func duration(d time.Duration) string {
	for unit := time.Nanosecond; unit <= time.Hour; unit *= 10 {
		if d < 1000*unit {
			return d.Round(unit).String()
		}
	}
	return d.Round(time.Minute).String()
}
