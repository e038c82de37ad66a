package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"sync"
	"syscall"
)

// hash is the SHA-256 of a file.
type hash [sha256.Size]byte

// chunkSize is how much of a file is read at a time, and so how much is still read after a stop.
const chunkSize = 128 << 10

var (
	errNotRegular = errors.New("is no longer a regular file")
	errChanged    = errors.New("changed while it was looked at")
	errWrongSize  = errors.New("holds more or less than its size says") // as files of /proc and the like do
)

// opener opens a file for reading.
type opener func(path string) (*os.File, error)

// openFile opens a file without waiting, should it have become a named pipe since it was scanned.
func openFile(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // #nosec G304 -- reading whatever is there is what it is for
}

// hash is the worker that hashes the candidates of each pass, some of them side by side.
func (d *Dupwatch) hash(ctx context.Context) error {
	for {
		p, _, err := receive(ctx, d.toHash)
		if err != nil {
			return err
		}
		var hashers sync.WaitGroup
		for range d.config.hashers {
			hashers.Go(func() { d.hashCandidates(ctx, p) })
		}
		hashers.Wait()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		close(p.results)
	}
}

// hashCandidates hashes one file after the other until there are no more, or until ctx ends.
func (d *Dupwatch) hashCandidates(ctx context.Context, p *pass) {
	h := hasher{Dupwatch: d, pass: p, buffer: make([]byte, chunkSize)}
	for {
		f, more, err := receive(ctx, p.candidates)
		if !more || err != nil {
			return
		}
		if h.handle(ctx, f) != nil {
			return
		}
	}
}

// hasher hashes one file at a time.
type hasher struct {
	*Dupwatch

	pass   *pass
	buffer []byte
}

// handle hashes a file and sends the result on. It fails only if ctx ends.
func (h *hasher) handle(ctx context.Context, f file) error {
	sum, err := h.hashFile(ctx, f)
	if err != nil {
		return h.skip(ctx, h.pass, f.path, err)
	}
	h.pass.hashedFiles.Add(1)
	return send(ctx, h.pass.results, result{file: f, hash: sum})
}

// hashFile hashes a file, which must be what scan saw from begin to end.
func (h *hasher) hashFile(ctx context.Context, f file) (hash, error) {
	opened, err := h.open(f.path)
	if err != nil {
		return hash{}, err
	}
	defer opened.Close()
	if err := f.checkUnchanged(opened); err != nil {
		return hash{}, err
	}
	sum, n, err := h.hashContent(ctx, io.LimitReader(opened, f.size+1)) // no more, should it grow and grow
	if err != nil {
		return hash{}, err
	}
	if err := f.checkUnchanged(opened); err != nil {
		return hash{}, err
	}
	if n != f.size {
		return hash{}, errWrongSize
	}
	return sum, nil
}

// hashContent reads to the end, n bytes, chunk by chunk. Between chunks it heeds ctx.
func (h *hasher) hashContent(ctx context.Context, content io.Reader) (sum hash, n int64, err error) {
	digest := sha256.New()
	for ctx.Err() == nil {
		read, err := content.Read(h.buffer)
		n += int64(read)
		digest.Write(h.buffer[:read])
		h.pass.hashedBytes.Add(int64(read))
		h.metrics.bytes.Add(float64(read))
		if errors.Is(err, io.EOF) {
			return hash(digest.Sum(nil)), n, nil
		}
		if err != nil {
			return hash{}, n, err
		}
	}
	return hash{}, n, ctx.Err()
}

// checkUnchanged refuses a file that is not as scan saw it.
func (f file) checkUnchanged(opened *os.File) error {
	info, err := opened.Stat()
	switch {
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return errNotRegular
	case info.Size() != f.size || !info.ModTime().Equal(f.modified):
		return errChanged
	}
	return nil
}
