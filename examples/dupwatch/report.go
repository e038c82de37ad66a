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

// report is the worker that follows each pass, and writes the table at its end.
func (d *Dupwatch) report(ctx context.Context) error {
	for {
		p, _, err := receive(ctx, d.toReport)
		if err != nil {
			return err
		}
		s, err := d.follow(ctx, p)
		if err != nil {
			return err
		}
		if err := d.table.write(s); err != nil {
			return err
		}
		d.metrics.passed(s)
		close(p.reported)
		if d.config.once {
			close(d.done)
		}
	}
}

// follow collects a pass's results until they are complete, and logs now and then how far it is.
func (d *Dupwatch) follow(ctx context.Context, p *pass) (*summary, error) {
	log := workerfx.CtxLogger(ctx)
	log.Info().Str("dir", d.config.dir).Int("pass", p.number).Msg("looking for duplicates")
	ticker := time.NewTicker(progressEvery)
	defer ticker.Stop()
	found := make(findings)
	var skipped []skippedFile
	for {
		select {
		case <-ctx.Done():
			p.logProgress(log.Warn(), "interrupted, the pass is not complete")
			return nil, ctx.Err()
		case <-ticker.C:
			p.logProgress(log.Info(), "working")
		case r, more := <-p.results:
			switch {
			case !more:
				return newSummary(p, found, skipped), nil
			case r.err != nil:
				skipped = append(skipped, skippedFile{path: r.file.path, why: r.err.Error()})
			default:
				found.add(r)
			}
		}
	}
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

func newSummary(p *pass, found findings, skipped []skippedFile) *summary {
	slices.SortFunc(skipped, func(a, b skippedFile) int { return cmp.Compare(a.path, b.path) })
	return &summary{
		sets:        found.sets(),
		skipped:     skipped,
		files:       p.files.Load(),
		hashedFiles: p.hashedFiles.Load(),
		hashedBytes: p.hashedBytes.Load(),
		took:        time.Since(p.started),
	}
}

// wasted is the sum over all sets.
func (s *summary) wasted() (sum int64) {
	for _, d := range s.sets {
		sum += d.wasted()
	}
	return sum
}
