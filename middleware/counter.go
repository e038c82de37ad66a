package middleware

import (
	"context"
	"sync/atomic"

	"github.com/workerfx/workerfx"
)

// Counter counts calls. Its zero value is ready to use. It must not be copied after first use. All its methods may
// be called from many goroutines, and one Counter may count for several workers.
//
// A call is counted as succeeded or failed before it leaves [Counter.Running]. The package documentation says which
// calls are neither.
type Counter struct {
	started, running, succeeded, failed atomic.Int64
}

// Middleware returns middleware that counts. All results add to the same counts.
func (c *Counter) Middleware() workerfx.Middleware {
	return func(next workerfx.RunFunc) workerfx.RunFunc {
		return func(ctx context.Context) error { return c.count(ctx, next) }
	}
}

// Started returns how many calls began.
func (c *Counter) Started() int64 { return c.started.Load() }

// Running returns how many calls began and have not ended.
func (c *Counter) Running() int64 { return c.running.Load() }

// Succeeded returns how many calls succeeded.
func (c *Counter) Succeeded() int64 { return c.succeeded.Load() }

// Failed returns how many calls ended with an error, a panic or [runtime.Goexit].
func (c *Counter) Failed() int64 { return c.failed.Load() }

func (c *Counter) count(ctx context.Context, next workerfx.RunFunc) error {
	c.running.Add(1) // first, so that none that has started is missing
	c.started.Add(1)
	end := failed // unless it returns
	defer func() {
		switch end {
		case succeeded:
			c.succeeded.Add(1)
		case failed:
			c.failed.Add(1)
		case neither:
		}
		c.running.Add(-1)
	}()
	err := next(ctx)
	end = judge(ctx, err)
	return err
}
