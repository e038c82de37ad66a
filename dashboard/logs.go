package dashboard

import (
	"bytes"
	"container/list"
	"encoding/json"
	"slices"
	"sync"

	"github.com/workerfx/workerfx/internal/text"
)

const (
	maxLine     = 4 << 10  // of a log line, in bytes; the rest is cut
	maxLogBytes = 16 << 20 // of all lines together
)

// Logs keeps the last log lines of each worker in memory. It is a writer for zerolog, beside the app's own:
//
//	logs := dashboard.NewLogs(50)
//	logger := zerolog.New(zerolog.MultiLevelWriter(os.Stderr, logs)).With().Timestamp().Logger()
//
// It may be used by many goroutines. The nil *Logs keeps nothing.
type Logs struct {
	lines int

	mu      sync.Mutex // guards the fields below
	workers map[string]*list.Element
	recent  *list.List // of *workerLog; who wrote last is in front
	bytes   int
}

// workerLog has the last lines of one worker, the oldest first.
type workerLog struct {
	worker string
	lines  []string
}

// NewLogs returns logs that keep this many lines of each worker, at least 1. A line is cut at 4 KiB. All lines together
// take 16 MiB at most: beyond that, the lines of the workers that have been silent for the longest time go.
func NewLogs(lines int) *Logs {
	return &Logs{lines: max(lines, 1), workers: make(map[string]*list.Element), recent: list.New()}
}

// Write keeps a line of JSON whose first field "worker" is a text. It ignores other lines, and never fails.
func (l *Logs) Write(line []byte) (int, error) {
	if l == nil {
		return len(line), nil
	}
	worker := workerOf(line)
	if worker == "" {
		return len(line), nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.add(text.Cut(worker, text.MaxName), text.OneLine(text.Cut(string(line[:min(len(line), maxLine+1)]), maxLine)))
	return len(line), nil
}

// workerOf returns the first field "worker" of a line of JSON, which is that of the pool. It is empty if there is none, or if
// it is no text.
func workerOf(line []byte) string {
	decoder := json.NewDecoder(bytes.NewReader(line))
	if begin, err := decoder.Token(); err != nil || begin != json.Delim('{') {
		return ""
	}
	for decoder.More() {
		key, err := decoder.Token()
		if err != nil {
			return ""
		}
		var value json.RawMessage
		if decoder.Decode(&value) != nil {
			return ""
		}
		if key == "worker" {
			var worker string
			_ = json.Unmarshal(value, &worker) // of another type: no worker
			return worker
		}
	}
	return ""
}

// Lines returns the last lines of a worker, the oldest first.
func (l *Logs) Lines(worker string) []string {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if element, ok := l.workers[worker]; ok {
		return slices.Clone(logOf(element).lines)
	}
	return nil
}

// add keeps a line. The lock is held here and in the functions below.
func (l *Logs) add(worker, line string) {
	element, ok := l.workers[worker]
	if !ok {
		element = l.recent.PushFront(&workerLog{worker: worker})
		l.workers[worker] = element
		l.bytes += len(worker)
	}
	l.recent.MoveToFront(element)
	log := logOf(element)
	if len(log.lines) >= l.lines {
		l.bytes -= len(log.lines[0])
		log.lines = slices.Delete(log.lines, 0, 1)
	}
	log.lines = append(log.lines, line)
	for l.bytes += len(line); l.bytes > maxLogBytes; {
		l.forgetOldest()
	}
}

// forgetOldest forgets the worker that has been silent for the longest time.
func (l *Logs) forgetOldest() {
	oldest := l.recent.Back()
	log := logOf(oldest)
	l.bytes -= len(log.worker)
	for _, line := range log.lines {
		l.bytes -= len(line)
	}
	l.recent.Remove(oldest)
	delete(l.workers, log.worker)
}

func logOf(element *list.Element) *workerLog {
	log, _ := element.Value.(*workerLog)
	return log
}
