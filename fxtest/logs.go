package fxtest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// Log is a log record.
type Log struct {
	// Time is when it was written. Inside of a bubble it is fake time.
	Time    time.Time
	Level   zerolog.Level
	Message string
	// Fields are all other fields, as [encoding/json] decodes them: numbers are float64. The fields of a worker's
	// run are "worker" and "workerExecutionID".
	Fields map[string]any
}

// Logs returns the log records of all levels so far, in their order. With names of workers it returns only records
// with one of the names in the field "worker". The test fails, and goes on, if the pool has no such worker and no record
// has its name. The pool writes its record of a change just after AwaitStatus and AwaitRuns see the change. Inside of a
// bubble, synctest.Wait waits for it.
func (a *App) Logs(workers ...string) []Log {
	a.tb.Helper()
	a.requireWorkers("Logs", workers)
	logs := a.logs.read()
	if len(workers) == 0 {
		return logs
	}
	return slices.DeleteFunc(logs, func(l Log) bool { return !slices.Contains(workers, l.worker()) })
}

// worker is the worker whose record it is, or "".
func (l Log) worker() string {
	worker, _ := l.Fields["worker"].(string)
	return worker
}

// requireWorkers fails the test for each name that no worker has or had. The test goes on, as any goroutine may call it.
func (a *App) requireWorkers(method string, workers []string) {
	a.tb.Helper()
	for _, worker := range workers {
		if !a.knows(worker) {
			a.tb.Errorf("%s(%q): the pool has no such worker; there are:%s", method, worker, a.workerNames())
		}
	}
}

// knows tells whether a worker has or had this name. A worker that was removed is known by its records.
func (a *App) knows(worker string) bool {
	if _, err := a.Pool.Execution(worker); err == nil || slices.Contains(a.Pool.Excluded(), worker) {
		return true
	}
	return slices.ContainsFunc(a.logs.read(), func(l Log) bool { return l.worker() == worker }) ||
		slices.ContainsFunc(a.spans.Ended(), func(s sdktrace.ReadOnlySpan) bool { return workerOf(s) == worker })
}

// workerNames is the list of all workers, also of those that the configuration excludes.
func (a *App) workerNames() string {
	names := a.Pool.Excluded()
	for _, e := range a.Pool.Executions() {
		names = append(names, e.Worker)
	}
	if names == nil {
		return " none"
	}
	slices.Sort(names)
	var b strings.Builder
	for _, name := range slices.Compact(names) {
		fmt.Fprintf(&b, "\n  %q", name)
	}
	return b.String()
}

// logbook keeps the records of a zerolog.Logger.
type logbook struct {
	mu    sync.Mutex // guards lines
	lines []line
}

// line is a record before it is parsed. It is parsed again for each caller, as a caller may change the result.
type line struct {
	time  time.Time
	level zerolog.Level
	text  []byte
}

// Write keeps a record without a level.
func (b *logbook) Write(text []byte) (int, error) { return b.WriteLevel(zerolog.NoLevel, text) }

// WriteLevel keeps a record.
func (b *logbook) WriteLevel(level zerolog.Level, text []byte) (int, error) {
	written := line{time: time.Now(), level: level, text: slices.Clone(text)} // zerolog uses text again
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lines = append(b.lines, written)
	return len(text), nil
}

func (b *logbook) read() []Log {
	b.mu.Lock()
	lines := slices.Clone(b.lines)
	b.mu.Unlock()
	logs := make([]Log, len(lines))
	for i, l := range lines {
		logs[i] = l.parse()
	}
	return logs
}

func (l line) parse() Log {
	log := Log{Time: l.time, Level: l.level}
	if err := json.Unmarshal(l.text, &log.Fields); err != nil {
		log.Message = string(l.text) // better odd than lost
		return log
	}
	log.Message, _ = log.Fields[zerolog.MessageFieldName].(string)
	delete(log.Fields, zerolog.MessageFieldName)
	if written, ok := log.Fields[zerolog.TimestampFieldName].(string); ok { // log/slog adds it
		if _, err := time.Parse(time.RFC3339Nano, written); err == nil {
			delete(log.Fields, zerolog.TimestampFieldName)
		}
	}
	delete(log.Fields, zerolog.LevelFieldName)
	return log
}
