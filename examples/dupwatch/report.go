package main

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"github.com/workerfx/workerfx"
)

// progressEvery is the time between two lines on how far a pass is.
const progressEvery = time.Second

// report takes a batch of results, and writes the table of a pass that they make complete. It fails only
// if the table cannot be written.
func (d *Dupwatch) report(_ context.Context, batch []result) error {
	for _, r := range batch {
		if !r.pass.add(r) || !r.pass.claimReport() {
			continue
		}
		s := newSummary(r.pass)
		if err := d.table.write(s); err != nil {
			return err
		}
		d.metrics.passed(s)
		if d.config.once {
			close(d.done) // first, for scan to know that there is no other pass
		}
		close(r.pass.reported)
	}
	return nil
}

// add takes in one of the pass's results, and tells whether it has all of them now.
func (p *pass) add(r result) (complete bool) {
	p.received++
	switch {
	case r.total > 0:
		p.total = r.total
	case r.err != nil:
		p.unread = append(p.unread, skippedFile{path: r.file.path, why: r.err.Error()})
	default:
		p.found.add(r)
	}
	return p.received == p.total
}

// progress returns the worker that logs now and then how far the pass is.
func (p *pass) progress() workerfx.Worker {
	return workerfx.NewWorker("progress", func(ctx context.Context) error {
		p.logProgress(workerfx.CtxLogger(ctx).Info(), "working")
		return nil
	}, workerfx.WithInterval(progressEvery))
}

func (p *pass) logProgress(line *zerolog.Event, message string) {
	line.Int("pass", p.number).
		Int64("files", p.files.Load()).
		Int64("candidates", p.candidateFiles.Load()).
		Int64("hashed", p.hashedFiles.Load()).
		Str("read", humanBytes(p.hashedBytes.Load())).
		Int64("skipped", p.skipped.Load()).
		Msg(message)
}

// findings are the files of a pass by their hash.
type findings map[hash]*duplicates

// duplicates are files with the same content; or one file, if nothing else turned up.
type duplicates struct {
	hash  hash
	size  int64 // of each
	paths []string
}

// wasted is what there would be to gain if there were only one of the files.
func (d *duplicates) wasted() int64 { return d.size * int64(len(d.paths)-1) }

func (f findings) add(r result) {
	if f[r.hash] == nil {
		f[r.hash] = &duplicates{hash: r.hash, size: r.file.size}
	}
	f[r.hash].paths = append(f[r.hash].paths, r.file.path)
}

// sets returns the files that do have duplicates, with the greatest waste first.
func (f findings) sets() []*duplicates {
	var sets []*duplicates
	for _, d := range f {
		if len(d.paths) > 1 {
			slices.Sort(d.paths)
			sets = append(sets, d)
		}
	}
	slices.SortFunc(sets, func(a, b *duplicates) int {
		return cmp.Or(cmp.Compare(b.wasted(), a.wasted()), cmp.Compare(b.size, a.size), cmp.Compare(a.paths[0], b.paths[0]))
	})
	return sets
}

// summary is what a complete pass has to say.
type summary struct {
	sets                            []*duplicates
	skipped                         []skippedFile
	files, hashedFiles, hashedBytes int64
	took                            time.Duration
}

// skippedFile is a file or directory that could not be looked at.
type skippedFile struct{ path, why string }

func newSummary(p *pass) *summary {
	slices.SortFunc(p.unread, func(a, b skippedFile) int { return cmp.Compare(a.path, b.path) })
	return &summary{
		sets:        p.found.sets(),
		skipped:     p.unread,
		files:       p.files.Load(),
		hashedFiles: p.hashedFiles.Load(),
		hashedBytes: p.hashedBytes.Load(),
		took:        time.Duration(p.took.Load()),
	}
}

// wasted is the sum over all sets.
func (s *summary) wasted() (sum int64) {
	for _, d := range s.sets {
		sum += d.wasted()
	}
	return sum
}
