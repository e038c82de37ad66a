package main

import (
	"context"
	"errors"
	"image"
	"image/color"
	_ "image/gif" // formats to read
	_ "image/jpeg"
	"image/png"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/riverqueue/river"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/queue"
)

// thumbnail is a job: a picture of which there is to be a small copy.
type thumbnail struct {
	Path string `json:"path"`
}

// Kind names the job's type.
func (thumbnail) Kind() string { return "thumbnail" }

// InsertOpts are the defaults of such jobs.
func (thumbnail) InsertOpts() river.InsertOpts { return river.InsertOpts{MaxAttempts: 3} }

var pictures = []string{".png", ".jpg", ".jpeg", ".gif"}

// enqueueAll adds a job for each picture below a directory, and returns how many are new.
func enqueueAll(ctx context.Context, client *queue.Client, directory string) (added int, err error) {
	var jobs []queue.Entry
	err = filepath.WalkDir(directory, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() && slices.Contains(pictures, strings.ToLower(filepath.Ext(path))) {
			if path, err = filepath.Abs(path); err == nil {
				jobs = append(jobs, queue.NewEntry(thumbnail{Path: path}, queue.Unique()))
			}
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	results, err := client.EnqueueBatch(ctx, jobs...)
	for _, r := range results {
		if !r.Duplicate {
			added++
		}
	}
	return added, err
}

// thumbnailer does the jobs.
type thumbnailer struct {
	out  string
	size int
}

func newThumbnailer(f flags) (*thumbnailer, error) {
	return &thumbnailer{out: f.out, size: f.size}, os.MkdirAll(f.out, 0o750)
}

// Handle makes one thumbnail. It may be called twice for a picture, and then makes the same file again.
func (t *thumbnailer) Handle(ctx context.Context, job *queue.Job[thumbnail]) error {
	file, err := os.Open(job.Args.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return queue.Discard(err) // it will not come back
	}
	if err != nil {
		return err
	}
	defer file.Close()
	picture, _, err := image.Decode(file)
	if err != nil {
		return err
	}
	target := filepath.Join(t.out, strings.TrimSuffix(filepath.Base(job.Args.Path), filepath.Ext(job.Args.Path))+".png")
	if err := write(target, shrink(picture, t.size)); err != nil {
		return err
	}
	workerfx.CtxLogger(ctx).Info().Str("thumbnail", target).Msg("made")
	return nil
}

// write makes a file that is whole as soon as it is there.
func write(path string, picture image.Image) error {
	file, err := os.CreateTemp(filepath.Dir(path), ".thumbnail-")
	if err != nil {
		return err
	}
	err = errors.Join(png.Encode(file, picture), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}

// shrink returns a copy that fits into a square, each of its pixels the mean of those it stands for.
func shrink(picture image.Image, size int) image.Image {
	from := picture.Bounds()
	longest := max(from.Dx(), from.Dy(), 1)
	size = min(size, longest)
	small := image.NewRGBA(image.Rect(0, 0, max(from.Dx()*size/longest, 1), max(from.Dy()*size/longest, 1)))
	to := small.Bounds()
	for y := range to.Dy() {
		for x := range to.Dx() {
			small.Set(x, y, mean(picture, image.Rect(
				from.Min.X+x*from.Dx()/to.Dx(), from.Min.Y+y*from.Dy()/to.Dy(),
				from.Min.X+(x+1)*from.Dx()/to.Dx(), from.Min.Y+(y+1)*from.Dy()/to.Dy())))
		}
	}
	return small
}

func mean(picture image.Image, area image.Rectangle) color.Color {
	var r, g, b, a, n uint64
	for y := area.Min.Y; y < area.Max.Y; y++ {
		for x := area.Min.X; x < area.Max.X; x++ {
			pr, pg, pb, pa := picture.At(x, y).RGBA()
			r, g, b, a, n = r+uint64(pr), g+uint64(pg), b+uint64(pb), a+uint64(pa), n+1
		}
	}
	n = max(n, 1)
	return color.RGBA64{R: uint16(r / n), G: uint16(g / n), B: uint16(b / n), A: uint16(a / n)} //nolint:gosec // means of 16 bits
}
