package main

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/fx"
)

func TestFilesThatCannotBeReadVanishOrChangeAreNamedAndSkipped(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"good": "text", "fine": "text", "locked": "text", "gone": "text", "longer": "text", "shorter": "text", "directory": "text",
	})
	path := func(name string) string { return filepath.Join(dir, name) }
	// What happens to a file after it was scanned, just before it is opened.
	happens := map[string]func() error{
		path("locked"):  func() error { return &fs.PathError{Op: "open", Path: path("locked"), Err: fs.ErrPermission} },
		path("gone"):    func() error { return os.Remove(path("gone")) },
		path("longer"):  func() error { return os.WriteFile(path("longer"), []byte("longer text"), 0o600) },
		path("shorter"): func() error { return os.Truncate(path("shorter"), 1) },
		path("directory"): func() error {
			return errors.Join(os.Remove(path("directory")), os.Mkdir(path("directory"), 0o700))
		},
	}
	open := func(path string) (*os.File, error) {
		if happen, ok := happens[path]; ok {
			if err := happen(); err != nil {
				return nil, err
			}
		}
		return openFile(path)
	}

	code, out, log := runOnceWith(t, dir, open)

	require.Zero(t, code, log)
	require.Equal(t, map[string][]string{"982d9e3eb996": {path("fine"), path("good")}}, setsIn(out))
	require.Equal(t, "5", total(t, out, "unreadable"))
	require.Equal(t, "2", total(t, out, "files hashed"))
	require.Contains(t, out, strings.Join([]string{
		"UNREADABLE",
		path("directory") + ": is no longer a regular file",
		path("gone") + ": no such file or directory",
		path("locked") + ": permission denied",
		path("longer") + ": changed while it was looked at",
		path("shorter") + ": changed while it was looked at",
	}, "\n"))
	require.Equal(t, 5, strings.Count(log, "skipped error="), log)
}

func TestAFileThatChangesWhileItIsHashedIsSkipped(t *testing.T) {
	path := filepath.Join(t.TempDir(), "long")
	require.NoError(t, os.WriteFile(path, make([]byte, 2*chunkSize), 0o600))
	f := scanned(t, path)
	var p *pass
	p = newPass(askedContext{t.Context(), func() { // between chunks
		if p.hashedBytes.Load() == chunkSize {
			require.NoError(t, os.Chtimes(path, time.Time{}, f.modified.Add(time.Second)))
		}
	}}, 1)

	_, err := newTestDupwatch("", io.Discard).hashFile(p, f)

	require.ErrorIs(t, err, errChanged)
	require.EqualValues(t, 2*chunkSize, p.hashedBytes.Load())
}

// askedContext does something whenever it is asked whether it has ended.
type askedContext struct {
	context.Context
	do func()
}

func (c askedContext) Err() error {
	c.do()
	return c.Context.Err()
}

func TestFileWithAWrongSizeIsSkipped(t *testing.T) {
	const path = "/proc/version"
	if _, err := os.Stat(path); err != nil {
		t.Skip(err)
	}
	_, err := newTestDupwatch("", io.Discard).hashFile(newPass(t.Context(), 1), scanned(t, path))
	require.ErrorIs(t, err, errWrongSize)
}

func TestADirectoryWithoutPermissionIsNamedAndSkipped(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may read everything")
	}
	dir := t.TempDir()
	write(t, dir, map[string]string{"a": "text", "b": "text", "locked/c": "text"})
	locked := filepath.Join(dir, "locked")
	require.NoError(t, os.Chmod(locked, 0))
	defer os.Chmod(locked, 0o700) // #nosec G302 -- a directory needs the x

	code, out, log := runOnce(t, "-dir", dir)

	require.Zero(t, code, log)
	require.Len(t, setsIn(out), 1)
	require.Contains(t, out, locked+": permission denied\n")
}

func TestOnlyTheRootAndOnlyInTheFirstPassIsFatal(t *testing.T) {
	d := newTestDupwatch(t.TempDir(), io.Discard)
	for number, tt := range map[int]struct{ atRoot, below bool }{1: {true, false}, 2: {false, false}} {
		w := d.newWalk(newPass(t.Context(), number))
		root := w.visit(w.root, nil, fs.ErrPermission)
		below := w.visit(filepath.Join(w.root, "below"), nil, fs.ErrPermission)
		require.Equal(t, tt.atRoot, root != nil, "pass %d", number)
		require.Equal(t, tt.below, below != nil, "pass %d", number)
	}
}

func TestAStopEndsAFileBetweenTwoChunks(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	content := readFunc(func(p []byte) (int, error) {
		cancel()
		return len(p), nil
	})

	_, n, err := newTestDupwatch("", io.Discard).hashContent(newPass(ctx, 1), content, make([]byte, 4))

	require.ErrorIs(t, err, context.Canceled)
	require.EqualValues(t, 4, n)
}

type readFunc func([]byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }

// newTestDupwatch makes a group that no app runs.
func newTestDupwatch(dir string, to io.Writer) *Dupwatch {
	c := config{dir: dir, every: time.Minute, hashers: 3, minSize: 1}
	return NewDupwatch(c, openFile, table{to}, newMetrics(prometheus.NewRegistry()), make(finished))
}

// runOnceWith runs one pass of the app with another way to open files.
func runOnceWith(t *testing.T, dir string, open opener) (code int, stdout, stderr string) {
	t.Helper()
	var out, log buffer
	done := make(finished)
	c := config{dir: dir, once: true, every: 1, hashers: 3, minSize: 1}
	code, err := runApp(fx.New(app(c, &out, &log, done), fx.Replace(open)), done)
	require.NoError(t, err)
	return code, out.String(), log.String()
}

// scanned returns a file as the scan sees it.
func scanned(t *testing.T, path string) file {
	t.Helper()
	info, err := os.Stat(path)
	require.NoError(t, err)
	return file{path: path, size: info.Size(), modified: info.ModTime()}
}
