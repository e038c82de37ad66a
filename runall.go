package workerfx

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/rs/zerolog"
)

// RunAll runs workers, with the options attached to them, until the first of them ends or ctx ends. Then it stops
// the others. It returns nil if ctx ended and all workers stopped without an error. Else it returns these errors,
// joined: [ErrExitedPrematurely] with the error of the worker that ended, the errors of workers that failed while
// they stopped, and the error of the stop. It logs to the logger in ctx. Workers of the same name get ":2", ":3"
// and so on behind it. Without workers it returns nil at once.
func RunAll(ctx context.Context, workers ...Worker) error {
	var opts []PoolOption
	if logger := zerolog.Ctx(ctx); logger.GetLevel() != zerolog.Disabled {
		opts = append(opts, WithLogger(*logger))
	}
	pool, err := NewPool(opts...)
	if err != nil {
		return err
	}
	if len(workers) == 0 {
		return nil
	}
	for _, w := range workers {
		if err := addUnderAnyName(pool, w, WithEssential()); err != nil {
			return err
		}
	}
	return pool.Run(ctx)
}

// addUnderAnyName adds a worker under its name, or under that name and a number if it is taken.
func addUnderAnyName(p *Pool, w Worker, opts ...Option) error {
	e, err := newEntry(p, owner{}, w, opts)
	if err != nil {
		return err
	}
	name := e.name
	for n := 2; ; n++ {
		p.mu.Lock()
		err = addAll(p, []*entry{e})
		p.mu.Unlock()
		if !errors.Is(err, ErrDuplicateWorker) {
			return err
		}
		e.name = fmt.Sprintf("%s:%d", name, n)
	}
}

// RunAllJobs runs jobs side by side and waits until all have returned. It returns their errors, joined in the order
// of the jobs. A panic is a *[PanicError], a [runtime.Goexit] is [ErrGoexit].
func RunAllJobs(ctx context.Context, jobs ...RunFunc) error {
	errs := make([]error, len(jobs))
	var wg sync.WaitGroup
	for i, job := range jobs {
		if job == nil {
			errs[i] = fmt.Errorf("job %d is nil", i+1)
			continue
		}
		wg.Go(func() {
			errs[i] = ErrGoexit // unless the job returns or panics
			defer func() {
				if value := recover(); value != nil {
					errs[i] = catchPanic(value, 0)
				}
			}()
			errs[i] = job(ctx)
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
