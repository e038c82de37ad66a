package fxtest_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/fxtest"
)

type Mailer struct{}

func NewMailer() *Mailer { return &Mailer{} }

func (*Mailer) Run(ctx context.Context) error {
	workerfx.CtxLogger(ctx).Info().Msg("dialing")
	return errors.New("server is down")
}

// NewServer makes a worker that runs until it is stopped.
func NewServer() workerfx.Worker {
	return workerfx.NewWorker("server", func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	})
}

// NewImporter makes a worker that has something to do once.
func NewImporter() workerfx.Worker {
	return workerfx.NewWorker("importer", func(context.Context) error { return nil })
}

// TestMailerGivesUp is the example of the package's comment.
func TestMailerGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // where an hour takes no time
		app := fxtest.New(t, workerfx.ProvideWorker(NewMailer,
			workerfx.WithName("mailer"),
			workerfx.WithMaxAttempts(3),
			workerfx.WithBackoff(workerfx.StaticBackoff{Sleep: time.Hour}),
		)).RequireStart()

		e := app.AwaitStatus("mailer", workerfx.StatusError)

		require.EqualValues(t, 3, e.Runs)
		require.ErrorContains(t, e.Err, "server is down")
		require.EqualValues(t, 3, app.Metric("worker_executions_total", "worker", "mailer", "status", "error"))
		require.Equal(t, "dialing", app.Logs("mailer")[1].Message) // after the pool's "worker started"
	})
}

func TestMailerFailsWithoutItsServer(t *testing.T) {
	e := fxtest.RunOnce(t, NewMailer())
	require.Equal(t, workerfx.StatusError, e.Status)
	require.ErrorContains(t, e.Err, "server is down")
}

func TestServerObeysItsRunTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := fxtest.RunOnce(t, NewServer(), workerfx.WithRunTimeout(time.Hour))
		require.ErrorIs(t, e.Err, context.DeadlineExceeded)
	})
}

// MainOptions are the options that main gives to fx.New.
func MainOptions() fx.Option {
	return fx.Options(
		workerfx.Module,
		workerfx.ProvideWorker(NewServer),
		workerfx.ProvideWorker(NewImporter, workerfx.WithCron("30 4 * * *")),
	)
}

func TestAppImportsAtNight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := fxtest.New(t, MainOptions()).RequireStart().AwaitReady()

		app.Trigger("importer")           // now, and returns when this run has ended
		e := app.AwaitRuns("importer", 2) // at half past four
		require.Equal(t, 4, e.StartedAt.Hour())

		require.NoError(t, app.Pool.Health())
		app.RequireStop()
	})
}

func TestImporterTriesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := fxtest.New(t, workerfx.ProvideWorker(NewImporter, workerfx.WithMaxAttempts(0),
			workerfx.WithMiddleware(fxtest.Failing(2, errors.New("server is down"))))).RequireStart()

		e := app.AwaitStatus("importer", workerfx.StatusSuccess)
		require.EqualValues(t, 3, e.Runs)
		synctest.Wait()                         // its end is logged once it has its status
		require.Len(t, app.Logs("importer"), 6) // a start and an end of each run
	})
}

func TestStopDoesNotWaitForAStubbornServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := fxtest.New(t, workerfx.ProvideWorker(NewServer, workerfx.WithStopTimeout(time.Second),
			workerfx.WithMiddleware(fxtest.Stubborn(time.Hour)))).RequireStart().AwaitReady()

		var stop *workerfx.StopError
		require.ErrorAs(t, app.Stop(t.Context()), &stop)
		require.Equal(t, "server", stop.Stragglers[0].Worker)
	})
}

// Run a worker once, and look at its report.
func ExampleRunOnce() {
	t := &fakeTB{} // a test has its own t
	e := fxtest.RunOnce(t, NewMailer(), workerfx.WithName("mailer"))
	fmt.Println(e.Worker, e.Status, e.Err)
	// Output: mailer error server is down
}

// Run a nightly worker now.
func ExampleApp_Trigger() {
	t := &fakeTB{} // a test has its own t
	app := fxtest.New(t, workerfx.ProvideWorker(NewMailer, workerfx.WithName("mailer"), workerfx.WithCron("@daily"))).RequireStart()
	e := app.Trigger("mailer")
	fmt.Println(e.Runs, "run:", e.Err)
	app.RequireStop()
	// Output: 1 run: server is down
}

// Wait until a worker has failed.
func ExampleApp_AwaitEvent() {
	t := &fakeTB{} // a test has its own t
	app := fxtest.New(t, workerfx.ProvideWorker(NewMailer, workerfx.WithName("mailer"))).RequireStart()
	e := app.AwaitEvent("mailer", workerfx.EventFailed)
	fmt.Println(e.Events[len(e.Events)-1].Message)
	app.RequireStop()
	// Output: failed: server is down
}

// Wait until all workers can do their work.
func ExampleApp_AwaitReady() {
	t := &fakeTB{} // a test has its own t
	app := fxtest.New(t, workerfx.ProvideWorker(NewServer)).RequireStart().AwaitReady()
	fmt.Println(app.Pool.Health())
	app.RequireStop()
	// Output: <nil>
}

// A worker that works well at its third attempt.
func ExampleFailing() {
	t := &fakeTB{} // a test has its own t
	app := fxtest.New(t, workerfx.ProvideWorker(NewImporter, workerfx.WithMaxAttempts(3),
		workerfx.WithMiddleware(fxtest.Failing(2, errors.New("server is down"))))).RequireStart()
	e := app.AwaitStatus("importer", workerfx.StatusSuccess)
	fmt.Println(e.Runs, "runs,", e.Failures, "failures")
	app.RequireStop()
	// Output: 3 runs, 2 failures
}

// A worker that panics. The process lives, and the worker has another attempt.
func ExamplePanicking() {
	t := &fakeTB{} // a test has its own t
	app := fxtest.New(t, workerfx.ProvideWorker(NewImporter, workerfx.WithMaxAttempts(2),
		workerfx.WithMiddleware(fxtest.Panicking(1, "no such key")))).RequireStart()
	e := app.AwaitStatus("importer", workerfx.StatusSuccess)
	fmt.Println(e.HasEvent("failed: panic: no such key"), app.Metric("worker_panics_total", "worker", "importer"))
	app.RequireStop()
	// Output: true 1
}

// A worker that ignores its context for longer than it may.
func ExampleStubborn() {
	t := &fakeTB{} // a test has its own t
	app := fxtest.New(t, workerfx.ProvideWorker(NewServer, workerfx.WithName("server"), workerfx.WithStopTimeout(time.Millisecond),
		workerfx.WithMiddleware(fxtest.Stubborn(time.Second)))).RequireStart()
	app.AwaitRuns("server", 1)
	err := app.Stop(context.Background())
	fmt.Println(err)
	app.AwaitStatus("server", workerfx.StatusStopped)
	// Output: 1 did not stop in time: "server"
}
