// Package middleware has middleware for the workers of a pool. Each may wrap a whole run of a worker or one of many
// small jobs within a run:
//
//	workerfx.WithMiddleware(middleware.Singleton(locker))                // the run
//	workerfx.Loop(middleware.Retry(3, backoff)(job))                     // each job
//	workerfx.Loop(middleware.Pause(time.Second)(jobs.Middleware()(job))) // two around each job
//
// In a list of middleware the first is the outermost. Retry before [Timeout] is a timeout for each attempt. Timeout
// before Retry is one timeout for all attempts.
//
// # What they have in common
//
// Their documentation names all state that they keep. They may be called from many goroutines. They return the
// error of the call, if their documentation does not say otherwise. A panic and [runtime.Goexit] pass through, so
// that the pool sees them.
//
// Bad input, such as a negative duration, is an error when the worker is added to its pool. The error names the
// field and the value. If middleware is called by hand, that call panics with the error.
//
// # Which calls fail
//
// [Counter] and [Trace] judge a call much as the pool judges a run:
//
//	succeeded   nil, or workerfx.ErrDoNotRestart and nothing else
//	neither     workerfx.ErrSkip; workerfx.ErrStopping, and the error or the cause of its context after that was
//	            cancelled: it was asked to stop
//	failed      any other error, also that of a context whose deadline has passed; a panic; runtime.Goexit
package middleware
