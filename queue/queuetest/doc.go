// Package queuetest tests handlers of durable jobs in milliseconds, without a server and without files. It works the jobs with
// the real queue, on SQLite in memory.
//
//	func TestGreeterTriesAgain(t *testing.T) {
//		synctest.Test(t, func(t *testing.T) { // where an hour takes no time
//			q := queuetest.New(t, queue.ProvideHandler[Greeting](NewGreeter))
//			job := q.Enqueue(Greeting{Name: "Ada"})
//
//			q.WorkAll()
//			require.Equal(t, "the line is busy", q.Job(job.ID).Errors[0].Error)
//
//			time.Sleep(time.Hour) // longer than the backoff
//			q.WorkAll()
//			require.Equal(t, queue.StateCompleted, q.Job(job.ID).State)
//		})
//	}
//
// It is a package of the module queue, as the library itself imports no driver of a database. Its name differs from that of
// package fxtest, so that a test can import both. A [Queue] is also an fxtest.App, with its logs, spans, metrics and reports.
//
// # When jobs are worked
//
// Jobs are worked only during [Queue.WorkAll]. So a test can look at them before and after, and nothing happens at the same
// time. WorkAll works the jobs that are due, and the jobs that they enqueue meanwhile. It does not wait for jobs and attempts
// that are due later. Jobs of [queue.Periodic] are not enqueued: enqueue them in the test.
//
// # Time
//
// Everything works inside of a [testing/synctest] bubble, with the clock of the bubble: times of jobs, backoffs and delays.
// Give New the bubble's t. Outside of a bubble WorkAll takes milliseconds, too, and backoffs take the time that they take.
//
// The build tag nosqlite leaves this package empty.
package queuetest
