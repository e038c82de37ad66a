package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestOnceFindsWhatAHashOfEveryFileFinds(t *testing.T) {
	dir := t.TempDir()
	writeRandomTree(t, dir)

	code, out, log := runOnce(t, "-dir", dir)

	require.Zero(t, code, log)
	want := hashEveryFile(t, dir)
	require.NotEmpty(t, want)
	require.Equal(t, want, setsIn(out))
	require.Equal(t, "0", total(t, out, "unreadable"))
}

func TestSmallestSizeDecidesOnEmptyFiles(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"empty": "", "void": "", "x": "x", "y": "x", "long": "long text", "same": "long text"})

	for smallest, sets := range map[string]string{"0": "3", "1": "2", "2": "1", "10": "0"} {
		code, out, log := runOnce(t, "-dir", dir, "-min", smallest)
		require.Zero(t, code, log)
		require.Equal(t, sets, total(t, out, "duplicate sets"), "-min %s", smallest)
		require.Equal(t, "6", total(t, out, "files scanned"))
	}
}

func TestHardLinksCountAndSymbolicLinksDoNot(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"a": "text"})
	require.NoError(t, os.Link(filepath.Join(dir, "a"), filepath.Join(dir, "hard")))
	require.NoError(t, os.Symlink("a", filepath.Join(dir, "soft")))
	require.NoError(t, os.Symlink(dir, filepath.Join(dir, "loop")))
	linked := filepath.Join(t.TempDir(), "link to the directory")
	require.NoError(t, os.Symlink(dir, linked))

	for _, root := range []string{dir, linked, dir + string(filepath.Separator)} {
		code, out, log := runOnce(t, "-dir", root)
		require.Zero(t, code, log)
		root = filepath.Clean(root)
		require.Equal(t, map[string][]string{"982d9e3eb996": {filepath.Join(root, "a"), filepath.Join(root, "hard")}}, setsIn(out))
		require.Equal(t, "2", total(t, out, "files scanned"))
		require.Equal(t, "0", total(t, out, "unreadable"))
	}
}

func TestFilesOfOneSizeWithoutDuplicatesAreHashedAndNotListed(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"a": "aaaa", "b": "bbbb", "alone": "of its size"})

	code, out, log := runOnce(t, "-dir", dir)

	require.Zero(t, code, log)
	require.Empty(t, setsIn(out))
	require.Equal(t, "3", total(t, out, "files scanned"))
	require.Equal(t, "2", total(t, out, "files hashed"))
	require.Equal(t, "8", total(t, out, "bytes hashed"))
}

func TestADirectoryThatCannotBeReadIsAnErrorWithoutATable(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"file": "text"})
	for name, why := range map[string]string{"missing": "no such file or directory", "file": "not a directory"} {
		code, out, log := runOnce(t, "-dir", filepath.Join(dir, name))
		require.Equal(t, exitFailure, code)
		require.Empty(t, out)
		require.Contains(t, log, why)
		require.Contains(t, log, name)
	}
}

func TestAnAddressThatIsTakenIsAnErrorBeforeAnythingRuns(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	var out, log buffer

	code := run([]string{"-dir", t.TempDir(), "-listen", taken.Addr().String()}, &out, &log)

	require.Equal(t, exitFailure, code)
	require.Empty(t, out.String())
	require.Contains(t, log.String(), taken.Addr().String())
	require.Contains(t, log.String(), "-listen names another address")
	require.NotContains(t, log.String(), "looking for duplicates")
}

func TestEachPassLooksAgainAndCountsForItself(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"a": "text", "b": "text"})
	var out, log buffer
	watch := fx.New(app(config{dir: dir, every: time.Millisecond, hashers: 2, listen: "127.0.0.1:0"}, &out, &log, make(finished)))
	require.NoError(t, watch.Start(t.Context()))
	passes := func() int { return strings.Count(out.String(), "time taken:") }
	require.Eventually(t, func() bool { return passes() >= 3 }, time.Minute, time.Millisecond)
	before := out.String()
	write(t, dir, map[string]string{"c": "text"})
	seen := passes()
	require.Eventually(t, func() bool { return passes() >= seen+3 }, time.Minute, time.Millisecond)
	metrics := get(t, regexp.MustCompile(`http://\S+`).FindString(log.String()))
	require.NoError(t, watch.Stop(t.Context()))

	for _, table := range strings.SplitAfter(before[:strings.LastIndex(before, "time taken:")], "time taken:") {
		require.Equal(t, "2", total(t, table, "files scanned"))
		require.Equal(t, "4", total(t, table, "bytes wasted"))
	}
	last := out.String()[:strings.LastIndex(out.String(), "time taken:")]
	last = last[strings.LastIndex(last, "WASTED"):]
	require.Equal(t, "3", total(t, last, "files scanned"))
	require.Equal(t, "8", total(t, last, "bytes wasted"))
	for _, want := range []string{
		"\ndupwatch_duplicate_sets 1\n", "\ndupwatch_wasted_bytes 8\n", "\ndupwatch_unreadable_total 0\n",
		"\ndupwatch_files_scanned_total ", "\ndupwatch_bytes_hashed_total ", "\ndupwatch_passes_total ",
		"\n" + `worker_running{worker="dupwatch/report"} 1` + "\n",
		"\n" + `worker_executions_total{status="started",worker="dupwatch/report"} 1` + "\n",
	} {
		require.Contains(t, metrics, want)
	}
}

func TestAPageShowsTheWorkers(t *testing.T) {
	var out, log buffer
	watch := fx.New(app(config{dir: t.TempDir(), every: time.Hour, hashers: 2, listen: "127.0.0.1:0"}, &out, &log, make(finished)))
	require.NoError(t, watch.Start(t.Context()))
	page := get(t, regexp.MustCompile(`http://\S+/workers/`).FindString(log.String()))
	require.NoError(t, watch.Stop(t.Context()))
	for _, worker := range []string{"scan", "hash", "report"} {
		require.Contains(t, page, `id="worker-dupwatch/`+worker+`"`)
	}
}

func TestATableThatCannotBeWrittenIsTheEnd(t *testing.T) {
	var log buffer
	code := run([]string{"-once", "-listen", "", "-dir", t.TempDir()}, brokenPipe{}, &log)
	require.Equal(t, exitFailure, code)
	require.Contains(t, log.String(), errBrokenPipe.Error())
}

// runOnce runs the program with -once, without metrics.
func runOnce(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, log buffer
	code = run(append([]string{"-once", "-listen", ""}, args...), &out, &log)
	return code, out.String(), log.String()
}

// buffer is a bytes.Buffer that may be read while the app writes to it.
type buffer struct {
	mu   sync.Mutex
	text strings.Builder // guarded by mu
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// write writes files, by their name below dir.
func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	}
}

// writeRandomTree writes a few hundred files, many of them with the size or the content of others, and
// some longer than one chunk.
func writeRandomTree(t *testing.T, dir string) {
	t.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	sizes := []int{1, 2, 10, 1000, chunkSize - 1, chunkSize, chunkSize + 1, 3 * chunkSize}
	files := make(map[string]string)
	for i := range 300 {
		content := strings.Repeat("abcd"[random.IntN(4):][:1], sizes[random.IntN(len(sizes))])
		if random.IntN(3) == 0 { // the last byte alone tells it from others
			content = content[1:] + "z"
		}
		files[fmt.Sprintf("%d/%d/file %d", random.IntN(3), random.IntN(3), i)] = content
	}
	write(t, dir, files)
}

// hashEveryFile finds the duplicates below dir in the plainest way, as setsIn returns them.
func hashEveryFile(t *testing.T, dir string) map[string][]string {
	t.Helper()
	sets := make(map[string][]string)
	below := os.DirFS(dir)
	require.NoError(t, fs.WalkDir(below, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(below, path)
		key := fmt.Sprintf("%x", sha256.Sum256(content))[:12]
		sets[key] = append(sets[key], filepath.Join(dir, filepath.FromSlash(path)))
		return err
	}))
	for key, paths := range sets {
		if len(paths) == 1 {
			delete(sets, key)
		}
		slices.Sort(paths)
	}
	return sets
}

// setsIn reads a table: the paths of each set by the hash that is printed beside them.
func setsIn(table string) map[string][]string {
	lines := strings.Split(table, "\n")
	column := strings.Index(lines[0], "PATH")
	sets := make(map[string][]string)
	key := ""
	for _, line := range lines[1:] {
		if line == "" || column < 0 {
			break
		}
		if numbers := strings.Fields(line[:column]); len(numbers) > 0 {
			key = numbers[3]
		}
		sets[key] = append(sets[key], line[column:])
	}
	return sets
}

// total is one of the numbers below the table.
func total(t *testing.T, table, label string) string {
	t.Helper()
	found := regexp.MustCompile(`(?m)^` + label + `: +(\S+)`).FindStringSubmatch(table)
	require.NotNil(t, found, table)
	return found[1]
}

func get(t *testing.T, url string) string {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get(url)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, response.StatusCode)
	return string(body)
}
