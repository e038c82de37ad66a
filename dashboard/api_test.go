package dashboard_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/dashboard"
)

// schema is the part of a schema in the OpenAPI file that the test understands.
type schema struct {
	Ref                  string `json:"$ref"`
	Type                 string
	Enum                 []string
	Properties           map[string]schema
	Required             []string
	AdditionalProperties json.RawMessage
	Items                *schema
}

type openAPI struct {
	Paths map[string]map[string]struct {
		Parameters []struct {
			Name   string
			Schema schema
		}
		Responses map[string]struct {
			Content map[string]struct{ Schema *schema }
		}
	}
	Components struct{ Schemas map[string]schema }
}

// check requires that a value is what the schema says, with all of its fields and no others.
func (o openAPI) check(t *testing.T, s schema, value any, path string) {
	t.Helper()
	if s.Ref != "" {
		s = o.Components.Schemas[strings.TrimPrefix(s.Ref, "#/components/schemas/")]
	}
	switch v := value.(type) {
	case map[string]any:
		require.Equal(t, "object", s.Type, path)
		for _, name := range s.Required {
			require.Contains(t, v, name, path)
		}
		for name, field := range v {
			if len(s.Properties) > 0 {
				require.Contains(t, s.Properties, name, path)
				o.check(t, s.Properties[name], field, path+"."+name)
			}
		}
	case []any:
		require.Equal(t, "array", s.Type, path)
		for _, element := range v {
			o.check(t, *s.Items, element, path+"[]")
		}
	case string:
		require.Equal(t, "string", s.Type, path)
		if s.Enum != nil {
			require.Contains(t, s.Enum, v, path)
		}
	case float64:
		require.Equal(t, "integer", s.Type, path)
	case bool:
		require.Equal(t, "boolean", s.Type, path)
	default:
		require.Fail(t, "unexpected value", "%s: %v", path, value)
	}
}

func readOpenAPI(t *testing.T, h http.Handler) (o openAPI) {
	t.Helper()
	w := get(h, "/api/openapi.json")
	require.Equal(t, http.StatusOK, w.Code)
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &o))
	return o
}

// request is one that the OpenAPI file describes, and the status of its answer.
type request struct {
	method, path, query string
	status              string
}

func TestTheOpenAPIFileIsWhatTheHandlersDo(t *testing.T) {
	logs := dashboard.NewLogs(5)
	_, _ = logs.Write([]byte(`{"worker":"w","message":"hello"}`))
	failed := make(chan struct{})
	pool := startPool(t,
		workerfx.NewWorker("w", untilStopped, workerfx.WithReplicaLimits(0, 3)),
		workerfx.NewWorker("later", untilStopped, workerfx.WithAfter("never")),
		workerfx.NewWorker("never", untilStopped, workerfx.WithReadiness()),
		workerfx.NewWorker("bad", func(context.Context) error { defer close(failed); panic("oh") }))
	<-failed
	h := dashboard.Handler(pool, dashboard.WithActions(alice), dashboard.WithLogs(logs))
	o := readOpenAPI(t, h)
	tried := make(map[string]bool)
	for _, r := range []request{
		{"get", "/api/workers", "", "200"},
		{"get", "/api/workers", "?status=busy", "400"},
		{"get", "/api/worker", "?name=w", "200"},
		{"get", "/api/worker", "?name=bad", "200"},
		{"get", "/api/worker", "?name=nobody", "404"},
		{"get", "/api/openapi.json", "", "200"},
		{"post", "/api/worker/pause", "?name=w", "200"},
		{"post", "/api/worker/resume", "?name=w", "200"},
		{"post", "/api/worker/trigger", "?name=w", "409"},
		{"post", "/api/worker/restart", "?name=w", "200"},
		{"post", "/api/worker/scale", "?name=w&replicas=2", "200"},
		{"post", "/api/worker/scale", "?name=w&replicas=x", "400"},
		{"post", "/api/worker/scale", "?name=nobody&replicas=1", "404"},
	} {
		w := post(h, r.path+r.query, "")
		if r.method == "get" {
			w = get(h, r.path+r.query)
		}
		require.Equal(t, r.status, strconv.Itoa(w.Code), "%+v: %s", r, w.Body)
		require.Contains(t, o.Paths, r.path)
		response, ok := o.Paths[r.path][r.method].Responses[r.status]
		require.True(t, ok, "%+v", r)
		tried[r.path] = true
		if s := response.Content["application/json"].Schema; s != nil {
			var value any
			require.NoError(t, json.Unmarshal(w.Body.Bytes(), &value))
			o.check(t, *s, value, r.path)
		}
	}
	tried["/api/events"] = true // see the next test
	for path := range o.Paths {
		require.True(t, tried[path], "%s is not tried", path)
	}
}

func TestTheAPIHasSearchFilterAndPages(t *testing.T) {
	h := dashboard.Handler(newPool(t, workerfx.NewWorker("a/x", untilStopped), workerfx.NewWorker("a/y", untilStopped), workerfx.NewWorker("b", untilStopped)))
	var answer struct {
		Workers            []struct{ Worker string }
		Counts             map[string]int
		Total, Page, Pages int
	}
	require.NoError(t, json.Unmarshal(get(h, "/api/workers?q=a&status=pending&limit=1&page=2").Body.Bytes(), &answer))
	require.Equal(t, "a/y", answer.Workers[0].Worker)
	require.Equal(t, [3]int{2, 2, 2}, [3]int{answer.Total, answer.Page, answer.Pages})
	require.Equal(t, 2, answer.Counts["pending"])
}

func TestTheAPIRefusesParametersThatAreWrong(t *testing.T) {
	h := dashboard.Handler(newPool(t, workerfx.NewWorker("w", untilStopped)))
	statuses := readOpenAPI(t, h).Paths["/api/workers"]["get"].Parameters[1].Schema.Enum
	for query, want := range map[string]string{
		"status=busy":    `status "busy": must be one of ` + strings.Join(statuses, ", "),
		"page=abc":       `page "abc": must be a number, 1 or more`,
		"page=0":         `page "0": must be a number, 1 or more`,
		"limit=abc":      `limit "abc": must be a number, from 1 to 10000`,
		"limit=-5":       `limit "-5": must be a number, from 1 to 10000`,
		"limit=20000":    `limit "20000": must be a number, from 1 to 10000`,
		"limit=1&page=x": `page "x": must be a number, 1 or more`,
	} {
		w := get(h, "/api/workers?"+query)
		require.Equal(t, http.StatusBadRequest, w.Code, query)
		var answer struct{ Error string }
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &answer))
		require.Equal(t, want, answer.Error)
	}
	for _, status := range statuses {
		require.Equal(t, http.StatusOK, get(h, "/api/workers?status="+url.QueryEscape(status)).Code, status)
	}
	for _, query := range []string{"q=&status=&page=&limit=", "limit=10000&page=99"} {
		require.Equal(t, http.StatusOK, get(h, "/api/workers?"+query).Code, query)
	}
}

// stream opens api/events and returns the lines of its answer.
func stream(t *testing.T, server *httptest.Server) (lines *bufio.Scanner, status int) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/api/events", http.NoBody)
	require.NoError(t, err)
	answer, err := server.Client().Do(r)
	require.NoError(t, err)
	t.Cleanup(func() { answer.Body.Close() })
	return bufio.NewScanner(answer.Body), answer.StatusCode
}

func serve(t *testing.T, h http.Handler) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server
}

// nextChange reads the stream up to the next event of this kind.
func nextChange(t *testing.T, lines *bufio.Scanner, kind string) (data string) {
	t.Helper()
	for lines.Scan() {
		if lines.Text() == "event: "+kind {
			require.True(t, lines.Scan())
			return strings.TrimPrefix(lines.Text(), "data: ")
		}
	}
	require.Fail(t, "the stream has ended", "%v", lines.Err())
	return ""
}

func TestChangesAreStreamedUntilThePoolHasStopped(t *testing.T) {
	pool := newPool(t, workerfx.NewWorker("w", untilStopped))
	server := serve(t, dashboard.Handler(pool))
	lines, status := stream(t, server)
	require.Equal(t, http.StatusOK, status)
	require.True(t, lines.Scan())
	require.Equal(t, ": connected", lines.Text())

	require.NoError(t, pool.Start(t.Context()))
	var change any
	require.NoError(t, json.Unmarshal([]byte(nextChange(t, lines, "change")), &change))
	o := readOpenAPI(t, server.Config.Handler)
	o.check(t, schema{Ref: "#/components/schemas/Change"}, change, "change")
	require.Equal(t, "started", change.(map[string]any)["message"])

	require.NoError(t, pool.Stop(t.Context()))
	require.Contains(t, nextChange(t, lines, "change"), "stopped")
	for lines.Scan() { // the stream ends, which is the promise
	}
	require.NoError(t, lines.Err())
}

func TestAStreamWithoutChangesLastsOverHTTP2(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seven seconds")
	}
	t.Parallel()
	server := httptest.NewUnstartedServer(dashboard.Handler(startPool(t)))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	ctx, cancel := context.WithTimeout(t.Context(), 7*time.Second) // a reader must take what was written within five
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/api/events", http.NoBody)
	require.NoError(t, err)
	answer, err := server.Client().Do(request)
	require.NoError(t, err)
	defer answer.Body.Close()
	require.Equal(t, 2, answer.ProtoMajor)
	_, err = io.Copy(io.Discard, answer.Body)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestAStreamThatBeginsDuringAShutdownEnds(t *testing.T) {
	h := dashboard.Handler(startPool(t))
	reached, goOn := make(chan struct{}), make(chan struct{})
	server := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/events" {
			close(reached)
			<-goOn // such as a slow login
		}
		h.ServeHTTP(w, r)
	}))
	page, err := server.Client().Get(server.URL)
	require.NoError(t, err)
	require.NoError(t, page.Body.Close())
	go func() {
		if answer, err := server.Client().Get(server.URL + "/api/events"); err == nil {
			_, _ = io.Copy(io.Discard, answer.Body)
			_ = answer.Body.Close()
		}
	}()
	<-reached
	server.Config.RegisterOnShutdown(func() { close(goOn) })
	require.NoError(t, server.Config.Shutdown(t.Context()))
}

// unflushed is a writer that cannot send what was written, such as one of middleware.
type unflushed struct{ http.ResponseWriter }

func TestAWriterThatCannotFlushIsAnError(t *testing.T) {
	w := httptest.NewRecorder()
	dashboard.Handler(startPool(t)).ServeHTTP(unflushed{w}, httptest.NewRequest(http.MethodGet, "/api/events", http.NoBody))
	require.Equal(t, http.StatusInternalServerError, w.Code)
	require.Contains(t, w.Body.String(), "changes cannot be sent as they happen")
	require.Contains(t, w.Header().Get("Content-Type"), "application/json")
}

func TestEverySourceOfASettingIsInTheOpenAPIFile(t *testing.T) {
	pool := startPool(t, workerfx.NewWorker("w", untilStopped, workerfx.WithInterval(time.Hour)))
	every, err := workerfx.ParseCron("@every 1m")
	require.NoError(t, err)
	require.NoError(t, pool.Reschedule("w", every))
	h := dashboard.Handler(pool)
	var answer any
	require.NoError(t, json.Unmarshal(get(h, "/api/worker?name=w").Body.Bytes(), &answer))
	readOpenAPI(t, h).check(t, schema{Ref: "#/components/schemas/Worker"}, answer, "w")
}

func TestOnlySoManyReadersAreAllowed(t *testing.T) {
	server := serve(t, dashboard.Handler(startPool(t)))
	for range 64 {
		lines, status := stream(t, server)
		require.Equal(t, http.StatusOK, status)
		require.True(t, lines.Scan())
	}
	_, status := stream(t, server)
	require.Equal(t, http.StatusServiceUnavailable, status)
}

// stalled is a writer whose reader takes nothing: a write ends when its deadline passes.
type stalled struct {
	*httptest.ResponseRecorder

	wrote chan struct{} // closed by the first write
	until time.Time
}

func (s *stalled) SetWriteDeadline(t time.Time) error { s.until = t; return nil }
func (s *stalled) FlushError() error                  { return nil }

func (s *stalled) Write(p []byte) (int, error) {
	if s.wrote != nil {
		close(s.wrote)
		s.wrote = nil
		return len(p), nil
	}
	return 0, context.DeadlineExceeded
}

// slow is a writer that does not return from its first write of a change until it is released.
type slow struct {
	*httptest.ResponseRecorder

	writing chan struct{} // receives when a change is written
	release chan struct{}
	once    sync.Once
}

func (s *slow) Write(p []byte) (int, error) {
	if bytes.HasPrefix(p, []byte("event: change")) {
		s.once.Do(func() {
			close(s.writing)
			<-s.release
		})
	}
	return s.ResponseRecorder.Write(p)
}

func TestASlowReaderIsToldHowMuchItHasMissed(t *testing.T) {
	pool := startPool(t, workerfx.NewWorker("w", untilStopped))
	w := &slow{ResponseRecorder: httptest.NewRecorder(), writing: make(chan struct{}), release: make(chan struct{})}
	h, ended := dashboard.Handler(pool), make(chan struct{})
	go func() {
		defer close(ended)
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/api/events", http.NoBody))
	}()
	for writing := false; !writing; { // the reader may not be connected yet
		require.NoError(t, pool.Note("w", "x"))
		select {
		case <-w.writing:
			writing = true
		default:
		}
	}
	for range 5000 {
		require.NoError(t, pool.Note("w", "x"))
	}
	close(w.release)
	require.NoError(t, pool.Stop(context.Background()))
	<-ended
	require.Regexp(t, `event: missed\ndata: {"missed":\d+}`, w.Body.String())
	require.Less(t, strings.Count(w.Body.String(), "event: change"), 5000)
}

func TestADeadReaderIsDropped(t *testing.T) {
	pool := newPool(t, workerfx.NewWorker("w", untilStopped))
	wrote, ended := make(chan struct{}), make(chan struct{})
	w := &stalled{ResponseRecorder: httptest.NewRecorder(), wrote: wrote}
	go func() {
		defer close(ended)
		dashboard.Handler(pool).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/api/events", http.NoBody))
	}()
	<-wrote
	require.NoError(t, pool.Start(context.Background()))
	<-ended
	require.NoError(t, pool.Stop(context.Background()))
}

func TestAWrongMethodIsToldTheRightOne(t *testing.T) {
	h := dashboard.Handler(newPool(t), dashboard.WithActions(func(*http.Request) (string, error) { return "alice", nil }))
	for request, allow := range map[string]string{
		"GET /api/worker/pause": "POST", "PUT /api/workers": "GET, HEAD", "DELETE /worker": "GET, HEAD, POST", "OPTIONS /": "GET, HEAD",
	} {
		method, path, _ := strings.Cut(request, " ")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, path, http.NoBody))
		require.Equal(t, http.StatusMethodNotAllowed, w.Code, request)
		require.Equal(t, allow, w.Header().Get("Allow"), request)
		require.Contains(t, w.Body.String(), method+" is not allowed here", request)
	}
	require.Equal(t, http.StatusNotFound, get(h, "/nope").Code)
	require.Equal(t, http.StatusNotFound, post(h, "/nope", "").Code)
}
