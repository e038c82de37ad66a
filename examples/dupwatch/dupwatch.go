package main

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/workerfx/workerfx"
)

// Dupwatch is a group of three workers that look for duplicate files, pass after pass:
//
//	        candidates                results
//	scan ────────────────► hash ─────────────────► report ───► table
//	   │                                              ▲
//	   └──────────────────────────────────────────────┘
//	              what could not be looked at
//
// Of each file that report was given it holds the path and about 150 bytes, of one file of each size the
// path and about 80 bytes, and nothing else that grows with the directory: the channels are short, so
// that scan waits for hash and hash for report.
type Dupwatch struct {
	config  config
	open    opener
	table   table
	metrics *metrics
	done    finished

	toHash, toReport chan *pass // from scan
}

// finished is closed once the pass of -once is reported.
type finished chan struct{}

// NewDupwatch makes the group.
func NewDupwatch(c config, open opener, t table, m *metrics, done finished) *Dupwatch {
	return &Dupwatch{
		config: c, open: open, table: t, metrics: m, done: done,
		toHash: make(chan *pass), toReport: make(chan *pass),
	}
}

// Name names the group.
func (*Dupwatch) Name() string { return "dupwatch" }

// Workers returns the three workers.
func (d *Dupwatch) Workers() []workerfx.Worker {
	return []workerfx.Worker{
		workerfx.NewWorker("scan", d.scan),
		workerfx.NewWorker("hash", d.hash),
		workerfx.NewWorker("report", d.report),
	}
}

// pass is one look at the whole directory. It begins with nothing but its number, so that no pass
// counts what another has counted.
//
// Whoever closes one of its channels says that the work behind it is complete. A worker that is stopped
// half-way leaves its channel open: nobody takes half a list for a whole one.
type pass struct {
	number  int // 1 is the first
	started time.Time

	candidates chan file     // scan to hash; closed by scan
	results    chan result   // scan and hash to report; closed by hash, when scan is through too
	reported   chan struct{} // closed by report

	// How far the pass is.
	files, candidateFiles, hashedFiles, hashedBytes, skipped atomic.Int64
}

func newPass(number int) *pass {
	const short = 64
	return &pass{
		number:     number,
		started:    time.Now(),
		candidates: make(chan file, short),
		results:    make(chan result, short),
		reported:   make(chan struct{}),
	}
}

// file is a regular file as scan saw it.
type file struct {
	path     string
	size     int64
	modified time.Time
}

// result is a file with its hash, or, if err is not nil, something that was skipped.
type result struct {
	file file
	hash hash
	err  error
}

// skip reports something that could not be looked at: in the log, the metrics and the pass's results.
// It fails only if ctx ends.
func (d *Dupwatch) skip(ctx context.Context, p *pass, path string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	err = withoutPath(err)
	workerfx.CtxLogger(ctx).Warn().Str("path", path).Err(err).Msg("skipped")
	p.skipped.Add(1)
	d.metrics.unreadable.Inc()
	return send(ctx, p.results, result{file: file{path: path}, err: err})
}

// send hands v over, unless ctx ends first.
func send[T any](ctx context.Context, ch chan<- T, v T) error {
	select {
	case ch <- v:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// receive waits for a value. more is false once ch is closed.
func receive[T any](ctx context.Context, ch <-chan T) (v T, more bool, err error) {
	select {
	case v, more = <-ch:
		return v, more, nil
	case <-ctx.Done():
		return v, false, ctx.Err()
	}
}
