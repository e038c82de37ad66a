package faults_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/middleware"
)

// hostileTexts are texts that would do harm where they are shown as they are.
var hostileTexts = map[string]string{
	"a megabyte":         strings.Repeat("x", 1<<20),
	"a megabyte of ä":    strings.Repeat("ä", 1<<19),
	"a megabyte of dirt": strings.Repeat("\xff\x00", 1<<19),
	"lines":              "one\ntwo\r\nthree\n",
	"a forged record":    "x\"}\n{\"level\":\"info\",\"message\":\"all is well\"}",
	"a forged metric":    "x\"} 1\nworker_panics_total{worker=\"w",
	"ANSI escapes":       "\x1b[2J\x1b[31mred\x1b[0m\a\b",
	"NUL":                "a\x00b",
	"half a rune":        "a\xc3",
	"no UTF-8 at all":    "\xff\xfe\xfd",
	"format verbs":       "%s %d %!x(NOVERB) %%",
}

// boundedText is far less than a megabyte.
const boundedText = 7000

// output keeps what is written to it.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

// requireRecords requires that each line is one log record of a bounded length, and returns them.
func (o *output) requireRecords(t *testing.T) (records []map[string]any) {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	for line := range bytes.Lines(o.buf.Bytes()) {
		var record map[string]any
		require.NoError(t, json.Unmarshal(line, &record), "%.200s", line)
		require.LessOrEqual(t, len(line), 64<<10)
		require.NotContains(t, string(line), "\x1b")
		require.NotEqual(t, "all is well", record["message"])
		records = append(records, record)
	}
	return records
}

var metricLine = regexp.MustCompile(`^(#.*|[a-zA-Z_][a-zA-Z0-9_]*(\{([a-z]+="([^"\\\n]|\\.)*",?)*\})? [-+.0-9eInf]+)\n$`)

// scrape is what a monitoring system reads of a registry, which must be well-formed.
func scrape(t *testing.T, registry prometheus.Gatherer) string {
	t.Helper()
	answer := httptest.NewRecorder()
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/", nil))
	require.Equal(t, http.StatusOK, answer.Code, answer.Body.String())
	text := answer.Body.String()
	for line := range strings.Lines(text) {
		require.Regexp(t, metricLine, line)
	}
	return text
}

func TestAHostileErrorIsCutAndEscapedWhereverItIsShown(t *testing.T) {
	ends := map[string]func(text string) error{
		"error":          errors.New,
		"wrapped error":  func(text string) error { return fmt.Errorf("%w: %s", errBoom, text) },
		"panic":          func(text string) error { panic(text) },
		"panic of error": func(text string) error { panic(errors.New(text)) },
		"panic of value": func(text string) error { panic([]string{text}) },
	}
	for what, text := range hostileTexts {
		for how, end := range ends {
			bubble(what+" "+how, t, func(t *testing.T) {
				log, registry := new(output), prometheus.NewRegistry()
				pool := newPool(t, workerfx.WithLogger(zerolog.New(log)), workerfx.WithRegisterer(registry))
				add(t, pool, workerfx.NewWorker("w", func(context.Context) error { return end(text) },
					workerfx.WithMaxAttempts(3), second, workerfx.WithEssential()))
				err := pool.Run(within(t, time.Minute))
				require.ErrorIs(t, err, workerfx.ErrExitedPrematurely)
				assert.Less(t, len(err.Error()), boundedText)

				e := report(t, pool, "w")
				require.Error(t, e.Err)
				assert.Less(t, len(e.Err.Error()), boundedText)
				for _, event := range e.Events {
					requireHarmless(t, event.Message)
				}
				assert.GreaterOrEqual(t, len(log.requireRecords(t)), 6)
				assert.Contains(t, scrape(t, registry), `worker_executions_total{status="error",worker="w"} 3`)
			})
		}
	}
}

// requireHarmless requires that a text is one line of bounded length.
func requireHarmless(t *testing.T, text string) {
	t.Helper()
	assert.Less(t, len(text), boundedText)
	assert.True(t, json.Valid([]byte(`"`+strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text)+`"`)), "%q has control characters", text)
}

func TestAWrappedErrorIsFoundHoweverLongItsText(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := startPool(t, workerfx.NewWorker("w", func(context.Context) error {
			return fmt.Errorf("%w%s", errBoom, strings.Repeat("x", 1<<20))
		}))
		assert.ErrorIs(t, report(t, pool, "w").Err, errBoom)
	})
}

func TestAHostileExecutionIDIsCutAndEscaped(t *testing.T) {
	for what, text := range hostileTexts {
		bubble(what, t, func(t *testing.T) {
			log, release := new(output), make(chan struct{})
			defer close(release)
			pool := start(t, newPool(t, workerfx.WithLogger(zerolog.New(log)), workerfx.WithIDGenerator(func() string { return text })),
				workerfx.NewWorker("w", func(context.Context) error { hangHere(release); return nil }))
			assert.LessOrEqual(t, len(report(t, pool, "w").ID), 600)
			straggler := requireStraggler(t, pool, "w", time.Second)
			assert.Contains(t, straggler.Stack, "faults_test.hangHere", "the stack is found by the ID")
			log.requireRecords(t)
		})
	}
}

func TestATextThatIsNoUTF8IsCutToTheSameLengthAsAnyOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		text := hostileTexts["a megabyte of dirt"]
		pool := start(t, newPool(t, workerfx.WithIDGenerator(func() string { return text })),
			workerfx.NewWorker("w", func(context.Context) error { return errors.New(text) }))
		e := report(t, pool, "w")
		assert.LessOrEqual(t, len(e.ID), 200)
		assert.LessOrEqual(t, len(e.Err.Error()), 2048)
	})
}

func TestAHostilePanicOfAHookIsCutAndEscaped(t *testing.T) {
	for what, text := range hostileTexts {
		bubble(what, t, func(t *testing.T) {
			log := new(output)
			h := newHook(func() { panic(text) })
			pool := start(t, newPool(t, workerfx.WithLogger(zerolog.New(log)), workerfx.WithIDGenerator(func() string { h.called(); return "" })),
				workerfx.NewWorker("backoff", fails, endless, workerfx.WithBackoff(h)),
				workerfx.NewWorker("schedule", fails, workerfx.WithSchedule(h)),
				workerfx.NewWorker("locked", fails, workerfx.WithMiddleware(middleware.Singleton(h))))
			synctest.Wait()
			stop(t, pool)
			assert.GreaterOrEqual(t, len(log.requireRecords(t)), 6)
		})
	}
}

func TestAHostilePanicWhileAWorkerIsAddedIsAnErrorOfBoundedLength(t *testing.T) {
	for what, text := range hostileTexts {
		t.Run(what, func(t *testing.T) {
			pool, w := newPool(t), workerfx.NewWorker("w", untilStopped)
			bad := func() { panic(text) }
			for _, err := range []error{
				pool.Add(namedBy{func() string { bad(); return "" }}),
				pool.AddGroup(brokenGroup{onWorkers: bad}),
				pool.AddGroup(brokenGroup{onName: bad}),
				pool.Add(w, workerfx.WithMiddleware(func(workerfx.RunFunc) workerfx.RunFunc { bad(); return nil })),
				pool.Add(w, workerfx.WithCron(text)),
			} {
				require.Error(t, err)
				assert.Less(t, len(err.Error()), boundedText)
			}
		})
	}
}
