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
	// Time is when it was written, on the bubble's clock inside a bubble.
	Time    time.Time
	Level   zerolog.Level
	Message string
	// Fields are all other fields, as [encoding/json] decodes them: numbers are float64. Those of a worker's run
	// are "worker" and "workerExecutionID".
	Fields map[string]any
}

// Logs returns the log records so far, of all levels, in the order in which they were written. Given names
// of workers, it returns only those with one of them in the field "worker". The pool's own record of a
// change comes just after AwaitStatus and AwaitRuns see the change; inside a bubble, synctest.Wait waits for it.
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

// logbook keeps what a zerolog.Logger writes.
type logbook struct {
	mu    sync.Mutex // guards lines
	lines []line
}

// line is a record as it was written. It is parsed for whoever reads it, who may then change it at will.
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
	delete(log.Fields, zerolog.LevelFieldName)
	return log
}
