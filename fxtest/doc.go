// Package fxtest runs the workers of an Fx app in a test, and gives the test their reports, log records, spans and
// metrics.
//
//	func TestMailerGivesUp(t *testing.T) {
//		synctest.Test(t, func(t *testing.T) { // where an hour takes no time
//			app := fxtest.New(t, workerfx.ProvideWorker(NewMailer,
//				workerfx.WithName("mailer"),
//				workerfx.WithMaxAttempts(3),
//				workerfx.WithBackoff(workerfx.StaticBackoff{Sleep: time.Hour}),
//			)).RequireStart()
//
//			e := app.AwaitStatus("mailer", workerfx.StatusError)
//
//			require.EqualValues(t, 3, e.Runs)
//			require.ErrorContains(t, e.Err, "server is down")
//			require.EqualValues(t, 3, app.Metric("worker_executions_total", "worker", "mailer", "status", "error"))
//			require.Equal(t, "dialing", app.Logs("mailer")[1].Message) // after the pool's "worker started"
//		})
//	}
//
// [RunOnce] runs one worker once, without an app:
//
//	e := fxtest.RunOnce(t, NewMailer())
//	require.ErrorContains(t, e.Err, "server is down")
//
// # Waiting
//
// [App.AwaitStatus], [App.AwaitRuns], [App.AwaitEvent] and [App.AwaitReady] wait for the workers. [App.Trigger] makes a
// scheduled worker run now, and waits for the end of this run. If a wait takes too long, the test fails with the reports on
// the workers and the last log lines. A test that fails for another reason shows them, too.
//
// # Faults
//
// [Failing], [Panicking] and [Stubborn] are middleware that makes a worker misbehave:
//
//	workerfx.ProvideWorker(NewMailer, workerfx.WithMiddleware(fxtest.Failing(2, errors.New("server is down"))))
//
// # What the app is given
//
// [New] adds workerfx.Module, a logger, a tracer provider and a metrics registry, as these types:
//
//	zerolog.Logger            *zerolog.Logger       *slog.Logger
//	*sdktrace.TracerProvider  trace.TracerProvider
//	*prometheus.Registry      prometheus.Registerer  prometheus.Gatherer
//
// Constructors may take them. The app may provide them, too, and may have the module. Then the app's module is
// used, and the test's logger, tracer provider and registry replace those of the app, whose constructors are not
// called. So a test can use the options of main. Private values of the app's modules are not replaced.
//
// fx.Decorate and fx.Replace work on the values of the test: a decorated first type of a line above is also used
// for the other types. If the app both provides and decorates a type at the top level, the app's value is used, as
// Fx decorates a type only once. [App.Logs] does not have the records of such a logger.
//
// # Time
//
// Everything works inside of a [testing/synctest] bubble, with the clock of the bubble. Give New the bubble's t, so
// that the app stops before the bubble ends.
//
// Handlers of durable jobs are tested with the package queuetest of the module queue. docs/testing.md has examples of
// everything.
package fxtest
