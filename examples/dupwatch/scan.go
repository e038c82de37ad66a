package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/workerfx/workerfx"
)

// scan makes one pass: it walks the directory, and waits until the pass is reported. So passes do not
// overlap, and the schedule's ticks that come during one are left out.
func (d *Dupwatch) scan(ctx context.Context) error {
	select {
	case <-d.done: // the pass of -once was the only one, even if a tick comes before the program's end
		return workerfx.ErrSkip
	default:
	}
	d.passes++
	p := newPass(ctx, d.passes)
	defer p.claimReport() // no table after scan's end, not even after a panic
	log := workerfx.CtxLogger(ctx)
	log.Info().Str("dir", d.config.dir).Int("pass", p.number).Msg("looking for duplicates")
	err := d.scanPass(p)
	if ctx.Err() == nil {
		return err
	}
	if p.claimReport() {
		p.logProgress(log.Warn(), "interrupted, the pass is not complete")
	}
	return ctx.Err()
}

func (d *Dupwatch) scanPass(p *pass) error {
	// A child ends with the run that began it, which here means with the pass.
	if err := workerfx.AddChild(p.ctx, p.progress()); err != nil {
		return err
	}
	if err := d.newWalk(p).run(); err != nil {
		return err
	}
	if err := d.sendResult(p, result{total: p.sent + 1}); err != nil {
		return err
	}
	select {
	case <-p.reported:
		return nil
	case <-p.ctx.Done():
		return p.ctx.Err()
	}
}

// walk is a pass's way through the directory. It sends a file to be hashed as soon as there is another
// one of its size: files of different sizes cannot be duplicates.
type walk struct {
	*Dupwatch

	pass  *pass
	root  string
	first map[int64]file // the first file of each size; the zero file once it was sent
}

func (d *Dupwatch) newWalk(p *pass) *walk {
	// The separator at the end lets the walk follow a root that is a symbolic link.
	root := filepath.Clean(d.config.dir) + string(filepath.Separator)
	return &walk{Dupwatch: d, pass: p, root: root, first: make(map[int64]file)}
}

// run walks the directory. Without one there is nothing to do, at the schedule's next tick either.
func (w *walk) run() error {
	err := filepath.WalkDir(w.root, w.visit)
	if err != nil && w.pass.ctx.Err() == nil {
		return fmt.Errorf("directory %q: %w (%w)", w.config.dir, withoutPath(err), workerfx.ErrDoNotRestart)
	}
	return err
}

// visit looks at one entry of the directory, or at the error that took its place. Only in the first
// pass is it fatal that the root itself cannot be read: later on it may come back.
func (w *walk) visit(path string, entry fs.DirEntry, err error) error {
	switch {
	case w.pass.ctx.Err() != nil:
		return w.pass.ctx.Err()
	case err != nil && path == w.root && w.pass.number == 1:
		return err
	case err != nil:
		return w.skip(path, err)
	case !entry.Type().IsRegular():
		return nil
	}
	w.pass.files.Add(1)
	w.metrics.files.Inc()
	info, err := entry.Info()
	if err != nil { // it is gone, as a rule
		return w.skip(path, err)
	}
	if info.Size() < w.config.minSize {
		return nil
	}
	return w.add(file{path: path, size: info.Size(), modified: info.ModTime()})
}

// add sends f to be hashed if it shares its size with another, which is sent too unless it was before.
func (w *walk) add(f file) error {
	first, known := w.first[f.size]
	if !known {
		w.first[f.size] = f
		return nil
	}
	if first.path != "" {
		w.first[f.size] = file{}
		if err := w.sendCandidate(first); err != nil {
			return err
		}
	}
	return w.sendCandidate(f)
}

func (w *walk) sendCandidate(f file) error {
	w.pass.sent++
	w.pass.candidateFiles.Add(1)
	w.unhashed.Add(1)
	err := send(w.pass.ctx, w.candidates, candidate{pass: w.pass, file: f})
	if err != nil {
		w.unhashed.Add(-1)
	}
	return err
}

func (w *walk) skip(path string, err error) error {
	w.pass.sent++
	return w.Dupwatch.skip(w.pass.ctx, w.pass, path, err)
}

// withoutPath shortens the error of a file operation to its reason, for where the path is named anyway.
func withoutPath(err error) error {
	if pathError, ok := errors.AsType[*fs.PathError](err); ok {
		return pathError.Err
	}
	return err
}
