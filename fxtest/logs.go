package fxtest

import (
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"
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
// with one of the names in the field "worker". The pool writes its record of a change just after AwaitStatus and
// AwaitRuns see the change. Inside of a bubble, synctest.Wait waits for it.
func (a *App) Logs(workers ...string) []Log {
	logs := a.logs.read()
	if len(workers) == 0 {
		return logs
	}
	return slices.DeleteFunc(logs, func(l Log) bool {
		worker, _ := l.Fields["worker"].(string)
		return !slices.Contains(workers, worker)
	})
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
