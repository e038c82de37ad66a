package health

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/workerfx/workerfx"
)

// Check is one thing that has to be well for the process to be ready.
type Check struct {
	// Name stands in the answer, and in ?exclude. It should be short and unique.
	Name string
	// Check returns nil if all is well. Its context ends with the request, at the latest after 5s. It is called from many
	// goroutines; a panic counts as a failure.
	Check func(ctx context.Context) error
}

// checkTimeout bounds one request's checks.
const checkTimeout = 5 * time.Second

// workersCheck is the name of the pool's own check.
const workersCheck = "workers"

// Handler serves /livez and /readyz. The process is live unless a worker is stuck. It is ready if no worker
// has failed for good, is stuck or not ready, the pool is neither stopping nor has yet to start, and all
// checks pass. A worker that failed and will run again makes it neither: it is only told of. The paths may be
// behind a prefix.
func Handler(pool *workerfx.Pool, checks ...Check) http.Handler {
	live := []Check{{workersCheck, func(context.Context) error { return living(pool.Health()) }}}
	ready := append([]Check{PoolCheck(pool)}, checks...)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/livez"):
			serve(w, r, live)
		case strings.HasSuffix(r.URL.Path, "/readyz"):
			serve(w, r, ready)
		default:
			http.NotFound(w, r)
		}
	})
}

// PoolCheck is what /readyz asks of the pool, as a check for a health endpoint that the app has already.
func PoolCheck(pool *workerfx.Pool) Check {
	return Check{workersCheck, func(context.Context) error { return working(pool.Health()) }}
}

// living leaves of a pool's health only what a restart of the process would mend.
func living(err error) error {
	return filter(err, func(t workerfx.Trouble) bool { return t == workerfx.TroubleStuck })
}

// working leaves of a pool's health what keeps it from its work.
func working(err error) error {
	filtered := filter(err, func(t workerfx.Trouble) bool { return t != workerfx.TroubleFailing })
	for _, state := range []error{workerfx.ErrNotStarted, workerfx.ErrPoolStopped} {
		if errors.Is(err, state) {
			filtered = errors.Join(state, filtered)
		}
	}
	return filtered
}

// filter leaves the troubles that matter.
func filter(err error, matters func(workerfx.Trouble) bool) error {
	health, ok := errors.AsType[*workerfx.HealthError](err)
	if !ok {
		return nil
	}
	problems := slices.DeleteFunc(slices.Clone(health.Problems), func(p workerfx.Problem) bool { return !matters(p.Trouble) })
	if len(problems) == 0 {
		return nil
	}
	return &workerfx.HealthError{Problems: problems}
}

// serve answers a probe.
func serve(w http.ResponseWriter, r *http.Request, checks []Check) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	lines, ok := report(r, checks)
	status, summary := http.StatusOK, "ok"
	if !ok {
		status, summary = http.StatusServiceUnavailable, "failed"
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-cache")
	w.WriteHeader(status)
	if !ok || r.URL.Query().Has("verbose") {
		_, _ = lines.WriteTo(w) // a probe that went away needs no answer
	}
	_, _ = fmt.Fprintln(w, summary)
}

// report makes the checks that are not excluded, and has a line or more for each.
func report(r *http.Request, checks []Check) (lines *bytes.Buffer, ok bool) {
	ctx, cancel := context.WithTimeout(r.Context(), checkTimeout)
	defer cancel()
	lines, ok = new(bytes.Buffer), true
	excluded := r.URL.Query()["exclude"]
	for _, check := range checks {
		if slices.Contains(excluded, check.Name) {
			fmt.Fprintf(lines, "[+] %s excluded\n", check.Name)
			continue
		}
		if why, failed := run(ctx, check); failed {
			ok = false
			fmt.Fprintf(lines, "[-] %s\n    %s\n", check.Name, strings.ReplaceAll(why, "\n", "\n    "))
			continue
		}
		fmt.Fprintf(lines, "[+] %s ok\n", check.Name)
	}
	return lines, ok
}

// run runs a check, which is the user's code, and tells why it failed if it did.
func run(ctx context.Context, check Check) (why string, failed bool) {
	defer func() {
		if value := recover(); value != nil {
			why, failed = fmt.Sprintf("panic: %v", value), true
		}
	}()
	if check.Check == nil {
		return "has no function", true
	}
	if err := check.Check(ctx); err != nil {
		return err.Error(), true
	}
	return "", false
}
