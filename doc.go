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
// A [Worker] is something with Run(ctx) error; it has a name that is unique in its [Pool]. A [Group]
// configures workers of its own, which are named "group/worker". A run is one call of Run; each run has
// its own execution ID. An attempt is the how-manieth run in a row since the last success. An
// [Execution] is the report on a worker, always a copy.
//
// # Wiring
//
// Under Fx, [Module] makes the pool, and [ProvideWorker] and [UseWorker] put workers into it. With dig
// alone, [ProvideDig] and [RunDig] do. With neither, [NewPool], [Pool.Add] and [Pool.Run] are all there is
// to it. A pool uses the app's logger, tracer provider and metrics registry if it has them, and needs none.
//
// # The life of a worker
//
// One goroutine, its supervisor, walks each worker through these states:
//
//	           Start
//	pending ----+-----------------------> running --+-- nil, ErrDoNotRestart ---> success
//	            |                          ^   ^    |
//	            | deferred start           |   |    +-- failed for good --------> error
//	            v                          |   |    |
//	        deferred ----------------------+   |    +-- obeyed a stop --------+
//	            |                              |    |                         |
//	            |                              |    +-- failed                |
//	            |                              |    v                         v
//	            |     backoff, failure limit   +-- waiting ----------------> stopped
//	            |                                          Stop               ^
//	            +-------------------------------------------------------------+
//	                                   Stop
//
// No run begins once the worker was asked to stop, and what is waiting then stops at once.
//
// # What a run's end means
//
//	Run ends with              while the pool is up             while the worker is stopping
//	-------------------------  -------------------------------  -------------------------------
//	nil                        success; it is done              success
//	ErrDoNotRestart            success; it is done              stopped
//	an error that wraps        error; it is done                stopped
//	ErrDoNotRestart
//	its context's error or     a failed attempt: nobody asked   stopped: to obey is no failure
//	cause, also wrapped        it to stop (see the next line)
//	any other error, a panic,  a failed attempt: backoff, then  error; it is not run again
//	runtime.Goexit             the next one; after the last
//	                           one, error
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
//	run timeout    none                                         WithRunTimeout
//	stop timeout   none of its own: what Stop is given          WithStopTimeout
//	essential      no                                           WithEssential
//	events kept    the last 32                                  WithEvents
//
// [Pool.Run] gives a stop 15s ([Config.StopTimeout]). Under Fx the app's own stop timeout rules, less a
// tenth of it, a second at most, for the hooks behind the pool.
//
// [Config] sets the same for all workers, or for one by its name, from a file. A worker's own options win
// over what the configuration says for all; what it says for the worker's name wins over both.
//
// # Stopping
//
// [Pool.Stop] ends the contexts of all runs, with [ErrStopping] as their cause, and waits. A worker that
// does not return in time is named in a *[StopError], together with the stack it hangs in. Go cannot end
// a goroutine from outside: such a worker goes on, but no new run of it begins.
//
// [Fx]: https://github.com/uber-go/fx
package workerfx
