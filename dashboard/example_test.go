package dashboard_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"

	"github.com/rs/zerolog"
	"go.uber.org/fx"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/dashboard"
)

func NewMailer() workerfx.Worker { return workerfx.NewWorker("mailer", untilStopped) }

// One line serves the page with the app.
func Example() {
	app := fx.New(
		fx.NopLogger,
		workerfx.Module,
		workerfx.ProvideWorker(NewMailer),
		dashboard.Module,
		fx.Supply(dashboard.Config{Listen: "127.0.0.1:0"}), // any free port
		fx.Invoke(func(lc fx.Lifecycle, server *dashboard.Server) {
			lc.Append(fx.StartHook(func() error { return printTitle(server.URL()) }))
		}),
	)
	_ = app.Start(context.Background())
	_ = app.Stop(context.Background())
	// Output: 200 OK
}

func printTitle(url string) error {
	response, err := http.Get(url)
	if err != nil {
		return err
	}
	fmt.Println(response.Status)
	return response.Body.Close()
}

// A server that the app has already may serve the page below a prefix, behind a login.
func ExampleHandler() {
	pool, _ := workerfx.NewPool()
	requireLogin := func(next http.Handler) http.Handler { return next } // the app's own
	mux := http.NewServeMux()
	mux.Handle("/workers/", http.StripPrefix("/workers", requireLogin(dashboard.Handler(pool))))

	response := httptest.NewRecorder()
	mux.ServeHTTP(response, httptest.NewRequest(http.MethodGet, "/workers/", nil))
	fmt.Println(response.Code)
	// Output: 200
}

// sessionStore is the login of an app.
type sessionStore struct{}

type session struct{ User string }

func (sessionStore) Of(r *http.Request) (session, error) {
	return session{User: r.Header.Get("X-User")}, nil
}

func ExampleWithActions() {
	var sessions sessionStore
	actions :=
		dashboard.WithActions(func(r *http.Request) (user string, err error) {
			session, err := sessions.Of(r)
			if err != nil {
				return "", errors.New("log in first")
			}
			return session.User, nil
		})

	pool, _ := workerfx.NewPool(workerfx.WithLogger(zerolog.Nop()))
	_ = pool.Add(NewMailer())
	_ = pool.Start(context.Background())
	defer func() { _ = pool.Stop(context.Background()) }()
	request := httptest.NewRequest(http.MethodPost, "/api/worker/pause?name=mailer", nil)
	request.Header.Set("X-User", "alice")
	response := httptest.NewRecorder()
	dashboard.Handler(pool, actions).ServeHTTP(response, request)
	fmt.Println(response.Code, strings.Contains(response.Body.String(), `"alice"`))
	// Output: 200 true
}

func ExampleNewLogs() {
	logs := dashboard.NewLogs(50) // lines for each worker
	logger := zerolog.New(zerolog.MultiLevelWriter(os.Stderr, logs)).With().Timestamp().Logger()
	pool, _ := workerfx.NewPool(workerfx.WithLogger(logger))
	_ = dashboard.Handler(pool, dashboard.WithLogs(logs))
	// Output:
}

var reportsTemplate = template.Must(template.New("reports").Parse(`<p>{{.}} reports</p>`))

func load(context.Context, *sql.DB) int { return 3 }

func remove(context.Context, *sql.DB) {}

// NewReports is a section with a page and an action.
func NewReports(db *sql.DB) dashboard.Section {
	pages := http.NewServeMux()
	pages.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		dashboard.Render(w, r, http.StatusOK, "Reports", reportsTemplate, load(r.Context(), db))
	})
	pages.HandleFunc("POST /delete", func(w http.ResponseWriter, r *http.Request) {
		if !dashboard.Confirmed(w, r, dashboard.Question{Text: "Delete all reports?", Yes: "Delete"}) {
			return // the page asks first
		}
		remove(r.Context(), db)
		_ = dashboard.Note(r, "", "deleted all reports") // to the log, with the user
		dashboard.Redirect(w, "./")
	})
	return dashboard.Section{Name: "reports", Title: "Reports", Pages: pages}
}

// Sessions are the app's.
type Sessions struct{}

func NewDashboardLogin(*Sessions) dashboard.Option {
	return dashboard.WithActions(func(*http.Request) (string, error) { return "alice", nil })
}

// Options and sections may need values of the app.
func ExampleProvideSection() {
	whoAsks := func(*http.Request) (string, error) { return "alice", nil }
	app := fx.New(
		fx.NopLogger,
		workerfx.Module,
		dashboard.Module,
		fx.Supply(&sql.DB{}, &Sessions{}, dashboard.Config{Listen: "127.0.0.1:0"}),
		dashboard.SupplyOptions(dashboard.WithActions(whoAsks)), // options that need nothing from the app
		dashboard.ProvideOption(NewDashboardLogin),              // func(*Sessions) dashboard.Option
		dashboard.ProvideSection(NewReports),                    // func(*sql.DB) dashboard.Section
	)
	fmt.Println(app.Err())
	// Output: <nil>
}
