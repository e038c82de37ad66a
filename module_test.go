package workerfx_test

import (
	"context"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/dig"
	"go.uber.org/fx"
	"go.uber.org/fx/fxtest"

	"github.com/workerfx/workerfx"
)

// job is a worker type of an app.
type job struct{ runs chan string }

func (j *job) Run(ctx context.Context) error {
	j.runs <- workerfx.CtxWorkerName(ctx)
	return untilStopped(ctx)
}

type jobParams struct {
	fx.In

	Runs   chan string
	Suffix string `optional:"true"`
}

func newJob(p jobParams) *job { return &job{runs: p.Runs} }

func newJobOrError(runs chan string) (workerfx.Worker, error) { return &job{runs}, nil }

type fetcher struct{ runs chan string }

func newFetcher(runs chan string) *fetcher { return &fetcher{runs} }

func (f *fetcher) Workers() []workerfx.Worker {
	run := (&job{f.runs}).Run
	return []workerfx.Worker{workerfx.NewWorker("commits", run), workerfx.With(workerfx.NewWorker("prs", run), workerfx.WithName("pulls"))}
}

func newFetcherGroup(runs chan string) (workerfx.Group, error) { return newFetcher(runs), nil }

// app is an app that is quiet, and whose workers say in a channel that they run.
func app(t *testing.T, opts ...fx.Option) (*fxtest.App, chan string) {
	t.Helper()
	runs := make(chan string, 100)
	opts = append(opts, fx.Supply(runs), fx.NopLogger, workerfx.Module)
	return fxtest.New(t, opts...), runs
}

func TestModuleAloneStartsAndStops(t *testing.T) {
	fxtest.New(t, fx.NopLogger, workerfx.Module).RequireStart().RequireStop()
}

func TestWorkersOfEveryShapeRunWithoutAnInvoke(t *testing.T) {
	tests := map[string]struct {
		option fx.Option
		names  []string
	}{
		"fx.In, own type":       {workerfx.ProvideWorker(newJob), []string{"workerfx_test.job"}},
		"interface and error":   {workerfx.ProvideWorker(newJobOrError, workerfx.WithName("named")), []string{"named"}},
		"group, own type":       {workerfx.ProvideWorker(newFetcher), []string{"workerfx_test.fetcher/commits", "workerfx_test.fetcher/pulls"}},
		"group, interface":      {workerfx.ProvideWorker(newFetcherGroup, workerfx.WithName("git")), []string{"git/commits", "git/pulls"}},
		"two of one type":       {fx.Options(workerfx.ProvideWorker(newJob, workerfx.WithName("a")), workerfx.ProvideWorker(newJob, workerfx.WithName("b"))), []string{"a", "b"}},
		"one that the app uses": {fx.Options(fx.Provide(newJob), workerfx.UseWorker[*job](workerfx.WithName("used")), fx.Invoke(func(*job) {})), []string{"used"}},
		"annotated parameters": {fx.Options(fx.Supply(fx.Annotated{Name: "r", Target: "x"}), workerfx.ProvideWorker(
			fx.Annotate(func(runs chan string, _ string) *job { return &job{runs} }, fx.ParamTags(``, `name:"r"`)), workerfx.WithName("annotated"))), []string{"annotated"}},
		"straight into the group": {fx.Provide(fx.Annotate(newJob, fx.As(new(workerfx.Worker)), fx.ResultTags(`group:"workers"`))), []string{"workerfx_test.job"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			a, runs := app(t, test.option)
			a.RequireStart()
			var got []string
			for range test.names {
				got = append(got, <-runs)
			}
			assert.ElementsMatch(t, test.names, got)
			a.RequireStop()
		})
	}
}

func newNilJob() *job               { return nil }
func newNilWorker() workerfx.Worker { return nil }
func newNilGroup() workerfx.Group   { return nil }
func newBrokenJob() (*job, error)   { return nil, errBoom }
func newString() string             { return "" }
func newValueJob() job              { return job{} }
func newNothing()                   {}
func newTwo() (*job, *job)          { return nil, nil }
func newWithNil() workerfx.Group    { return groupOf{nil} }
func newTwins() workerfx.Group {
	return groupOf{workerfx.NewWorker("a", untilStopped), workerfx.NewWorker("a", untilStopped)}
}
func newUnnamed() workerfx.Worker { return workerfx.NewWorker("", untilStopped) }
func newNegative() workerfx.Worker {
	return workerfx.NewWorker("x", untilStopped, workerfx.WithDeferredStart(-time.Second))
}
func newBodiless() workerfx.Worker { return workerfx.NewWorker("bodiless", nil) }
func newBoth() both                { return both{} }

type groupOf []workerfx.Worker

func (g groupOf) Workers() []workerfx.Worker { return g }

type both struct{}

func (both) Run(context.Context) error  { return nil }
func (both) Workers() []workerfx.Worker { return nil }

func TestWiringErrorsNameTheConstructorOrTheWorker(t *testing.T) {
	tests := map[string]struct {
		option fx.Option
		want   []string
	}{
		"nil pointer":           {workerfx.ProvideWorker(newNilJob), []string{"workerfx_test.newNilJob", "nil"}},
		"nil worker":            {workerfx.ProvideWorker(newNilWorker), []string{"workerfx_test.newNilWorker", "nil"}},
		"nil group":             {workerfx.ProvideWorker(newNilGroup), []string{"workerfx_test.newNilGroup", "nil"}},
		"constructor error":     {workerfx.ProvideWorker(newBrokenJob), []string{"newBrokenJob", "boom"}},
		"something else":        {workerfx.ProvideWorker(newString), []string{"workerfx_test.newString", "string"}},
		"pointer methods":       {workerfx.ProvideWorker(newValueJob), []string{"workerfx_test.newValueJob", "*workerfx_test.job"}},
		"no result":             {workerfx.ProvideWorker(newNothing), []string{"workerfx_test.newNothing", "return"}},
		"two results":           {workerfx.ProvideWorker(newTwo), []string{"workerfx_test.newTwo"}},
		"no function":           {workerfx.ProvideWorker(42), []string{"int", "constructor"}},
		"nil":                   {workerfx.ProvideWorker(nil), []string{"constructor"}},
		"worker and group":      {workerfx.ProvideWorker(newBoth), []string{"workerfx_test.newBoth"}},
		"nil in a group":        {workerfx.ProvideWorker(newWithNil), []string{`group "workerfx_test.groupOf"`, "worker 1 is nil"}},
		"twins in a group":      {workerfx.ProvideWorker(newTwins), []string{`worker "workerfx_test.groupOf/a"`, "already"}},
		"two of one name":       {fx.Options(workerfx.ProvideWorker(newJob), workerfx.ProvideWorker(newJob)), []string{`worker "workerfx_test.job"`, "WithName"}},
		"empty name":            {workerfx.ProvideWorker(newUnnamed), []string{"name", "empty"}},
		"bad option":            {workerfx.ProvideWorker(newNegative), []string{`worker "x"`, "deferred start -1s"}},
		"nil run function":      {workerfx.ProvideWorker(newBodiless), []string{`worker "bodiless"`, "nil"}},
		"nil option":            {workerfx.ProvideWorker(newJob, nil), []string{"option 1 is nil"}},
		"bad config":            {fx.Supply(workerfx.Config{StopTimeout: -1}), []string{"stop timeout -1ns"}},
		"config of no worker":   {fx.Supply(workerfx.Config{Workers: map[string]workerfx.WorkerConfig{"x": {}}}), []string{`"x"`, "unknown worker"}},
		"nil middleware":        {fx.Options(workerfx.ProvideWorker(newJob), workerfx.ProvideMiddleware(func() workerfx.Middleware { return nil })), []string{"TestWiringErrors", "nil"}},
		"worker of wrong scope": {workerfx.UseWorker[*job](), []string{"*workerfx_test.job"}},
		"config in two forms":   {fx.Supply(workerfx.Config{Name: "a b!"}), []string{`name "a b!"`}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			a := fx.New(fx.NopLogger, workerfx.Module, fx.Supply(make(chan string, 9)), test.option)
			require.Error(t, a.Err())
			for _, want := range test.want {
				assert.ErrorContains(t, a.Err(), want)
			}
		})
	}
}

func TestAllBadWorkersAreReportedAtOnce(t *testing.T) {
	a := fx.New(fx.NopLogger, workerfx.Module, workerfx.ProvideWorker(newUnnamed), workerfx.ProvideWorker(newNegative))
	assert.ErrorContains(t, a.Err(), "empty")
	assert.ErrorContains(t, a.Err(), "deferred start -1s")
}

// A worker that is refused is in no pool. That is no reason to call its name in the configuration unknown.
func TestARefusedWorkerIsReportedOnce(t *testing.T) {
	type workers = map[string]workerfx.WorkerConfig
	bad := workerfx.WorkerConfig{MaxAttempts: new(-1)}
	tests := map[string]struct {
		config workerfx.Config
		opts   []workerfx.Option // of the worker and the group
		want   []string
	}{
		"worker":          {workerfx.Config{Workers: workers{"mailer": bad}}, nil, []string{`worker "mailer": max attempts -1: must not be negative`}},
		"worker of group": {workerfx.Config{Workers: workers{"git/pulls": bad}}, nil, []string{`worker "git/pulls": max attempts -1: must not be negative`}},
		"group": {workerfx.Config{Workers: workers{"git": bad}}, nil, []string{
			`worker "git/commits": max attempts -1: must not be negative`, `worker "git/pulls": max attempts -1: must not be negative`,
		}},
		"bad options": {workerfx.Config{Workers: workers{"git/pulls": {}}, Only: []string{"mailer", "git"}}, []workerfx.Option{nil}, []string{
			`worker "mailer": option 2 is nil`, `group "workerfx_test.groupOf": option 2 is nil`,
		}},
		"an unknown name beside it": {workerfx.Config{Workers: workers{"mailer": bad, "mialer": {}}}, nil, []string{
			`worker "mailer": max attempts -1: must not be negative`,
			`pool: config names worker "mialer": unknown worker; did you mean "mailer"?`,
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			named := func(name string) []workerfx.Option {
				return append([]workerfx.Option{workerfx.WithName(name)}, test.opts...)
			}
			a := fx.New(fx.NopLogger, workerfx.Module, fx.Supply(test.config),
				workerfx.ProvideWorker(func() workerfx.Worker { return workerfx.NewWorker("mailer", untilStopped) }, named("mailer")...),
				workerfx.ProvideWorker(func() groupOf {
					return groupOf{workerfx.NewWorker("commits", untilStopped), workerfx.NewWorker("pulls", untilStopped)}
				}, named("git")...))
			assert.EqualError(t, a.Err(), strings.Join(test.want, "\n"))
		})
	}
}

func TestMiddlewareOfTheAppWrapsEveryWorker(t *testing.T) {
	var order []string
	named := func(name string) workerfx.Middleware {
		return func(next workerfx.RunFunc) workerfx.RunFunc {
			return func(ctx context.Context) error {
				order = append(order, name)
				return next(ctx)
			}
		}
	}
	a, runs := app(t,
		workerfx.ProvideWorker(newJob, workerfx.WithMiddleware(named("first"), named("second")), workerfx.WithMiddleware(named("third"))),
		workerfx.ProvideMiddleware(func() workerfx.Middleware { return named("app") }))
	a.RequireStart()
	<-runs
	a.RequireStop()
	assert.Equal(t, []string{"app", "first", "second", "third"}, order)
}

func TestEssentialWorkerShutsTheAppDown(t *testing.T) {
	var log logBuffer
	a, _ := app(t, fx.Supply(log.logger()), workerfx.ProvideWorker(func() workerfx.Worker {
		return workerfx.NewWorker("core", func(context.Context) error { return errBoom }, workerfx.WithEssential())
	}))
	a.RequireStart()
	assert.Equal(t, 1, (<-a.Wait()).ExitCode)
	a.RequireStop()
	record := log.find(t, "essential worker is done, the pool stops")
	assert.Equal(t, "core", record["worker"])
	assert.Contains(t, record["error"], "boom")
}

func TestStopHookLeavesTimeForTheHooksBehindIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		closed := false
		var log logBuffer
		a := fx.New(fx.NopLogger, fx.StopTimeout(10*time.Second), fx.Supply(log.logger()),
			fx.Invoke(func(lc fx.Lifecycle) { lc.Append(fx.StopHook(func() { closed = true })) }), // behind the pool's: starts first
			workerfx.Module,
			workerfx.ProvideWorker(func() workerfx.Worker { return workerfx.NewWorker("stubborn", stubborn(release)) }))
		require.NoError(t, a.Start(t.Context()))
		synctest.Wait()
		start := time.Now()
		err := a.Stop(within(t, 10*time.Second))
		var stop *workerfx.StopError
		require.ErrorAs(t, err, &stop)
		assert.Equal(t, 9*time.Second, time.Since(start))
		assert.True(t, closed, "the database was closed")
		record := log.find(t, "worker did not stop in time")
		assert.Equal(t, "stubborn", record["worker"])
		assert.Contains(t, record["stack"], "stubborn")
	})
}

func TestStartHookWaitsForWorkersWithReadiness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d journal
		behind := false
		a := fx.New(fx.NopLogger, workerfx.Module,
			workerfx.ProvideWorker(func() workerfx.Worker { return d.worker("api", after("db")) }),
			workerfx.ProvideWorker(func() workerfx.Worker { return d.worker("db") }),
			workerfx.ProvideWorker(func() workerfx.Worker { // those without are not waited for
				return workerfx.NewWorker("later", untilStopped, workerfx.WithDeferredStart(time.Hour))
			}),
			workerfx.ProvideWorker(func() workerfx.Worker { return workerfx.NewWorker("failed", fails) }),
			fx.Invoke(func(lc fx.Lifecycle, _ *workerfx.Pool) { lc.Append(fx.StartHook(func() { behind = true })) }))
		start := time.Now()
		require.NoError(t, a.Start(within(t, 15*time.Second)))
		assert.Equal(t, 2*time.Second, time.Since(start))
		assert.True(t, behind)
		require.NoError(t, a.Stop(within(t, 15*time.Second)))
		assert.Equal(t, []string{"+db", "+api", "-api", "-db"}, d.read())
	})
}

func TestStartHookSaysWhoIsNotReadyWithinTheStartBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var pool *workerfx.Pool
		a := fx.New(fx.NopLogger, workerfx.Module, fx.Populate(&pool),
			workerfx.ProvideWorker(func() workerfx.Worker { return workerfx.NewWorker("silent", untilStopped, workerfx.WithReadiness()) }),
			workerfx.ProvideWorker(func() workerfx.Worker {
				return workerfx.NewWorker("dependent", untilStopped, workerfx.WithReadiness(), after("silent"))
			}),
			workerfx.ProvideWorker(func() workerfx.Worker { return workerfx.NewWorker("quick", readyAfter(0), workerfx.WithReadiness()) }))
		start := time.Now()
		err := a.Start(within(t, 15*time.Second))
		assert.Equal(t, 14*time.Second, time.Since(start), "within the budget, with time left to stop")
		assert.Equal(t, []string{"dependent not ready", "silent not ready"}, troubles(err))
		require.ErrorContains(t, err, "workers are not ready")
		require.ErrorContains(t, err, "waits for silent")
		for _, e := range pool.Executions() {
			assert.NotEqual(t, workerfx.StatusRunning, e.Status, e.Worker)
		}
		require.ErrorIs(t, pool.Health(), workerfx.ErrPoolStopped, "what was started was stopped")
	})
}

func TestStartHookFailsAtOnceIfAWorkerCannotBecomeReady(t *testing.T) {
	tests := map[string][]workerfx.Worker{
		"failed":         {workerfx.NewWorker("db", fails, workerfx.WithReadiness()), workerfx.NewWorker("api", untilStopped, workerfx.WithReadiness())},
		"after a failed": {workerfx.NewWorker("api", untilStopped, workerfx.WithReadiness(), after("db")), workerfx.NewWorker("db", sleepThenFail, workerfx.WithReadiness())},
		"essential":      {workerfx.NewWorker("db", sleepThenFail, workerfx.WithEssential(), workerfx.WithReadiness())},
	}
	for name, workers := range tests {
		bubble(name, t, func(t *testing.T) {
			a := fx.New(fx.NopLogger, workerfx.Module, workerfx.ProvideWorker(func() workerfx.Group { return groupOf(workers) }, workerfx.WithName("g")))
			start := time.Now()
			err := a.Start(within(t, 15*time.Second))
			assert.LessOrEqual(t, time.Since(start), time.Second)
			require.ErrorIs(t, err, errBoom)
		})
	}
}

func sleepThenFail(context.Context) error { time.Sleep(time.Second); return errBoom }

func TestStartHookRefusesUnknownNamesAndCycles(t *testing.T) {
	a := fx.New(fx.NopLogger, workerfx.Module, workerfx.ProvideWorker(newJob, after("databse")), fx.Supply(make(chan string, 9)))
	require.ErrorIs(t, a.Start(t.Context()), workerfx.ErrUnknownWorker)

	a = fx.New(fx.NopLogger, workerfx.Module, fx.Supply(make(chan string, 9)),
		workerfx.ProvideWorker(newJob, workerfx.WithName("a"), after("b")), workerfx.ProvideWorker(newJob, workerfx.WithName("b"), after("a")))
	require.ErrorContains(t, a.Start(t.Context()), "a -> b -> a")
}

func TestTwoPoolsInOneAppAndRegistry(t *testing.T) {
	type second struct {
		fx.Out
		Pool *workerfx.Pool `name:"second"`
	}
	registry := prometheus.NewPedanticRegistry()
	a, runs := app(t, fx.Supply(fx.Annotate(registry, fx.As(new(prometheus.Registerer)))),
		workerfx.ProvideWorker(newJob, workerfx.WithName("job")),
		fx.Provide(func(lc fx.Lifecycle, s fx.Shutdowner, r prometheus.Registerer, runs chan string) (second, error) {
			result, err := workerfx.New(workerfx.Params{
				Lifecycle: lc, Shutdowner: s, Registerer: r, Config: workerfx.Config{Name: "second"},
				Workers: []workerfx.Worker{workerfx.With(&job{runs}, workerfx.WithName("job"))},
			})
			return second{Pool: result.Pool}, err
		}),
		fx.Invoke(fx.Annotate(func(*workerfx.Pool) {}, fx.ParamTags(`name:"second"`))))
	a.RequireStart()
	<-runs
	<-runs
	got := gather(t, registry)
	assert.Contains(t, got, `worker_running{worker="job"}`)
	assert.Contains(t, got, `worker_running{pool="second",worker="job"}`)
	a.RequireStop()
}

func TestDependenciesAreTakenInEveryForm(t *testing.T) {
	value := zerolog.New(os.Stderr)
	tests := map[string]fx.Option{
		"logger value":    fx.Supply(value),
		"logger pointer":  fx.Supply(&value),
		"config pointer":  fx.Supply(&workerfx.Config{Name: "p"}),
		"registry":        fx.Supply(prometheus.NewRegistry()),
		"both of a thing": fx.Supply(value, &value),
	}
	for name, option := range tests {
		t.Run(name, func(t *testing.T) {
			a := fx.New(fx.NopLogger, workerfx.Module, option)
			assert.NoError(t, a.Err())
		})
	}
}

func TestDigRunsTheContainersWorkers(t *testing.T) {
	c := dig.New()
	runs := make(chan string, 10)
	require.NoError(t, c.Provide(func() chan string { return runs }))
	require.NoError(t, workerfx.ProvideDig(c, newJobOrError, workerfx.WithName("a")))
	require.NoError(t, workerfx.ProvideDig(c, newJobOrError, workerfx.WithName("b")))
	require.NoError(t, workerfx.ProvideDig(c, newFetcher, workerfx.WithName("git")))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- workerfx.RunDig(ctx, c) }()
	var got []string
	for range 4 {
		got = append(got, <-runs)
	}
	assert.ElementsMatch(t, []string{"a", "b", "git/commits", "git/pulls"}, got)
	cancel()
	assert.NoError(t, <-done)
}

func TestDigReportsErrors(t *testing.T) {
	c := dig.New()
	assert.ErrorContains(t, workerfx.ProvideDig(c, newString), "workerfx.ProvideDig(github.com/workerfx/workerfx_test.newString)")
	require.NoError(t, workerfx.ProvideDig(c, newBrokenJob))
	assert.ErrorIs(t, workerfx.RunDig(t.Context(), c), errBoom)
}

func TestNewNamesRequiredParamsThatAreMissing(t *testing.T) {
	_, err := workerfx.New(workerfx.Params{})
	require.EqualError(t, err, "workerfx.New: params: Lifecycle is nil; Shutdowner is nil")
}
