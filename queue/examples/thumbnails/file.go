package main

import (
	"fmt"
	"image"
	"image/jpeg"
	"os"
	"path/filepath"
	"time"

	"github.com/workerfx/workerfx/queue"
)

const quality = 85 // of 100

// tempName is the file of one attempt at a job.
func tempName(job queue.JobInfo) string { return tempNameOf(job.ID, job.Attempt) }

func tempNameOf(job int64, attempt int) string {
	return fmt.Sprintf(".thumbnail-%d-%d.tmp", job, attempt)
}

// write writes a thumbnail to path. It writes the file temp in the same directory, waits for the disk, and renames the
// file. So path is complete or missing, also if the process or the machine dies.
func write(path, temp string, img image.Image, modified time.Time) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	temp = filepath.Join(dir, temp)
	err := encode(temp, img)
	if err == nil {
		err = os.Chtimes(temp, modified, modified)
	}
	if err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		_ = os.Remove(temp)
		return err
	}
	syncDir(dir)
	return nil
}

// encode writes an image and waits until the disk has it.
func encode(path string, img image.Image) (err error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644) //nolint:gosec // who sees the directory may see it
	if err != nil {
		return err
	}
	defer func() {
		if closed := file.Close(); err == nil {
			err = closed
		}
	}()
	if err := jpeg.Encode(file, img, &jpeg.Options{Quality: quality}); err != nil {
		return err
	}
	return file.Sync()
}

// syncDir waits until the disk has the new name, on systems that can. Without it, a power cut could lose the thumbnail
// of a job that is done.
func syncDir(dir string) {
	if d, err := os.Open(dir); err == nil {
		_ = d.Sync()
		_ = d.Close()
	}
}

// removeLeftovers removes the files of earlier attempts whose process was killed. A process that only seemed dead may
// still write its file. It cannot rename the file any more, which does no harm.
func removeLeftovers(path string, job queue.JobInfo) {
	for attempt := 1; attempt < job.Attempt; attempt++ {
		_ = os.Remove(filepath.Join(filepath.Dir(path), tempNameOf(job.ID, attempt)))
	}
}
