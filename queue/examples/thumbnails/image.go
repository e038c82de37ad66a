package main

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	_ "image/gif"  // the formats that
	_ "image/jpeg" // image.Decode
	_ "image/png"  // knows
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/workerfx/workerfx/queue"
)

// Limits of images. Larger images would need too much memory.
const (
	maxBytes  = 64 << 20
	maxPixels = 50_000_000
)

// load reads an image, and returns when it was modified. An error in the file's content gives the job up, as another
// attempt would not help. An error of reading the file may go away.
func load(path string) (image.Image, time.Time, error) {
	data, modified, err := read(path)
	if err != nil {
		return nil, time.Time{}, err
	}
	c, format, err := image.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return nil, time.Time{}, queue.Discard(fmt.Errorf("%s is no image that can be read: %w", path, err))
	}
	if int64(c.Width)*int64(c.Height) > maxPixels {
		return nil, time.Time{}, queue.Discard(fmt.Errorf("%s has %d x %d pixels, %d are too many", path, c.Width, c.Height, maxPixels))
	}
	img, _, err := image.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, time.Time{}, queue.Discard(fmt.Errorf("%s is a broken %s: %w", path, format, err))
	}
	if img.Bounds().Empty() {
		return nil, time.Time{}, queue.Discard(fmt.Errorf("%s is an empty %s", path, format))
	}
	return img, modified, nil
}

// read reads a regular file that is not too large. It would wait for ever for a named pipe.
func read(path string) ([]byte, time.Time, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, time.Time{}, queue.Discard(err) // it was removed since it was enqueued
	case err != nil:
		return nil, time.Time{}, err
	case !info.Mode().IsRegular():
		return nil, time.Time{}, queue.Discard(fmt.Errorf("%s is not a regular file", path))
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, time.Time{}, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxBytes+1))
	if err == nil && len(data) > maxBytes {
		err = queue.Discard(fmt.Errorf("%s has more than %d bytes", path, maxBytes))
	}
	return data, info.ModTime(), err
}

// shrink returns the image with the same proportions and no side longer than size. Each pixel is the average of the
// pixels that it replaces. Transparent parts become white. A small image keeps its size.
func shrink(img image.Image, size int) *image.RGBA {
	full := image.NewRGBA(image.Rect(0, 0, img.Bounds().Dx(), img.Bounds().Dy()))
	draw.Draw(full, full.Rect, image.White, image.Point{}, draw.Src)
	draw.Draw(full, full.Rect, img, img.Bounds().Min, draw.Over)
	small := image.NewRGBA(image.Rectangle{Max: fit(full.Rect.Size(), size)})
	for y := range small.Rect.Max.Y {
		for x := range small.Rect.Max.X {
			box := image.Rectangle{
				Min: scale(image.Pt(x, y), small.Rect.Size(), full.Rect.Size()),
				Max: scale(image.Pt(x+1, y+1), small.Rect.Size(), full.Rect.Size()),
			}
			small.SetRGBA(x, y, average(full, box))
		}
	}
	return small
}

// fit returns the size of a thumbnail.
func fit(full image.Point, size int) image.Point {
	longer := max(full.X, full.Y)
	if longer <= size {
		return full
	}
	return image.Pt(max(full.X*size/longer, 1), max(full.Y*size/longer, 1))
}

// scale returns the place of a point of a rectangle in a larger rectangle.
func scale(p, from, to image.Point) image.Point {
	return image.Pt(p.X*to.X/from.X, p.Y*to.Y/from.Y)
}

// average returns the mean color of a part of an opaque image.
func average(img *image.RGBA, part image.Rectangle) color.RGBA {
	var r, g, b, n uint64
	for y := part.Min.Y; y < part.Max.Y; y++ {
		row := img.Pix[img.PixOffset(part.Min.X, y):img.PixOffset(part.Max.X, y)]
		for i := 0; i < len(row); i += 4 {
			r, g, b, n = r+uint64(row[i]), g+uint64(row[i+1]), b+uint64(row[i+2]), n+1
		}
	}
	mean := func(sum uint64) uint8 { return uint8((sum + n/2) / n) } //nolint:gosec // a mean of bytes is one
	return color.RGBA{R: mean(r), G: mean(g), B: mean(b), A: 0xff}
}
