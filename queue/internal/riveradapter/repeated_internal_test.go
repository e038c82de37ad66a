package riveradapter

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestRepeatedLinesAreWrittenOnceAMinuteWithTheirCount(t *testing.T) {
	t.Parallel()
	var r repeated
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, line := range []struct {
		text  string
		after time.Duration
		write bool
		held  int
	}{
		{"cannot fetch", 0, true, 0},
		{"cannot fetch", time.Second, false, 0},
		{"cannot clean", time.Second, true, 0},
		{"cannot fetch", 59 * time.Second, false, 0},
		{"cannot fetch", time.Minute, true, 2},
		{"cannot clean", 61 * time.Second, true, 0},
		{"cannot fetch", 61 * time.Second, false, 0},
		{"cannot fetch", time.Hour, true, 1},
	} {
		held, write := r.next(line.text, begin.Add(line.after))
		require.Equal(t, line.write, write, "%q after %v", line.text, line.after)
		require.Equal(t, line.held, held, "%q after %v", line.text, line.after)
	}
}
