package workerfx_test

import (
	"bytes"
	"encoding/json"
	"sync"
	"testing"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
)

// logBuffer keeps what is logged.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

// reset forgets what was logged.
func (b *logBuffer) reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.buf.Reset()
}

func (b *logBuffer) logger() *zerolog.Logger {
	logger := zerolog.New(b)
	return &logger
}

// records are the lines logged so far; each must be a JSON object.
func (b *logBuffer) records(t testing.TB) (records []map[string]any) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for line := range bytes.Lines(b.buf.Bytes()) {
		var record map[string]any
		require.NoError(t, json.Unmarshal(line, &record), "%s", line)
		records = append(records, record)
	}
	return records
}

// count returns how many records have that message.
func (b *logBuffer) count(t testing.TB, message string) (n int) {
	t.Helper()
	for _, record := range b.records(t) {
		if record["message"] == message {
			n++
		}
	}
	return n
}

// find returns the first record with that message.
func (b *logBuffer) find(t testing.TB, message string) map[string]any {
	t.Helper()
	records := b.records(t)
	for _, record := range records {
		if record["message"] == message {
			return record
		}
	}
	require.Failf(t, "no such record", "%q in %v", message, records)
	return nil
}
