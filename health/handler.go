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

// workersCheck is the name of the check of the pool.
const workersCheck = "workers"

// Handler serves /livez and /readyz. The process is live unless a worker is stuck. It is ready if no worker has
// failed for good, is stuck or is not ready, if the pool has started and is not stopping, and if all checks pass. A
// worker that failed and will run again makes no probe fail. The paths may have a prefix.
//
// The answer names each worker, its trouble and since when. It does not say why, as the text of an error may hold a
// password and anybody may ask: the reason is in the log. [Config.Handler] shows it. The texts of the app's own checks
// are shown.
func Handler(pool *workerfx.Pool, checks ...Check) http.Handler {
	return Config{}.Handler(pool, checks...)
}

// PoolCheck is the check of the pool in /readyz, for an app with a health endpoint of its own. Its text has no reasons:
// see [Handler].
func PoolCheck(pool *workerfx.Pool) Check { return Config{}.PoolCheck(pool) }

// Config says what the answers tell. The zero value is the default.
type Config struct {
	// ShowReasons adds the errors of workers to the answers. It is for endpoints that only the operators can reach.
	ShowReasons bool `json:"showReasons,omitempty" yaml:"showReasons,omitempty" mapstructure:"showReasons,omitempty"`
}

// Handler is the function [Handler] with this configuration.
func (c Config) Handler(pool *workerfx.Pool, checks ...Check) http.Handler {
	live := newProbe(Check{workersCheck, func(context.Context) error { return c.liveness(pool.Health()) }})
	ready := newProbe(append([]Check{c.PoolCheck(pool)}, checks...)...)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/livez"):
			live.serve(w, r)
		case strings.HasSuffix(r.URL.Path, "/readyz"):
			ready.serve(w, r)
		default:
			http.NotFound(w, r)
		}
	})
}

// PoolCheck is the function [PoolCheck] with this configuration.
func (c Config) PoolCheck(pool *workerfx.Pool) Check {
	return Check{workersCheck, func(context.Context) error { return c.readiness(pool.Health()) }}
}

// liveness returns the part of a pool's health that a restart of the process would repair.
func (c Config) liveness(err error) error {
	return c.filter(err, func(t workerfx.Trouble) bool { return t == workerfx.TroubleStuck })
}

// readiness returns the part of a pool's health that keeps workers from their work.
func (c Config) readiness(err error) error {
	unwell := c.filter(err, func(t workerfx.Trouble) bool { return t != workerfx.TroubleFailing })
	switch err.(type) { //nolint:errorlint // wrapped errors are those of workers, and may come from another pool
	case nil, *workerfx.HealthError:
		return unwell
	}
	if err == workerfx.ErrNotStarted { //nolint:errorlint // as above
		return err
	}
	return errors.Join(workerfx.ErrPoolStopped, unwell)
}

// filter returns the problems of these kinds, without their reasons unless they are to be shown.
func (c Config) filter(err error, matters func(workerfx.Trouble) bool) error {
	health, ok := errors.AsType[*workerfx.HealthError](err)
	if !ok {
		return nil
	}
	problems := slices.DeleteFunc(slices.Clone(health.Problems), func(p workerfx.Problem) bool { return !matters(p.Trouble) })
	if len(problems) == 0 {
		return nil
	}
	for i, p := range problems {
		if p.Err != nil && !c.ShowReasons { // without an error, a problem only names other workers
			problems[i] = workerfx.Problem{Worker: p.Worker, Replica: p.Replica, Trouble: p.Trouble, Since: p.Since}
		}
	}
	return &workerfx.HealthError{Problems: problems}
}

// probe has the checks of one path.
type probe []*checkRunner

func newProbe(checks ...Check) probe {
	p := make(probe, len(checks))
	for i, check := range checks {
		p[i] = newCheckRunner(check)
	}
	return p
}

// serve answers a request.
func (p probe) serve(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	lines, ok := p.report(r)
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

// report runs the checks that are not excluded. The text has a line or more for each.
func (p probe) report(r *http.Request) (lines *bytes.Buffer, ok bool) {
	ctx, cancel := context.WithTimeout(r.Context(), checkTimeout)
	defer cancel()
	late, cancelLate := context.WithCancel(context.Background()) // it ends a moment after ctx
	defer cancelLate()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(answerGrace, cancelLate) })()

	excluded := r.URL.Query()["exclude"]
	answers := make([]<-chan answer, len(p)) // all at once, as a check may hang
	for i, a := range p {
		if !slices.Contains(excluded, a.Name) {
			answers[i] = a.start(ctx)
		}
	}
	lines, ok = new(bytes.Buffer), true
	for i, a := range p {
		if answers[i] == nil {
			fmt.Fprintf(lines, "[+] %s excluded\n", a.title)
			continue
		}
		if answer := await(ctx, late, answers[i]); answer.failed {
			ok = false
			fmt.Fprintf(lines, "[-] %s\n    %s\n", a.title, strings.ReplaceAll(readable(answer.why), "\n", "\n    "))
			continue
		}
		fmt.Fprintf(lines, "[+] %s ok\n", a.title)
	}
	return lines, ok
}
