package dashboard_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx/dashboard"
)

func line(worker, message string) []byte {
	return fmt.Appendf(nil, `{"worker":%q,"message":%q}`, worker, message)
}

func TestLogsKeepTheLastLinesOfEachWorker(t *testing.T) {
	logs := dashboard.NewLogs(2)
	for i := range 5 {
		n, err := logs.Write(line("a", fmt.Sprint(i)))
		require.NoError(t, err)
		require.Positive(t, n)
	}
	_, _ = logs.Write(line("b", "other"))
	_, _ = logs.Write([]byte("no JSON"))
	_, _ = logs.Write([]byte(`{"message":"of nobody"}`))
	require.Equal(t, []string{string(line("a", "3")), string(line("a", "4"))}, logs.Lines("a"))
	require.Len(t, logs.Lines("b"), 1)
	require.Empty(t, logs.Lines(""))

	var none *dashboard.Logs
	_, err := none.Write(line("a", "x"))
	require.NoError(t, err)
	require.Empty(t, none.Lines("a"))
}

func TestALineIsThatOfItsFirstWorker(t *testing.T) {
	logs := dashboard.NewLogs(9)
	for _, line := range []string{
		`{"level":"info","worker":"w","Worker":"other","message":"a"}`, `{"worker":"w","WORKER":5}`, `{"worker":"w","worker":7}`,
		`{"n":{"worker":"other"},"worker":"w"}`,                  // kept
		`{"worker":7}`, `{"worker":`, `["worker","w"]`, ``, `{}`, // not kept
	} {
		n, err := logs.Write([]byte(line))
		require.NoError(t, err)
		require.Len(t, line, n)
	}
	require.Len(t, logs.Lines("w"), 4)
	require.Empty(t, logs.Lines("other"))
}

func TestLogsAreBounded(t *testing.T) {
	logs := dashboard.NewLogs(1000)
	long := strings.Repeat("x", 4200)
	for i := range 30 {
		for range 150 {
			_, _ = logs.Write([]byte(`{"worker":"w` + strconv.Itoa(i) + `","message":"` + long + `"}`))
		}
	}
	total := 0
	for i := range 30 {
		for _, kept := range logs.Lines(fmt.Sprintf("w%d", i)) {
			require.LessOrEqual(t, len(kept), 4<<10)
			total += len(kept)
		}
	}
	require.LessOrEqual(t, total, 16<<20)
	require.Empty(t, logs.Lines("w0"), "the lines of the worker that was silent the longest are removed first")
	require.Len(t, logs.Lines("w29"), 150)
}
