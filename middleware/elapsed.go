package middleware

import (
	"context"
	"sync"
	"time"

	"github.com/workerfx/workerfx"
)

// Elapsed measures how long calls take, whether they return nil or an error, panic or end their goroutine. A call
// counts when it has ended. The zero value is ready to use. It must not be copied after first use. All its methods
// may be called from many goroutines, and one Elapsed may measure several workers.
type Elapsed struct {
	mu    sync.Mutex // guards the fields below: no reader sees half of a call
	count int64
	total time.Duration
	last  time.Duration
}

// Middleware returns middleware that measures. All results add to the same sums.
func (e *Elapsed) Middleware() workerfx.Middleware {
	return func(next workerfx.RunFunc) workerfx.RunFunc {
		return func(ctx context.Context) error {
			defer e.since(time.Now())
			return next(ctx)
		}
	}
}

// Count returns how many calls have ended.
func (e *Elapsed) Count() int64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.count
}

// Total returns the sum of the times of all calls. Calls that ran side by side count in full.
func (e *Elapsed) Total() time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.total
}

// Average returns the average time of a call, or 0 before the first call has ended.
func (e *Elapsed) Average() time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.count == 0 {
		return 0
	}
	return e.total / time.Duration(e.count)
}

// Last returns the time of the call that ended last, or 0 before the first call has ended.
func (e *Elapsed) Last() time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.last
}

func (e *Elapsed) since(start time.Time) {
	took := time.Since(start)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.count++
	e.total += took
	e.last = took
}
