package workerfx_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/dig"
	"go.uber.org/fx"
	"go.yaml.in/yaml/v2"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/fxtest"
)

// Poller asks a feed for news. It is a worker: it has a method Run(ctx) error.
type Poller struct{ polls int }

// NewPoller may take whatever the app provides, as every constructor under Fx.
func NewPoller() *Poller { return &Poller{} }

// Run works until it is asked to stop. The pool calls it again when it fails.
func (p *Poller) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		p.polls++
		if p.polls%3 == 0 {
			return errors.New("the feed does not answer")
		}
		workerfx.CtxLogger(ctx).Info().Int("poll", p.polls).Msg("no news")
		workerfx.Wait(ctx, time.Second) // ends early when the worker is asked to stop
	}
	return ctx.Err() // it was asked to stop, so this is no failure
}

// NewLogger makes the app's logger. The pool finds it by itself.
func NewLogger() zerolog.Logger {
	return zerolog.New(zerolog.NewConsoleWriter()).With().Timestamp().Logger()
}

// A worker in an Fx app: it starts with the app, fails now and then, is run again, and stops with the app.
func Example() {
	shown := make(chan struct{})
	app := fx.New(
		fx.Decorate(func(zerolog.Logger) zerolog.Logger { return firstPoll(shown) }),
		fx.Provide(NewLogger),
		workerfx.Module,
		workerfx.ProvideWorker(NewPoller,
			workerfx.WithName("poller"),
			workerfx.WithMaxAttempts(0), // run it again whenever it fails ...
			workerfx.WithBackoff(workerfx.ExponentialBackoff{Initial: time.Second, Jitter: 0.5}), // ... but not at once
		),
	)
	_ = app.Start(context.Background())
	<-shown
	fmt.Println(app.Stop(context.Background()))
	// Output:
	// INF no news poll=1 worker=poller
	// <nil>
}

// firstPoll is a logger that prints the first line of a poll, without what changes from run to run, and
// then closes shown.
func firstPoll(shown chan<- struct{}) zerolog.Logger {
	console := zerolog.NewConsoleWriter(func(w *zerolog.ConsoleWriter) {
		w.Out, w.NoColor = os.Stdout, true
		w.PartsExclude, w.FieldsExclude = []string{"time"}, []string{"workerExecutionID"}
	})
	var once sync.Once
	return zerolog.New(writerFunc(func(line []byte) {
		if bytes.Contains(line, []byte(`"poll"`)) {
			once.Do(func() {
				_, _ = console.Write(line)
				close(shown)
			})
		}
	}))
}

type writerFunc func([]byte)

func (w writerFunc) Write(line []byte) (int, error) {
	w(line)
	return len(line), nil
}

// GitHub configures its own workers, "github/commits" and "github/reviews". It is a group.
type GitHub struct{}

func NewGitHub() *GitHub { return &GitHub{} }

func (*GitHub) Name() string { return "github" }

func (g *GitHub) Workers() []workerfx.Worker {
	return []workerfx.Worker{
		workerfx.NewWorker("commits", g.fetchCommits, workerfx.WithRunTimeout(time.Minute)),
		workerfx.NewWorker("reviews", g.fetchReviews, workerfx.WithMaxAttempts(5)),
	}
}

func (*GitHub) fetchCommits(ctx context.Context) error { return untilStopped(ctx) }
func (*GitHub) fetchReviews(ctx context.Context) error { return untilStopped(ctx) }

func ExampleProvideWorker_group() {
	var pool *workerfx.Pool
	app := fx.New(
		fx.NopLogger,
		workerfx.Module,
		workerfx.ProvideWorker(NewGitHub, workerfx.WithMaxAttempts(0)), // for those that do not say otherwise
		fx.Populate(&pool),
	)
	_ = app.Start(context.Background())
	_ = app.Stop(context.Background())
	for _, e := range pool.Executions() {
		fmt.Println(e.Worker, e.Status, e.MaxAttempts)
	}
	// Output:
	// github/commits stopped 0
	// github/reviews stopped 5
}

// Clock is something that an app needs anyway, and that has a Run method.
type Clock struct{ ticks chan time.Time }

func NewClock() *Clock { return &Clock{ticks: make(chan time.Time)} }

func (c *Clock) Run(ctx context.Context) error { return untilStopped(ctx) }

func ExampleUseWorker() {
	var pool *workerfx.Pool
	app := fx.New(
		fx.NopLogger,
		workerfx.Module,
		fx.Provide(NewClock), // anybody may ask for the *Clock ...
		workerfx.UseWorker[*Clock](workerfx.WithName("clock"), workerfx.WithEssential()), // ... and the pool runs it
		fx.Populate(&pool),
	)
	fmt.Println(app.Err())
	e, err := pool.Execution("clock")
	fmt.Println(e.Worker, e.Status, err)
	// Output:
	// <nil>
	// clock pending <nil>
}

func ExamplePool_Run() {
	ctx, cancel := context.WithCancel(context.Background())
	greet := func(context.Context) error {
		fmt.Println("hello")
		cancel()
		return nil
	}

	run := func(ctx context.Context) error {
		pool, err := workerfx.NewPool()
		if err != nil {
			return err
		}
		if err := pool.Add(workerfx.NewWorker("greeter", greet)); err != nil {
			return err
		}
		return pool.Run(ctx) // until ctx ends or an essential worker is done
	}

	fmt.Println(run(ctx))
	// Output:
	// hello
	// <nil>
}

func ExampleRunDig() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()

	run := func(ctx context.Context) error {
		c := dig.New()
		if err := workerfx.ProvideDig(c, NewClock, workerfx.WithName("clock")); err != nil {
			return err
		}
		return workerfx.RunDig(ctx, c)
	}

	fmt.Println(run(ctx))
	// Output: <nil>
}

func ExamplePool_Executions() {
	pool, _ := workerfx.NewPool(workerfx.WithLogger(zerolog.Nop()))
	_ = pool.Add(workerfx.NewWorker("mailer", untilStopped))
	_ = pool.Add(workerfx.NewWorker("import", func(context.Context) error { return errors.New("no such file") }))
	_ = pool.Start(context.Background())
	awaitStatus(pool, "mailer", workerfx.StatusRunning)
	awaitStatus(pool, "import", workerfx.StatusError)

	for _, e := range pool.Executions() {
		fmt.Printf("%s: %v, runs %d, last failure: %v\n", e.Worker, e.Status, e.Runs, e.Err)
	}

	_ = pool.Stop(context.Background())
	// Output:
	// import: error, runs 1, last failure: no such file
	// mailer: running, runs 1, last failure: <nil>
}

// awaitStatus waits until a worker has that status. In tests of your own, fxtest does that.
func awaitStatus(pool *workerfx.Pool, worker string, status workerfx.Status) {
	for e, _ := pool.Execution(worker); e.Status != status; e, _ = pool.Execution(worker) {
		time.Sleep(time.Millisecond)
	}
}

func ExamplePool_Stop() {
	release := make(chan struct{})
	pool, _ := workerfx.NewPool(workerfx.WithLogger(zerolog.Nop()))
	_ = pool.Add(workerfx.NewWorker("stubborn", stubborn(release)))
	_ = pool.Start(context.Background())
	awaitStatus(pool, "stubborn", workerfx.StatusRunning)

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()

	err := pool.Stop(ctx)
	if stop, ok := errors.AsType[*workerfx.StopError](err); ok {
		for _, s := range stop.Stragglers {
			fmt.Fprintf(os.Stderr, "%v hangs in\n%s", s, s.Stack)
		}
	}

	fmt.Println(err)
	close(release)
	fmt.Println(pool.Stop(context.Background()))
	// Output:
	// 1 did not stop in time: "stubborn"
	// <nil>
}

func ExampleCtxLogger() {
	importFiles := func(ctx context.Context) error {
		ctx, span := workerfx.CtxTracer(ctx).Start(ctx, "import") // has the attributes Worker and WorkerExecutionID
		defer span.End()
		workerfx.CtxLogger(ctx).Info().Msg("importing") // has the fields worker and workerExecutionID
		return nil
	}

	pool, _ := workerfx.NewPool(
		workerfx.WithLogger(zerolog.New(writerFunc(func(line []byte) {
			if bytes.Contains(line, []byte("importing")) { // leaves out what the pool itself has to say
				fmt.Print(string(line))
			}
		}))),
		workerfx.WithIDGenerator(func() string { return "c0ffee" }),
	)
	_ = pool.Add(workerfx.NewWorker("import", importFiles))
	_ = pool.Start(context.Background())
	awaitStatus(pool, "import", workerfx.StatusSuccess)
	_ = pool.Stop(context.Background())
	// Output:
	// {"level":"info","worker":"import","workerExecutionID":"c0ffee","message":"importing"}
}

func ExampleWithMiddleware() {
	announced := func(next workerfx.RunFunc) workerfx.RunFunc {
		return func(ctx context.Context) error {
			fmt.Println(workerfx.CtxWorkerName(ctx), "runs, attempt", workerfx.CtxAttempt(ctx))
			return next(ctx)
		}
	}

	pool, _ := workerfx.NewPool(workerfx.WithLogger(zerolog.Nop()))
	_ = pool.Add(
		workerfx.NewWorker("import", func(context.Context) error { return errors.New("no such file") }),
		workerfx.WithMiddleware(announced),
		workerfx.WithMaxAttempts(2),
	)
	_ = pool.Start(context.Background())
	awaitStatus(pool, "import", workerfx.StatusError)
	_ = pool.Stop(context.Background())
	// Output:
	// import runs, attempt 1
	// import runs, attempt 2
}

// NewConfig reads the workers' part of the app's configuration.
func NewConfig() (workerfx.Config, error) {
	var file struct{ Worker workerfx.Config }
	data, err := os.ReadFile("config.yaml")
	if err == nil {
		err = yaml.UnmarshalStrict(data, &file) // an unknown field is an error
	}
	return file.Worker, err
}

// Feeds reads two feeds side by side.
type Feeds struct{ news int }

// Run reads two feeds side by side. If one of them fails or panics, both end, and the run has failed.
func (f *Feeds) Run(ctx context.Context) error {
	return errors.Join(
		workerfx.Go(ctx, f.readNews),
		workerfx.Go(ctx, f.readWeather),
	)
}

func (f *Feeds) readNews(ctx context.Context) error {
	f.news++
	<-ctx.Done()
	return ctx.Err()
}

func (*Feeds) readWeather(context.Context) error { panic("no weather today") }

func ExampleGo() {
	err := workerfx.RunAll(context.Background(), workerfx.NewWorker("feeds", new(Feeds).Run))
	fmt.Println(err)
	// Output:
	// worker "feeds": essential worker exited prematurely
	// panic: no weather today
}

func TestPollerIsRunAgainAfterAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // on fake time: hours pass in no time
		app := fxtest.New(t,
			workerfx.ProvideWorker(NewPoller, workerfx.WithName("poller"), workerfx.WithMaxAttempts(0)),
		).RequireStart()

		e := app.AwaitRuns("poller", 2)

		require.ErrorContains(t, e.Err, "does not answer")
		require.Equal(t, 1.0, app.Metric("worker_executions_total", "worker", "poller", "status", "restarted"))
		require.Equal(t, "no news", app.Logs("poller")[1].Message)
	})
}

func TestConfigurationInTheDocsIsAccepted(t *testing.T) {
	config := blocks(t, "docs/configuration.md", "yaml")[0]
	t.Chdir(t.TempDir())
	require.NoError(t, os.WriteFile("config.yaml", []byte(config), 0o600))
	require.NoError(t, yaml.UnmarshalStrict([]byte(config), &struct{ Worker workerfx.Config }{}))

	app := fxtest.New(t,
		fx.Provide(NewConfig),
		workerfx.ProvideWorker(NewPoller, workerfx.WithName("poller")),
		workerfx.ProvideWorker(NewGitHub),
	)

	for _, e := range app.Pool.Executions() {
		assert.Contains(t, []string{"github/commits", "poller"}, e.Worker)
		assert.Zero(t, e.MaxAttempts, e.Worker)
	}
}
