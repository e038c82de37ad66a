// Package fxtest runs the workers of an Fx app in a test and shows what they did: their reports, log
// records, spans and metrics.
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
// # What the app is given
//
// [New] adds workerfx.Module, a logger, a tracer provider and a metrics registry, each as the types that
// the module takes:
//
//	zerolog.Logger            *zerolog.Logger
//	*sdktrace.TracerProvider  trace.TracerProvider
//	*prometheus.Registry      prometheus.Registerer  prometheus.Gatherer
//
// Constructors may ask for them. An app may bring them along, and the module too: its module is used then, and
// its logger, tracer provider and registry are replaced by those of the test, without being made. So a
// test can run the very options that main does. What a module of the app keeps private stays its own.
//
// The test's own ones are there to be decorated, by fx.Decorate or fx.Replace: the first type of each line
// above carries over to the others. One that the app both provides and decorates at the top level stays
// the app's, as Fx decorates a type only once; what goes to such a logger does not reach [App.Logs].
//
// # Time
//
// Everything works inside a [testing/synctest] bubble, and does its waiting on the bubble's clock. Give
// New the bubble's own t, so that the app stops before the bubble ends.
package fxtest
