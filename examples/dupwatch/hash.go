package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"os"
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

// hash hashes one candidate and sends the result on. It obeys the end of the pass and not that of ctx,
// which after a stop lives on for the file to be finished: nobody wants the hash any more then.
func (d *Dupwatch) hash(ctx context.Context, c candidate) error {
	defer d.unhashed.Add(-1)
	sum, err := d.hashFile(c.pass, c.file)
	switch {
	case c.pass.ctx.Err() != nil:
		return nil
	case err != nil:
		_ = d.skip(ctx, c.pass, c.file.path, err) // fails only if the pass ends
	default:
		c.pass.hashedFiles.Add(1)
		_ = d.sendResult(c.pass, result{file: c.file, hash: sum}) // as above
	}
	return nil
}

// hashFile hashes a file, which must be what scan saw from begin to end.
func (d *Dupwatch) hashFile(p *pass, f file) (hash, error) {
	if p.ctx.Err() != nil {
		return hash{}, p.ctx.Err()
	}
	opened, err := d.open(f.path)
	if err != nil {
		return hash{}, err
	}
	defer opened.Close()
	if err := f.checkUnchanged(opened); err != nil {
		return hash{}, err
	}
	buffer := d.buffers.Get().(*[chunkSize]byte)
	defer d.buffers.Put(buffer)
	content := io.LimitReader(opened, f.size+1) // no more, should it grow and grow
	sum, n, err := d.hashContent(p, content, buffer[:])
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

// hashContent reads to the end, n bytes, chunk by chunk. Between chunks it looks whether the pass has ended.
func (d *Dupwatch) hashContent(p *pass, content io.Reader, buffer []byte) (sum hash, n int64, err error) {
	digest := sha256.New()
	for p.ctx.Err() == nil {
		read, err := content.Read(buffer)
		n += int64(read)
		digest.Write(buffer[:read])
		p.hashedBytes.Add(int64(read))
		d.metrics.bytes.Add(float64(read))
		if errors.Is(err, io.EOF) {
			return hash(digest.Sum(nil)), n, nil
		}
		if err != nil {
			return hash{}, n, err
		}
	}
	return hash{}, n, p.ctx.Err()
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
