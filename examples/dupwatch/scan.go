package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/workerfx/workerfx"
)

// scan is the worker that begins a pass, walks the directory, waits until the pass is reported, and
// begins the next.
func (d *Dupwatch) scan(ctx context.Context) error {
	for number := 1; ctx.Err() == nil; number++ {
		if err := d.scanOnce(ctx, newPass(number)); err != nil {
			return err
		}
		if d.config.once {
			<-ctx.Done()
		}
		workerfx.Wait(ctx, d.config.every)
	}
	return ctx.Err()
}

func (d *Dupwatch) scanOnce(ctx context.Context, p *pass) error {
	if err := errors.Join(send(ctx, d.toHash, p), send(ctx, d.toReport, p)); err != nil {
		return err
	}
	if err := d.newWalk(p).run(ctx); err != nil {
		return err
	}
	close(p.candidates)
	_, _, err := receive(ctx, p.reported)
	return err
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

func (w *walk) run(ctx context.Context) error {
	err := filepath.WalkDir(w.root, func(path string, entry fs.DirEntry, err error) error {
		return w.visit(ctx, path, entry, err)
	})
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("directory %q: %w", w.config.dir, withoutPath(err))
	}
	return err
}

// visit looks at one entry of the directory, or at the error that took its place. Only in the first
// pass is it fatal that the root itself cannot be read: later on it may come back.
func (w *walk) visit(ctx context.Context, path string, entry fs.DirEntry, err error) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil && path == w.root && w.pass.number == 1:
		return err
	case err != nil:
		return w.skip(ctx, w.pass, path, err)
	case !entry.Type().IsRegular():
		return nil
	}
	w.pass.files.Add(1)
	w.metrics.files.Inc()
	info, err := entry.Info()
	if err != nil { // it is gone, as a rule
		return w.skip(ctx, w.pass, path, err)
	}
	if info.Size() < w.config.minSize {
		return nil
	}
	return w.add(ctx, file{path: path, size: info.Size(), modified: info.ModTime()})
}

// add sends f to be hashed if it shares its size with another, which is sent too unless it was before.
func (w *walk) add(ctx context.Context, f file) error {
	first, known := w.first[f.size]
	if !known {
		w.first[f.size] = f
		return nil
	}
	if first.path != "" {
		w.first[f.size] = file{}
		if err := w.sendCandidate(ctx, first); err != nil {
			return err
		}
	}
	return w.sendCandidate(ctx, f)
}

func (w *walk) sendCandidate(ctx context.Context, f file) error {
	w.pass.candidateFiles.Add(1)
	return send(ctx, w.pass.candidates, f)
}

// withoutPath shortens the error of a file operation to its reason, for where the path is named anyway.
func withoutPath(err error) error {
	if pathError, ok := errors.AsType[*fs.PathError](err); ok {
		return pathError.Err
	}
	return err
}
