// Package queue gives an Fx app durable jobs: they are in a database, so that they outlive the process, and any number
// of processes may work them. The database is a file (SQLite) or a PostgreSQL; only the argument of [Module] differs.
// The engine is [River], whose clients are workers of the app's pool.
//
//	type Greeting struct {
//		Name string `json:"name"`
//	}
//
//	func (Greeting) Kind() string { return "greeting" }
//
//	func (*Greeter) Handle(ctx context.Context, job *queue.Job[Greeting]) error {
//		fmt.Printf("Hello, %s!\n", job.Args.Name)
//		return nil // the job is done
//	}
//
//	fx.New(
//		workerfx.Module,                            // works the jobs
//		queue.Module(queue.SQLite("jobs.db")),      // or queue.Postgres("postgres://...")
//		queue.ProvideHandler[Greeting](NewGreeter), // without handlers, the app only enqueues
//	)
//
//	client.Enqueue(ctx, Greeting{Name: "Ada"}) // with the *queue.Client that Module provides
//
// # Words
//
// A job is something to do that is kept in the database: its arguments ([Args]), a JSON object, and what is known of
// it ([JobInfo]). Its kind says what is to be done, and finds its handler. Its queue says who does it. An attempt is one
// call of its handler. A slot is room for one job at a time. A dead letter is a job that was given up.
//
// # Queues are workers
//
//	a queue that this process works        a worker of the pool, named "queue/" and the queue's name
//	a replica of it                        a client of River, with slots of its own
//	a job                                  a job of the worker, in its report and in worker_jobs_total
//	Pool.Pause, Pool.Restart, the stop     no other job begins in this process, and those at hand end first
//	Pool.Scale, WithReplicas               as many times the slots
//	Only, Except of the configuration      "queue" is all queues: a process without them still enqueues
//	the database is gone                   a failed run: it is begun again, with the worker's backoff, without end
//
// # The life of a job
//
//	            Enqueue, EnqueueTx, EnqueueBatch, Periodic
//	                  │                         │
//	                  │ due later               │ due now
//	                  ▼                         ▼
//	┌───────────► scheduled ──────────────► available ◄──────────────── retryable
//	│                                        │     ▲                        ▲
//	│                         a slot is free │     │ its process died,      │ the attempt failed,
//	│                                        │     │ or its worker          │ and there is another
//	│                                        ▼     │ stops                  │
//	│                                      ┌─────────┐                      │
//	└── RescheduleIn, RescheduleAt ────────┤ running ├──────────────────────┘
//	                                       └┬───┬───┬┘
//	                       nil ┌────────────┘   │   └────────────┐ Discard
//	                           │                │ the last       │
//	                           ▼                ▼ attempt failed ▼
//	                       completed        discarded        cancelled
//	                                            └────────┬───────┘
//	                                         dead letters, until Requeue
//	                                           makes them available
//
// A job that waits for less than five seconds, for its time or its next attempt, is available already, and begins when
// they have passed.
//
// # What a handler's end means
//
//	nil                              the job is done
//	Discard(err)                     it is given up at once, with the reason
//	RescheduleIn(d), RescheduleAt(t) it runs again then; the attempt does not count
//	any other error, a panic,        a failed attempt: backoff, then the next one; after the last one it is given up
//	runtime.Goexit, its timeout
//	its context's error while the    it runs again at once, here or elsewhere; the attempt does not count
//	worker stops
//
// # Defaults
//
//	queues           "default", with 10 slots, if the app has handlers     WithQueue
//	a job's queue    "default"                                             Queue
//	priority         1, the first of 4; among equals the longest due goes  Priority
//	due              at once                                               At, In
//	attempts         25                                                    MaxAttempts
//	backoff          1s, 16s, 81s: attempts to the fourth power, ±10%      WithBackoff
//	timeout          none                                                  WithTimeout
//	duplicates       allowed                                               Unique, UniqueFor
//	schema           brought up to date at the start                       WithoutMigrations
//	lease            10s, on PostgreSQL                                    WithLease
//	the worker       runs again without end, after 100ms and more, up to   the options of WithQueue
//	                 10s; ten seconds of health forget the failures
//	kept             completed and cancelled a day, discarded a week
//
// Arguments with a method InsertOpts() [github.com/riverqueue/river.InsertOpts] bring defaults of their own along. The
// options of a call win over them.
//
// # What is promised
//
// A job is worked at least once. It is there when Enqueue has returned, or, with EnqueueTx, when the transaction has been
// committed, and it stays there until its handler returned nil or it is given up. It may be worked more than once: by a
// process that dies after the handler did its work and before that was written. The ends of jobs are written together,
// a quarter of a second late at most, so that a handler must not mind being called for a job again that it finished
// just before a crash.
//
// What a [HandlerTx] writes in its transaction happens exactly once: it is committed together with the end of the job,
// and only by the attempt that the database has as the current one. What it does beside the transaction, such as sending a
// mail, happens at least once, as for any handler.
//
// A job is not worked twice at a time, but when its process cannot know that others have taken it over: it was frozen for
// longer than the lease, and has just been woken, or its handler does not listen to its context.
//
// Each replica holds a lock for as long as it lives, in PostgreSQL on a connection of its own, for SQLite on a file. What
// is running under a lock that nobody holds is taken over by the others, who look every second:
//
//	the process dies        its jobs run again within two seconds; the attempt counts, so that a job that kills its
//	                        process is given up in the end
//	it is frozen            PostgreSQL: after the lease its jobs are given to others; when it wakes up, their contexts end,
//	                        and what it says of them is not heard any more. SQLite: its jobs stay with it until it
//	                        wakes up or dies
//	the network is cut      it stops its jobs before the lease is over, and the others begin them after it
//	the database restarts   its jobs are interrupted; it begins again when the database is there; the attempt counts
//	the app stops           no job begins; those at hand may go on, with their contexts alive, for three quarters of the
//	                        time that the stop has: see [workerfx.Draining]. Then their contexts end, and a job that
//	                        gives up for that runs again later; the attempt does not count
//
// A process that ends before its jobs do is one that dies: give an app enough time for its stop (15s is the default of
// Fx) if they are to end well.
//
// # How soon a job begins
//
//	due at once            PostgreSQL: after a millisecond or so; SQLite, which is asked 20 times a second: 50ms at most
//	due in five seconds,   within a second after it is due
//	or an attempt that is
//	due later              within five seconds after it is due
//
// One client of all processes leads: it makes what is due later available, enqueues periodic jobs and deletes old ones.
// When it stops another one takes over at once; when its process dies, within fifteen seconds.
//
// # Seeing what goes on
//
// A handler's context carries the logger, with the fields "worker", "workerExecutionID" (the job's ID), "kind" and
// "attempt", and the tracer, with the job's span: "job" and its kind, with a link to the span that enqueued it. Jobs that
// fail are logged as warnings, those that are given up as errors with the reason, and the others only at debug level. The
// metrics are the pool's: worker_jobs_total{worker="queue/default",status="success"} and so on. [Hooks] are for
// everything else.
//
// # Two databases
//
// SQLite has one writer at a time, and serves the processes of one machine. A transaction, such as a [HandlerTx] has for
// as long as it runs, keeps all others waiting, those of other processes too, which give up after ten seconds: keep it
// short. PostgreSQL has none of these limits.
//
// The build tag nosqlite leaves SQLite out, and with it some 6MB of the program.
//
// When to use which, how to run it with many processes, and where the features of gue are now: see docs/queue.md.
//
// [River]: https://riverqueue.com
package queue
