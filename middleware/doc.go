// Package middleware has ready-made middleware for the workers of a pool. Each of them goes around a
// worker's whole run or around one of the many small jobs within a run:
//
//	workerfx.WithMiddleware(middleware.Singleton(locker))                // the run
//	workerfx.Loop(middleware.Retry(3, backoff)(job))                     // each job
//	workerfx.Loop(middleware.Pause(time.Second)(jobs.Middleware()(job))) // two around each job
//
// In a list of middleware the first is the outermost: Retry before [Timeout] gives every attempt its own
// time, Timeout before Retry gives all attempts together one.
//
// # What they have in common
//
// They keep no state but what their documentation names, and may be called from many goroutines. An error
// is handed on as it is unless the documentation says otherwise; a panic and [runtime.Goexit] pass through
// untouched, so the pool sees them as it would without middleware.
//
// Bad input, such as a negative duration, becomes an error where the worker is added to its pool, one that
// names the field and the value. Where middleware is called by hand, that call panics with it.
//
// # Which calls fail
//
// [Counter] and [Trace] judge a call much as the pool judges a run:
//
//	succeeded   nil, or workerfx.ErrDoNotRestart and nothing else
//	neither     workerfx.ErrSkip; workerfx.ErrStopping, and the error or the cause of its context once that was
//	            cancelled: to obey is no failure
//	failed      any other error, also that of a context whose time is up; a panic; runtime.Goexit
package middleware
