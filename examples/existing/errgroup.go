package main

import (
	"context"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/workerfx/workerfx"
)

// memory is a service as many apps have one, and knows nothing of workerfx. One goroutine looks how much memory the
// process uses, and another one tells when that has doubled.
type memory struct {
	every time.Duration
	read  func() (bytes uint64, err error)
	tell  func(ctx context.Context, bytes uint64)
}

// Watch works until ctx ends or one of the goroutines fails.
func (m *memory) Watch(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	values := make(chan uint64)
	group.Go(func() error { return m.look(ctx, values) })
	group.Go(func() error { return m.compare(ctx, values) })
	return group.Wait()
}

func (m *memory) look(ctx context.Context, values chan<- uint64) error {
	ticker := time.NewTicker(m.every)
	defer ticker.Stop()
	for {
		bytes, err := m.read()
		if err != nil {
			return err
		}
		select {
		case values <- bytes:
		case <-ctx.Done():
			return ctx.Err()
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (m *memory) compare(ctx context.Context, values <-chan uint64) error {
	for last := uint64(0); ; {
		select {
		case bytes := <-values:
			if bytes >= 2*last {
				m.tell(ctx, bytes)
				last = bytes
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// newMemory makes the service a worker. Its method is not called Run, so NewWorker takes it as a function. The pool runs
// the whole group again when one of its goroutines fails.
//
// One thing is left to know: a panic in a goroutine of an errgroup ends the process. In a goroutine of workerfx.Go, it is
// a failure of the run.
func newMemory() workerfx.Worker {
	service := &memory{every: time.Second, read: heap, tell: logMemory}
	return workerfx.NewWorker("memory", service.Watch, workerfx.WithMaxAttempts(0))
}

func heap() (uint64, error) {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc, nil
}

// logMemory uses the logger of the run. The context of an errgroup has it, as it has all values of the run's context.
func logMemory(ctx context.Context, bytes uint64) {
	workerfx.CtxLogger(ctx).Info().Uint64("bytes", bytes).Msg("memory has doubled")
}
