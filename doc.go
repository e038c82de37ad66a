// Package workerfx runs the background workers of an [Fx] app. It starts them with the app, restarts them when they fail,
// reports on them, and stops them with the app. It also works without Fx.
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
// A [Worker] has a method Run(ctx) error. Its name is unique in its [Pool]. A [Group] configures its own workers, which
// are named "group/worker". A run is one call of Run, and has its own execution ID. Attempt counts runs since the last
// success; the first run is 1. A replica is one of several copies of a worker that run side by side. A child is a worker
// that another worker started in one of its runs. It does not outlive that run, and is named "parent/child". A job is one
// of many small tasks within a run. A body is the function that a worker runs, such as the result of [Loop]. An
// [Execution] is a report on one replica of a worker, and always a copy. An execution ID names one run.
//
// # Shapes of work
//
//	works until it is stopped           Run, as above
//	works at certain times              WithInterval, WithCron, WithSchedule
//	does the same again and again       Loop
//	handles the items of a channel      FromChannel, Batch
//	runs on many replicas               WithReplicas, Pool.Scale, Autoscaler
//	starts workers of its own           AddChild
//	wraps every run                     WithMiddleware, ProvideMiddleware, package middleware
//
// A schedule has ticks, the times at which the worker runs. Each tick is a run. A replica never has two runs at the same
// time: ticks that pass during a run are skipped and counted. A tick that fails is tried again, with the worker's attempts
// and backoff. Then the schedule goes on.
//
// [Loop], [FromChannel] and [Batch] make bodies that handle many jobs within one run, and count them. When the worker is
// paused or scaled down, they end after their current job. They lose no item of a channel: the next attempt gets an item
// or a batch that failed once more, and a worker that stops still handles what it has received.
//
// [RunAll] runs a few workers until the first one ends. [RunAllJobs] runs functions side by side until all have returned.
//
// # Wiring
//
// Under Fx, [Module] makes the pool, and [ProvideWorker] and [UseWorker] put workers into it. For dig without Fx
// there are [ProvideDig] and [RunDig]. Without either, use [NewPool], [Pool.Add] and [Pool.Run]. A pool uses the
// app's logger, tracer provider and metrics registry if there are any. It needs none of them.
//
// # The life of a worker
//
// Each replica of a worker has one goroutine, which does this:
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
//	its context's error or     a failed attempt: nobody asked   stopped: it was asked to stop
//	cause, also wrapped        it to stop (see the next line)
//	any other error, a panic,  a failed attempt: backoff, then  error; it is not run again
//	runtime.Goexit             the next one; after the last
//	                           one, error, or with a schedule
//	                           the wait for its next tick
//
// [ErrDoNotRestart] also ends a worker with a schedule. A [Schedule] without a next tick ends its worker with success.
// [ErrSkip] from a worker without a schedule is an ordinary error.
//
// The same goes for the goroutines of [Go]: their end is that of the run.
//
// When an essential worker ([WithEssential]) ends while the pool is up, the pool stops with [ErrExitedPrematurely]. Under
// Fx the app then exits with code 1.
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
//	missed ticks   are skipped                                  WithMissed
//	replicas       1, with limits of 0 and none                 WithReplicas, WithReplicaLimits
//	ready          when its first run begins                    WithReadiness
//	starts after   no other worker                              WithAfter
//	heartbeat      none                                         WithHeartbeat
//	strategy       one for one: only the failed worker restarts WithStrategy
//	run timeout    none                                         WithRunTimeout
//	stop timeout   the end of Stop's context                   WithStopTimeout
//	middleware     none                                         WithMiddleware
//	essential      no                                           WithEssential
//	events kept    the last 32                                  WithEvents
//
// [Pool.Run] gives a stop 15s ([Config.StopTimeout]). Under Fx the app's stop timeout applies. The pool uses all of
// it but a tenth, at most a second, which it leaves for the stop hooks behind it.
//
// [Config] sets the same from a file, for all workers or for one by its name. A worker's own options win over what the
// configuration says for all workers. What it says for the worker's name wins over both.
//
// # Control
//
// A pool that has started takes commands at any time, from any goroutine, also from its own workers. Each command names a
// worker:
//
//	Add, AddGroup, Remove  add or remove a worker; Remove waits until the worker has stopped
//	Scale, More, Less      change the number of replicas; a surplus replica ends after its current job
//	Pause, Resume          let no run begin until Resume; a current run goes on
//	Reschedule             wait for the ticks of another schedule
//	Trigger                run now, instead of at the next tick, attempt or deferred start
//	Restart                end the current runs and begin new ones, without failures; also if the worker is done
//
// # Readiness, order and health
//
// A worker is ready when its first run begins. A worker with [WithReadiness] is ready when its run calls [Ready]. A
// worker with [WithAfter] starts when the named workers are ready, and stops before them. [Pool.Ready] waits for
// all workers. The start of an Fx app waits for those with WithReadiness.
//
// With [WithHeartbeat], a run that does not call [Heartbeat] in time is stuck. The pool logs the stack of a stuck
// run. With [RestartStuck] it also ends the run. [Pool.Health] names the workers that have failed, are stuck or are
// not ready. Package health serves that over HTTP. With [WithStrategy], the workers of a group restart together.
//
// Package dashboard shows all workers on a page, and lets users act on them. [Pool.Subscribe] tells of changes as they
// happen. [Pool.Settings] tells where each setting of a worker comes from.
//
// # Stopping
//
// [Pool.Stop] lets no run begin any more, cancels the contexts of all runs with the cause [ErrStopping], and waits.
// A run that called [Draining] is told to finish first. Its context ends when three quarters of the time for the
// stop have passed. A *[StopError] names each worker that does not return in time, with the stack in which it
// hangs. Go cannot end a goroutine from outside: such a worker goes on, but no new run of it begins.
//
// [Fx]: https://github.com/uber-go/fx
package workerfx
