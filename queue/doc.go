// Package queue gives an Fx app durable jobs: they outlive the process, and many processes share them. It wires
// River (github.com/riverqueue/river) into Fx and workerfx: River is the engine, and the queues are workers of the
// app's pool.
//
//	type Thumbnail struct {
//		Path string `json:"path"`
//	}
//
//	func (Thumbnail) Kind() string { return "thumbnail" }
//
//	func main() {
//		fx.New(
//			workerfx.Module,
//			queue.Module(queue.SQLite("jobs.db")), // later: queue.Module(queue.Postgres(os.Getenv("DATABASE_URL")))
//			queue.ProvideHandler[Thumbnail](NewThumbnailer, queue.WithTimeout(time.Minute)),
//		).Run()
//	}
//
//	func (t *Thumbnailer) Handle(ctx context.Context, job *queue.Job[Thumbnail]) error { ... }
//
//	func (s *Server) upload(ctx context.Context, path string) error {
//		_, err := s.queue.Enqueue(ctx, Thumbnail{Path: path}, queue.Priority(2)) // s.queue is a *queue.Client
//		return err
//	}
//
// # Queues are workers
//
// The worker of the queue "default" is "queue/default": it is in the pool's reports, with its jobs counted, in the
// metrics and logs, and takes the pool's orders. Each run of each replica is a River client of its own, with as many
// slots for jobs as [WithQueue] says. So every order means what it means for any worker:
//
//	Pause, Resume     the jobs under way end, no other begins; other processes go on
//	Scale             a replica is one client: 3 replicas of 10 slots work 30 jobs at a time
//	Restart, Remove   the client stops in the two steps below; another one starts
//	Stop              no job begins; those under way get most of the stop's time to end, then their contexts end
//	Config by name    Only, Except, Workers: which process works which queue, from a file
//
// One client for all queues would need fewer connections, but River cannot change the slots of a queue, cancel the
// jobs of one alone, or survive the loss of a lock in one alone. A client costs three connections on PostgreSQL (the
// lock's, one that listens, one that fetches; up to seven while it leads), beside the pool that [Client] uses.
//
// # What a job's attempt may count on
//
// A job is done at least once, and its attempts follow each other: no two processes work one at a time, unless one
// ignores that its context has ended, or was frozen and has just woken up. With a [HandlerTx] what it writes into the database is there exactly once. An
// attempt ends as [Handler] lists; one that is interrupted by a stop does not count, one whose process died does.
//
// Each client holds a liveness lock. Those whose lock is free are dead, and others give their jobs back to the queue:
//
//	                         PostgreSQL                              SQLite
//	the lock                 an advisory lock on a connection        a locked file beside the database
//	process dies             jobs run again within 2s                within 1s
//	connection is closed     contexts end within 0.1s, jobs run      -
//	                         again elsewhere within 2s
//	frozen, or cut off       contexts end after 3/4 of the lease,    frozen: its jobs wait for it
//	                         jobs run again after it (WithLease)
//
// What a client says of the end of its jobs travels over the very connection that holds its lock. So one whose jobs
// were taken over is not heard, however late it wakes up; it loses no more than that, and starts anew by itself.
//
// # How soon a job begins
//
//	enqueued, due at once      PostgreSQL: a millisecond or so (NOTIFY); SQLite: 50ms, which is how often it is looked at
//	due in up to 5s, and       within a second after it is due: that is how often a queue is looked at anyway
//	attempts that wait so long
//	due later                  within five seconds, by the scheduler of the client that leads
//
// One client leads at a time, over all processes. It also enqueues periodic jobs and deletes old ones. When it stops
// another one takes over at once; when its process dies, within fifteen seconds.
//
// # Defaults
//
//	queue             "default", 10 slots, 1 replica                           WithQueue, Queue
//	priority          1, the first of 4                                        Priority
//	attempts          25                                                       MaxAttempts
//	backoff           River's: attempt⁴ seconds                                WithBackoff
//	timeout           none                                                     WithTimeout
//	lease             10s                                                      WithLease
//	migrations        run at the start, under a lock                           WithoutMigrations
//	queue's worker    runs again without end, after 100ms up to 10s, whatever  WithQueue's options
//	                  happens to its database
//	kept              completed and cancelled jobs a day, discarded ones a week
//
// River's own defaults would be a look for jobs ten times a second, jobs that run a minute at most, and an hour until
// the jobs of a dead process run again; the package sets them otherwise. Programs that only need PostgreSQL can be
// built with the tag nosqlite, which leaves SQLite out, and with versions of River's PostgreSQL driver for which
// there is no SQLite driver yet.
package queue
