package middleware

import (
	"context"
	"sync"
	"time"

	"github.com/workerfx/workerfx"
)

// Elapsed measures how long calls take, whether they return nil or an error, panic or end their goroutine.
// A call counts once it has ended. The zero value is ready to use; it must not be copied after that. All
// its methods may be called from many goroutines, and one Elapsed may measure several workers.
type Elapsed struct {
	mu    sync.Mutex // guards all below, so that no reader sees half of a call
	count int64
	total time.Duration
	last  time.Duration
}

// Middleware returns the middleware that measures. Every one that it returns adds to the same sums.
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

// Total returns how long all calls together took. Calls that ran side by side count in full, each.
func (e *Elapsed) Total() time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.total
}

// Average returns how long a call took on average, or 0 before the first one has ended.
func (e *Elapsed) Average() time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.count == 0 {
		return 0
	}
	return e.total / time.Duration(e.count)
}

// Last returns how long the call took that ended last, or 0 before the first one has.
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
