// Package queue gives an Fx app durable jobs. They are in a database: so they survive the process, and many
// processes may work them. The database is a file (SQLite) or PostgreSQL. Only the argument of [Module] differs.
// The package is built on [River]. Its clients are workers of the app's pool.
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
// A job is a task in the database. It has arguments ([Args]), a JSON object, and a report ([JobInfo]). Its kind
// finds its handler. Its queue finds the processes that work it. An attempt is one call of its handler. A slot
// works one job at a time. A dead letter is a job that was given up.
//
// # Queues are workers
//
//	a queue that this process works        a worker of the pool, named "queue/" and the queue's name
//	a replica of it                        a client of River, with slots of its own
//	a job                                  a job of the worker, in its report and in worker_jobs_total
//	Pool.Pause, Pool.Restart, the stop     no job begins in this process, and current jobs end first
//	Pool.Scale, WithReplicas               multiply the slots
//	Only, Except of the configuration      "queue" is all queues: a process without them still enqueues
//	the database is gone                   a failed run: it runs again, with the worker's backoff, without end
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
// A job that is due, or has its next attempt, in less than five seconds is available already. It begins at its time.
//
// # What a handler's end means
//
//	nil                              the job is done
//	Discard(err)                     it is given up at once, with the reason
//	RescheduleIn(d), RescheduleAt(t) it runs again then; the attempt does not count
//	any other error, a panic,        a failed attempt: backoff, then the next attempt; after the last one it is given up
//	runtime.Goexit, its timeout
//	its context's error while the    it runs again at once, here or elsewhere; the attempt does not count
//	worker stops
//
// # Defaults
//
//	queues           "default", with 10 slots, if the app has handlers     WithQueue
//	a job's queue    "default"                                             Queue
//	priority         1, the first of 4; then the job that is longest due   Priority
//	due              at once                                               At, In
//	attempts         25                                                    MaxAttempts
//	backoff          1s, 16s, 81s: attempts to the fourth power, ±10%      WithBackoff
//	timeout          none                                                  WithTimeout
//	duplicates       allowed                                               Unique, UniqueFor
//	schema           is migrated at the start                              WithoutMigrations
//	lease            10s, on PostgreSQL                                    WithLease
//	locks            use the database's URL or pool                        WithDirectURL
//	the worker       runs again without end, after 100ms and more, up to   the options of WithQueue
//	                 10s; a run of ten seconds resets the failures
//	kept             completed and cancelled a day, discarded a week
//
// A method InsertOpts() [github.com/riverqueue/river.InsertOpts] of arguments sets their defaults. The options of a
// call win over them.
//
// # What is promised
//
// A job is worked at least once. It exists when Enqueue has returned, or, with EnqueueTx, when the transaction has
// been committed. It stays until its handler returned nil or it is given up. It may be worked more than once: if a
// process dies after the handler did its work and before that was written. The ends of jobs are written together, a
// quarter of a second late at most. So a handler may be called again for a job that it finished just before a
// crash.
//
// The writes of a [HandlerTx] in its transaction happen exactly once. They are committed together with the end of
// the job, and only by the current attempt in the database. What it does outside of the transaction, such as to
// send a mail, happens at least once.
//
// A job is worked twice at the same time only if its process cannot know that others have taken it over: the
// process was frozen for longer than the lease and has just gone on, or its handler ignores its context.
//
// Each replica holds a lock while it lives: in PostgreSQL on a connection of its own, for SQLite on a file. Others
// look every second for jobs whose lock is free, and take them over:
//
//	the process dies        its jobs run again within two seconds; the attempt counts, so that a job that kills its
//	                        process is given up in the end
//	it is frozen            PostgreSQL: others take over its jobs after the lease; when it goes on, the contexts of its jobs
//	                        end, and it cannot write their ends. SQLite: it keeps its jobs until it goes on or dies
//	the network is cut      it stops its jobs before the lease is over, and others begin them after that
//	the database restarts   its jobs are interrupted; it begins again when the database is there; the attempt counts
//	the app stops           no job begins; current jobs may go on, with live contexts, for three quarters of the time of the
//	                        stop: see [workerfx.Draining]. Then their contexts end. A job that ends for that runs again
//	                        later; the attempt does not count
//
// If a process ends before its jobs, that is like a crash: give an app enough time for its stop (15s is the default
// of Fx).
//
// # How soon a job begins
//
//	due at once            PostgreSQL: after a millisecond or so; SQLite, which is asked 20 times a second: 50ms at most
//	due in five seconds,   within a second after it is due
//	or an attempt that is
//	due later              within five seconds after it is due
//
// One client of all processes leads: it makes jobs available that are due later, enqueues periodic jobs and deletes
// old jobs. When it stops, another client leads at once. When its process dies, another client leads within fifteen
// seconds.
//
// # Logs, traces and metrics
//
// A handler's context carries the logger, with the fields "worker", "workerExecutionID" (the job's ID), "kind" and
// "attempt", and the tracer, with the job's span: "job" and its kind, with a link to the span that enqueued it.
// Jobs that fail are logged as warnings. Jobs that are given up are logged as errors with the reason. Other jobs
// are logged at level debug. The metrics are those of the pool, such as
// worker_jobs_total{worker="queue/default",status="success"}, and with them:
//
//	worker_job_duration_seconds      how long attempts took, by worker, kind and status
//	worker_queue_jobs                jobs in the database, by queue and state
//	worker_queue_oldest_due_seconds  for how long the oldest job of a queue that waits has been due
//
// [Hooks] are for everything else.
//
// # Two databases
//
// SQLite has one writer at a time, and is for processes on one machine. A transaction, such as that of a
// [HandlerTx], makes all others wait, also in other processes. They give up after ten seconds: keep it short.
// PostgreSQL has none of these limits.
//
// Locks and notifications of PostgreSQL need connections that keep their session. Behind a pooler in transaction mode,
// such as PgBouncer or Supavisor, [WithDirectURL] names a URL for them. Without it, the start fails and says so.
//
// The build tag nosqlite leaves SQLite out. That saves about 6MB of the program. Programs for 32 bit need the tag, as
// River's driver of SQLite does not compile there.
//
// docs/queue.md says when to use which database, how to run many processes, and how to move from gue.
//
// [River]: https://riverqueue.com
package queue
