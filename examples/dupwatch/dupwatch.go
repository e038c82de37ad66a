package main

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/workerfx/workerfx"
)

// Dupwatch is a group of workers that look for duplicate files, pass after pass:
//
//	        candidates                results
//	scan ────────────────► hash ─────────────────► report ───► table
//	   │                    ▲                         ▲
//	   │                autoscaler                    │
//	   └──────────────────────────────────────────────┘
//	       what could not be looked at, and the end
//
// Scan runs on a schedule, and one of its runs is one pass. Hash takes one file after the other from its
// channel; the autoscaler sees to it that as many replicas as there are files do, up to a limit. Report
// takes results in batches.
//
// Of each file that report was given a pass holds the path and about 150 bytes, of one file of each size
// the path and about 80 bytes, and nothing else that grows with the directory: the channels are short, so
// that scan waits for hash and hash for report.
type Dupwatch struct {
	config  config
	open    opener
	table   table
	metrics *metrics
	done    finished
	buffers sync.Pool // of *[chunkSize]byte, for hash

	passes     int            // begun so far; scan's alone
	candidates chan candidate // scan to hash; never closed
	results    chan result    // scan and hash to report; never closed
	unhashed   atomic.Int64   // candidates that hash is not through with
}

// finished is closed once the pass of -once is reported.
type finished chan struct{}

const (
	shortChannel = 64
	batchSize    = 256
	batchDelay   = 200 * time.Millisecond
)

// NewDupwatch makes the group.
func NewDupwatch(c config, open opener, t table, m *metrics, done finished) *Dupwatch {
	return &Dupwatch{
		config: c, open: open, table: t, metrics: m, done: done,
		buffers:    sync.Pool{New: func() any { return new([chunkSize]byte) }},
		candidates: make(chan candidate, shortChannel),
		results:    make(chan result, shortChannel),
	}
}

// Name names the group.
func (*Dupwatch) Name() string { return "dupwatch" }

// Workers returns the workers of the group.
func (d *Dupwatch) Workers() []workerfx.Worker {
	return []workerfx.Worker{
		workerfx.NewWorker("scan", d.scan, workerfx.WithInterval(d.config.every), workerfx.WithStartImmediately()),
		workerfx.NewWorker("hash", workerfx.FromChannel(d.candidates, d.hash), workerfx.WithReplicaLimits(1, d.config.hashers)),
		workerfx.NewWorker("report", workerfx.Batch(d.results, batchSize, batchDelay, d.report)),
		&workerfx.Autoscaler{
			Worker:   d.Name() + "/hash",
			Demand:   d.demand,
			Every:    50 * time.Millisecond,
			CoolDown: 10 * time.Second,
		},
	}
}

// demand is how many files there are to hash. Those that are being hashed are among them: the length of
// the channel alone would leave a second large file to wait for the first.
func (d *Dupwatch) demand(context.Context) (float64, error) { return float64(d.unhashed.Load()), nil }

// pass is one look at the whole directory. It begins with nothing but its number, so that no pass
// counts what another has counted.
type pass struct {
	// ctx is that of the run of scan that the pass is. Once it ends nobody needs to do anything for the
	// pass any more, also where the context at hand lives on: a job's is not ended by the order to stop.
	ctx     context.Context
	number  int // 1 is the first
	started time.Time

	claimed  atomic.Bool   // see claimReport
	reported chan struct{} // closed by report

	sent int // results that scan has sent or caused; scan's alone

	// What report got, which nobody else looks at.
	found    findings
	unread   []skippedFile
	received int // results
	total    int // results that there are; 0 until scan says so

	// How far the pass is.
	files, candidateFiles, hashedFiles, hashedBytes, skipped atomic.Int64

	took atomic.Int64 // nanoseconds until the last result so far
}

func newPass(ctx context.Context, number int) *pass {
	return &pass{ctx: ctx, number: number, started: time.Now(), reported: make(chan struct{}), found: make(findings)}
}

// claimReport is called before the end of a pass is reported: report, with a table, or scan, when it
// is cut short. It is true for the first, and the other remains silent.
func (p *pass) claimReport() bool { return p.claimed.CompareAndSwap(false, true) }

// file is a regular file as scan saw it.
type file struct {
	path     string
	size     int64
	modified time.Time
}

// candidate is a file to be hashed.
type candidate struct {
	pass *pass
	file file
}

// result is a file with its hash, or, if err is not nil, something that was skipped. The last one that
// scan sends, which need not be the last to arrive, is neither: it has the total.
type result struct {
	file  file
	hash  hash
	err   error
	total int // results of the pass, with this one
	pass  *pass
}

// skip reports something that could not be looked at: in the log, the metrics and the pass's results.
// It fails only if the pass ends.
func (d *Dupwatch) skip(ctx context.Context, p *pass, path string, err error) error {
	if p.ctx.Err() != nil {
		return p.ctx.Err()
	}
	err = withoutPath(err)
	workerfx.CtxLogger(ctx).Warn().Str("path", path).Err(err).Msg("skipped")
	p.skipped.Add(1)
	d.metrics.unreadable.Inc()
	return d.sendResult(p, result{file: file{path: path}, err: err})
}

// sendResult fails only if the pass ends.
func (d *Dupwatch) sendResult(p *pass, r result) error {
	r.pass = p
	p.took.Store(int64(time.Since(p.started)))
	return send(p.ctx, d.results, r)
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
