// Package workerfx runs the background workers of an [Fx] app: it starts them with the app, watches
// them while it runs, restarts those that fail, reports on all of them, and stops them with the app.
// It also works without Fx.
//
//	func main() {
//		fx.New(
//			workerfx.Module,
//			workerfx.ProvideWorker(NewMailer, workerfx.WithMaxAttempts(0)),
//		).Run()
//	}
//
//	func (m *Mailer) Run(ctx context.Context) error {
//		for {
//			select {
//			case <-ctx.Done():
//				return ctx.Err()
//			case mail := <-m.outbox:
//				if err := m.send(ctx, mail); err != nil {
//					return err // one failed attempt; the pool runs it again
//				}
//			}
//		}
//	}
//
// # Words
//
// A [Worker] is something with Run(ctx) error. Its name is unique in its [Pool]. A [Group] configures its own workers,
// which are named "group/worker". A run is one call of Run. Each run has its own execution ID. Attempt counts runs since
// the last success; the first run is 1. A replica is one of several copies of a worker that run side by side. A child is
// a worker that another worker started in one of its runs. It does not outlive that run, and is named "parent/child". A
// job is one of the many small things that a worker may do within a run. An [Execution] is the report on one replica of a
// worker. It is always a copy.
//
// # Shapes of work
//
//	works until it is stopped           Run, as above
//	works at certain times              WithInterval, WithCron, WithSchedule
//	does the same again and again       Loop
//	handles the items of a channel      FromChannel, Batch
//	as many at a time as need be        WithReplicas, Pool.Scale, Autoscaler
//	as many different ones as need be   AddChild
//	each time the same around it        WithMiddleware, ProvideMiddleware, package middleware
//
// Each tick of a schedule is a run. Ticks that pass while a run is under way are skipped and counted; a run never
// overlaps itself. A tick that fails is tried again by the worker's attempts and backoff, then the schedule goes on.
//
// [Loop], [FromChannel] and [Batch] make bodies that handle many jobs within one run, count them, and end after the job
// they are at when the worker is paused or scaled down. What was received from a channel is not lost: an item or batch
// that failed is handed over again by the next attempt, and what is in hand when the worker stops is still handed over.
//
// [RunAll] runs a few workers until the first is done, [RunAllJobs] runs functions side by side to their end.
//
// # Wiring
//
// Under Fx, [Module] makes the pool, and [ProvideWorker] and [UseWorker] put workers into it. With dig
// alone, [ProvideDig] and [RunDig] do. With neither, [NewPool], [Pool.Add] and [Pool.Run] are all there is
// to it. A pool uses the app's logger, tracer provider and metrics registry if it has them, and needs none.
//
// # The life of a worker
//
// One goroutine walks each replica of a worker through its life:
//
//	 Start
//	   │
//	   ▼
//	┌──────────────► wait ───────────► run ───────────► decide ───┐
//	│     deferred start, backoff,   the worker's      by the     │
//	│     next tick, pause               Run         table below  │
//	│                                                             │
//	└──── deferred, waiting, paused ◄─────────────────────────────┤
//	                                                              ▼
//	                                        done: success, error, stopped
//
// Its status says where it is:
//
//	pending   not begun: the pool has not started, or workers that it comes after are not ready
//	deferred  waits for its deferred start
//	running   its Run has been called
//	waiting   waits for its next attempt or tick; NextRunAt says until when
//	paused    waits for Resume, or for being scaled up again
//	success   done: its last run succeeded
//	error     done: its last run failed and there is no other attempt
//	stopped   done: it was asked to stop, and did
//
// The status moves along these arrows only:
//
//	pending -> deferred, running, waiting, paused, success, error, stopped
//	deferred -> running, waiting, paused, success, error, stopped
//	running -> waiting, success, error, stopped
//	waiting -> pending, deferred, running, paused, success, error, stopped
//	paused -> pending, deferred, waiting, error, stopped
//	success -> pending, deferred, paused
//	error -> pending, deferred, paused
//	stopped -> pending
//
// A worker that is done moves on only if somebody restarts it or scales it up. No run begins once the worker was asked to
// stop, and a wait ends at once then.
//
// # What a run's end means
//
//	Run ends with              while the pool is up             while the worker is stopping
//	-------------------------  -------------------------------  -------------------------------
//	nil                        success; it is done, or waits    success
//	                           for its schedule's next tick
//	ErrDoNotRestart            success; it is done              stopped
//	an error that wraps        error; it is done                stopped
//	ErrDoNotRestart
//	ErrSkip, also wrapped,     this tick does not count;        stopped
//	with a schedule            it waits for the next
//	its context's error or     a failed attempt: nobody asked   stopped: to obey is no failure
//	cause, also wrapped        it to stop (see the next line)
//	any other error, a panic,  a failed attempt: backoff, then  error; it is not run again
//	runtime.Goexit             the next one; after the last
//	                           one, error, or with a schedule
//	                           the wait for its next tick
//
// [ErrDoNotRestart] ends a schedule, too. So does a [Schedule] that has no next tick: the worker is done then, with
// success. [ErrSkip] from a worker without a schedule is an error like any other.
//
// An essential worker ([WithEssential]) that is done while the pool is up stops the pool with
// [ErrExitedPrematurely]; under Fx the app then shuts down with exit code 1.
//
// # Defaults
//
//	attempts       1: a worker that fails is not run again      WithMaxAttempts
//	backoff        none if attempts are limited; else           WithBackoff
//	               1s, 2s, 4s and so on up to a minute
//	healthy after  off if attempts are limited; else a run of   WithHealthyAfter
//	               a minute starts the count of failures anew
//	failure limit  none                                         WithFailureLimit
//	deferred start 0                                            WithDeferredStart
//	schedule       none: it runs at once, until it is done      WithInterval, WithCron, WithSchedule
//	first run      at the first tick of its schedule            WithStartImmediately
//	jitter         none                                         WithJitter
//	replicas       1, with limits of 0 and none                 WithReplicas, WithReplicaLimits
//	ready          when its first run begins                    WithReadiness
//	starts after   none: all start at once                      WithAfter
//	heartbeat      none is expected                             WithHeartbeat
//	strategy       one for one: each fails for itself           WithStrategy
//	run timeout    none                                         WithRunTimeout
//	stop timeout   none of its own: what Stop is given          WithStopTimeout
//	middleware     none                                         WithMiddleware
//	essential      no                                           WithEssential
//	events kept    the last 32                                  WithEvents
//
// [Pool.Run] gives a stop 15s ([Config.StopTimeout]). Under Fx the app's own stop timeout rules, less a
// tenth of it, a second at most, for the hooks behind the pool.
//
// [Config] sets the same for all workers, or for one by its name, from a file. A worker's own options win
// over what the configuration says for all; what it says for the worker's name wins over both.
//
// # Control
//
// A pool that has started takes orders at any time, from any goroutine, also from its own workers. Each
// names a worker:
//
//	Add, AddGroup, Remove  a worker comes or goes; Remove waits until it has stopped
//	Scale, More, Less      how many replicas run; a replica too many ends after the job it is at
//	Pause, Resume          no run begins until Resume; the one under way ends as it would
//	Trigger                what waits for a tick, an attempt or its deferred start runs now
//	Restart                ends the runs and begins others, with no failures behind them; also of one that is done
//
// # Readiness, order and health
//
// A worker with [WithReadiness] is ready when its run calls [Ready]; all others are when their first run begins.
// [WithAfter] makes one wait for others to be ready, and stop before them. [Pool.Ready] waits for all, the start of
// an Fx app for those that say so. With [WithHeartbeat] a run that does not call [Heartbeat] in time is stuck: that is
// logged with its stack and, with [RestartStuck], ends the run. [Pool.Health] tells who has failed, is stuck or not
// ready; package health serves it over HTTP. [WithStrategy] makes the workers of a group begin anew together.
//
// # Stopping
//
// [Pool.Stop] lets no run begin any more, ends the contexts of all runs, with [ErrStopping] as their cause, and waits. A run that
// listens to [Draining] is told to finish first; its context ends when three quarters of the time there is are over. A
// worker that does not return in time is named in a *[StopError], together with the stack it hangs in. Go cannot end
// a goroutine from outside: such a worker goes on, but no new run of it begins.
//
// [Fx]: https://github.com/uber-go/fx
package workerfx
