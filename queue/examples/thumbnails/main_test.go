package main

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx/queue/internal/pgtest"
)

// programEnv makes the test binary run the program instead of the tests.
const programEnv = "THUMBNAILS_TEST_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(programEnv) != "" {
		main()
		return
	}
	pgtest.Main(m)
}

// onBoth runs a test with the -db of an empty database of each kind.
func onBoth(t *testing.T, test func(t *testing.T, db string)) {
	t.Run("SQLite", func(t *testing.T) { test(t, filepath.Join(t.TempDir(), "jobs.db")) })
	t.Run("PostgreSQL", func(t *testing.T) { test(t, pgtest.NewDatabase(t)) })
}

// waitLimit bounds every wait of a test.
const waitLimit = time.Minute

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(waitLimit); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v in vain: %s", waitLimit, what)
		}
	}
}

// process is the program in another process.
type process struct {
	*exec.Cmd

	out, log buffer
}

func start(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{Cmd: exec.Command(os.Args[0], args...)}
	p.Env = append(os.Environ(), programEnv+"=1", "GORACE=atexit_sleep_ms=0") // by default each waits a second
	p.Stdout, p.Stderr = &p.out, &p.log
	require.NoError(t, p.Start())
	t.Cleanup(func() {
		_ = p.Process.Kill()
		_ = p.Wait()
		if t.Failed() {
			t.Logf("%v:\n%s%s", args, &p.out, &p.log)
		}
	})
	return p
}

// made counts the thumbnails in the log of a worker.
func (p *process) made() int { return strings.Count(p.log.String(), "thumbnail made") }

// output runs the program to its end in a process of its own, and returns its output.
func output(t *testing.T, args ...string) string {
	t.Helper()
	p := start(t, args...)
	require.NoError(t, p.Wait(), p.log.String())
	return p.out.String()
}

// runHere runs the program in this process.
func runHere(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, log buffer
	ctx, cancel := context.WithTimeout(t.Context(), waitLimit)
	defer cancel()
	code = run(ctx, args, &out, &log)
	return code, out.String(), log.String()
}

// requireStatus checks the numbers in the output of status.
func requireStatus(t *testing.T, text string, want map[string]int) {
	t.Helper()
	require.True(t, hasLines(text, want), "want %v in\n%s", want, text)
}

func hasLines(text string, want map[string]int) bool {
	for what, n := range want {
		if !regexp.MustCompile(fmt.Sprintf(`(?m)^%s +%d$`, regexp.QuoteMeta(what), n)).MatchString(text) {
			return false
		}
	}
	return true
}

// buffer is a bytes.Buffer for many goroutines.
type buffer struct {
	mu   sync.Mutex // guards text
	text bytes.Buffer
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

// encoders write images, by file name extension.
var encoders = map[string]func(io.Writer, image.Image) error{
	".png":  png.Encode,
	".jpg":  func(w io.Writer, img image.Image) error { return jpeg.Encode(w, img, nil) },
	".gif":  func(w io.Writer, img image.Image) error { return gif.Encode(w, img, nil) },
	".JPEG": func(w io.Writer, img image.Image) error { return jpeg.Encode(w, img, nil) },
}

// paint writes an image of one color into a file.
func paint(t *testing.T, path string, width, height int, c color.Color) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	img := image.NewPaletted(image.Rect(0, 0, width, height), color.Palette{c})
	var data bytes.Buffer
	require.NoError(t, encoders[filepath.Ext(path)](&data, img))
	require.NoError(t, os.WriteFile(path, data.Bytes(), 0o600))
}

// album paints n images, and returns their directory and the names of their thumbnails with their sizes.
func album(t *testing.T, n int) (dir string, thumbnails map[string]image.Point) {
	t.Helper()
	dir, thumbnails = t.TempDir(), make(map[string]image.Point)
	extensions := []string{".png", ".jpg", ".gif", ".JPEG"}
	for i := range n {
		name := fmt.Sprintf("%d/%d%s", i%3, i, extensions[i%len(extensions)])
		paint(t, filepath.Join(dir, name), 200, 100, color.RGBA{R: uint8(i), G: 0x80, B: 0xff, A: 0xff})
		thumbnails[name+".jpg"] = image.Pt(64, 32)
	}
	return dir, thumbnails
}

// thumbnailsIn decodes all files of a directory, which must be nothing but thumbnails.
func thumbnailsIn(t *testing.T, dir string) map[string]image.Point {
	t.Helper()
	found := make(map[string]image.Point)
	require.NoError(t, filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		file, err := os.Open(path)
		require.NoError(t, err)
		defer file.Close()
		img, err := jpeg.Decode(file)
		require.NoError(t, err, path)
		name, err := filepath.Rel(dir, path)
		found[filepath.ToSlash(name)] = img.Bounds().Size()
		return err
	}))
	return found
}
