package main

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestOneProcessEnqueuesAndTwoOthersWork(t *testing.T) {
	onBoth(t, func(t *testing.T, db string) {
		out := t.TempDir()
		workers := []*process{start(t, "work", "-db", db, "-slots", "2"), start(t, "work", "-db", db, "-slots", "2")}
		all := make(map[string]image.Point)
		eventually(t, "both have made some", func() bool { // a fast one leaves the other nothing: there is more to do then
			dir, thumbnails := album(t, 12)
			to := filepath.Join(out, filepath.Base(dir))
			require.Contains(t, output(t, "enqueue", "-db", db, "-dir", dir, "-out", to, "-size", "64"), "12 images: 12 enqueued")
			for name, size := range thumbnails {
				all[filepath.Base(dir)+"/"+name] = size
			}
			return workers[0].made() > 0 && workers[1].made() > 0
		})
		done := map[string]int{"waiting": 0, "running": 0, "done, in the last 24 hours": len(all), "given up": 0}
		eventually(t, "all are made", func() bool {
			_, said, _ := runHere(t, "status", "-db", db)
			return hasLines(said, done)
		})
		for _, worker := range workers {
			require.NoError(t, worker.Process.Signal(os.Interrupt))
			require.NoError(t, worker.Wait(), "a worker that is told to stop ends well")
		}
		require.Equal(t, all, thumbnailsIn(t, out))
	})
}

func TestThumbnailsOfAKilledProcessAreMadeByAnother(t *testing.T) {
	onBoth(t, func(t *testing.T, db string) {
		dir, all := album(t, 40)
		out := filepath.Join(t.TempDir(), "out")
		output(t, "enqueue", "-db", db, "-dir", dir, "-out", out, "-size", "64")
		killed := start(t, "work", "-db", db, "-slots", "2")
		eventually(t, "one is made", func() bool { return killed.made() > 0 })
		require.NoError(t, killed.Process.Kill())
		_ = killed.Wait()

		output(t, "work", "-db", db, "-drain")

		require.Equal(t, all, thumbnailsIn(t, out))
		requireStatus(t, output(t, "status", "-db", db), map[string]int{"waiting": 0, "running": 0, "done, in the last 24 hours": 40})
	})
}

func TestBrokenImagesAreGivenUpWithTheReasonAndMayBeRequeued(t *testing.T) {
	onBoth(t, func(t *testing.T, db string) {
		dir, out := t.TempDir(), t.TempDir()
		half := filepath.Join(dir, "half.png")
		paint(t, half, 100, 100, color.Black)
		data, err := os.ReadFile(half)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(half, data[:len(data)-20], 0o600))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "text.jpg"), []byte("no image"), 0o600))
		paint(t, filepath.Join(dir, "removed.gif"), 100, 100, color.Black)
		paint(t, filepath.Join(dir, "fine.gif"), 100, 100, color.Black)
		args := []string{"-db", db, "-dir", dir, "-out", out, "-size", "50"}
		output(t, append([]string{"enqueue"}, args...)...)
		require.NoError(t, os.Remove(filepath.Join(dir, "removed.gif")))

		work := func() {
			code, _, log := runHere(t, "work", "-db", db, "-drain")
			require.Zero(t, code, log)
		}
		work()
		code, said, log := runHere(t, "status", "-db", db)
		require.Zero(t, code, log)
		requireStatus(t, said, map[string]int{"waiting": 0, "done, in the last 24 hours": 1, "given up": 3})
		require.Regexp(t, `(?m)^\d+ +1 .*half.png is a broken png: `, said)
		require.Regexp(t, `(?m)^\d+ +1 .*text.jpg is no image that can be read: `, said)
		require.Regexp(t, `(?m)^\d+ +1 .*removed.gif: no such file`, said)

		require.NoError(t, os.WriteFile(half, data, 0o600))
		require.Equal(t, "3 requeued\n", output(t, "status", "-db", db, "-requeue"))
		work()
		requireStatus(t, output(t, "status", "-db", db), map[string]int{"done, in the last 24 hours": 2, "given up": 2})
		require.Equal(t, map[string]image.Point{"fine.gif.jpg": {50, 50}, "half.png.jpg": {50, 50}}, thumbnailsIn(t, out))
	})
}

func TestOnlyWhatIsMissingOrOldIsEnqueued(t *testing.T) {
	db := filepath.Join(t.TempDir(), "jobs.db")
	dir, _ := album(t, 4)
	out := filepath.Join(dir, "thumbs") // which is not looked into
	enqueue := func() string {
		code, said, log := runHere(t, "enqueue", "-db", db, "-dir", dir, "-out", out)
		require.Zero(t, code, log)
		return said
	}
	require.Equal(t, "4 images: 4 enqueued, 0 were enqueued before, 0 have their thumbnail\n", enqueue())
	require.Equal(t, "4 images: 0 enqueued, 4 were enqueued before, 0 have their thumbnail\n", enqueue())
	code, _, log := runHere(t, "work", "-db", db, "-drain")
	require.Zero(t, code, log)
	require.Equal(t, "4 images: 0 enqueued, 0 were enqueued before, 4 have their thumbnail\n", enqueue())
	paint(t, filepath.Join(dir, "0", "0.png"), 10, 10, color.White)
	paint(t, filepath.Join(dir, "new.png"), 10, 10, color.White)
	require.Equal(t, "5 images: 2 enqueued, 0 were enqueued before, 3 have their thumbnail\n", enqueue())
}

func TestWorkerServesMetricsAndItsHealth(t *testing.T) {
	worker := start(t, "work", "-db", filepath.Join(t.TempDir(), "jobs.db"), "-listen", "127.0.0.1:0")
	var address string
	eventually(t, "it serves", func() bool {
		found := regexp.MustCompile(`url=(http://\S+)/metrics`).FindStringSubmatch(worker.log.String())
		if found == nil {
			return false
		}
		address = found[1]
		return true
	})
	get := func(path string) string {
		answer, err := http.Get(address + path)
		require.NoError(t, err)
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		return string(text)
	}
	eventually(t, "it is ready", func() bool { return get("/readyz") == "ok\n" })
	require.Equal(t, "ok\n", get("/livez"))
	require.Contains(t, get("/metrics"), `worker_running{worker="queue/thumbnails"} 1`)
	require.Contains(t, get("/workers/"), "queue")
	require.Contains(t, get("/workers/section/queue/"), "<h1>Jobs</h1>")
	http.DefaultClient.CloseIdleConnections()
}

func TestThumbnailAppearsWholeOrNotAtAll(t *testing.T) {
	dir := t.TempDir()
	path, modified := filepath.Join(dir, "a", "b.jpg"), time.Now().Add(-time.Hour)
	tooLarge := image.NewRGBA(image.Rect(0, 0, 1<<16, 1)) // for JPEG
	require.Error(t, write(path, "temp", tooLarge, modified))
	require.Empty(t, thumbnailsIn(t, dir), "nothing is left over")

	require.NoError(t, write(path, "temp", image.NewRGBA(image.Rect(0, 0, 3, 2)), modified))
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.True(t, info.ModTime().Equal(modified.Truncate(time.Nanosecond)))
	require.Error(t, write(path, "temp", tooLarge, modified))
	require.Equal(t, map[string]image.Point{"a/b.jpg": {3, 2}}, thumbnailsIn(t, dir), "the old one stays")
}

func TestShrunkImageFitsAndKeepsItsProportions(t *testing.T) {
	for _, c := range []struct{ full, want image.Point }{
		{image.Pt(1000, 500), image.Pt(100, 50)},
		{image.Pt(500, 1000), image.Pt(50, 100)},
		{image.Pt(101, 100), image.Pt(100, 99)},
		{image.Pt(100, 100), image.Pt(100, 100)},
		{image.Pt(3, 2), image.Pt(3, 2)},
		{image.Pt(10_000, 1), image.Pt(100, 1)},
	} {
		offset := image.Rectangle{Max: c.full}.Add(image.Pt(7, -5))
		require.Equal(t, c.want, shrink(image.NewRGBA(offset), 100).Rect.Size(), "%v", c.full)
	}
}

func TestPixelIsTheAverageOfThoseItStandsFor(t *testing.T) {
	img := image.NewNRGBA(image.Rect(0, 0, 4, 2))
	for x, c := range []color.NRGBA{{R: 10, A: 255}, {R: 20, A: 255}, {}, {A: 255}} {
		img.SetNRGBA(x, 0, c)
		img.SetNRGBA(x, 1, c)
	}
	small := shrink(img, 2)
	require.Equal(t, image.Pt(2, 1), small.Rect.Size())
	require.Equal(t, color.RGBA{R: 15, A: 255}, small.RGBAAt(0, 0))
	require.Equal(t, color.RGBA{R: 128, G: 128, B: 128, A: 255}, small.RGBAAt(1, 0), "what is transparent is white")
}

func TestHugeImageIsRefusedBeforeItTakesMemory(t *testing.T) {
	var data bytes.Buffer
	require.NoError(t, jpeg.Encode(&data, image.NewGray(image.Rect(0, 0, 8, 8)), nil))
	start := bytes.Index(data.Bytes(), []byte{0xff, 0xc0}) // the frame's header: length, precision, height, width
	copy(data.Bytes()[start+5:], []byte{0xff, 0xff, 0xff, 0xff})
	path := filepath.Join(t.TempDir(), "huge.jpg")
	require.NoError(t, os.WriteFile(path, data.Bytes(), 0o600))
	_, _, err := load(path)
	require.ErrorContains(t, err, "huge.jpg has 65535 x 65535 pixels")
}

func TestBadFlagsAreToldWithTheUsage(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, "Usage:"},
		{[]string{"paint"}, "Usage:"},
		{[]string{"work", "now"}, `argument "now": there are only flags`},
		{[]string{"work", "-db", ""}, "flag -db: must not be empty"},
		{[]string{"work", "-slots", "0"}, "flag -slots 0: must be from 1 to 256"},
		{[]string{"work", "-listen", "here"}, "flag -listen: "},
		{[]string{"enqueue", "-size", "0"}, "flag -size 0: must be from 1 to 4096"},
		{[]string{"status", "-dir", "x"}, "flag provided but not defined: -dir"},
	} {
		code, out, log := runHere(t, c.args...)
		require.Equal(t, exitUsage, code)
		require.Empty(t, out)
		require.Contains(t, log, c.want)
	}
	code, _, log := runHere(t, "help")
	require.Zero(t, code)
	require.Contains(t, log, "Usage:")
}

func TestDatabaseThatCannotBeUsedIsAnError(t *testing.T) {
	db := filepath.Join(t.TempDir(), "missing", "jobs.db")
	for _, command := range []string{"enqueue", "work", "status"} {
		args := []string{command, "-db", db}
		if command == "enqueue" {
			args = append(args, "-dir", t.TempDir(), "-out", t.TempDir())
		}
		code, _, log := runHere(t, args...)
		require.Equal(t, exitFailure, code)
		require.Contains(t, log, "thumbnails "+command+": ")
		require.Contains(t, log, "no such file or directory")
	}
}
