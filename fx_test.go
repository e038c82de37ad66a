package workerfx_test

import (
	"context"
	"regexp"
	"testing"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/fx"
	"go.uber.org/fx/fxevent"

	"github.com/workerfx/workerfx"
)

// The tests of this file check that the module goes together with what else there is in Fx.

// eventRecorder keeps the events of Fx.
type eventRecorder struct{ events []fxevent.Event }

func (r *eventRecorder) LogEvent(event fxevent.Event) { r.events = append(r.events, event) }

// names are the names of functions in the events, with their modules.
func (r *eventRecorder) names() (names []string) {
	for _, event := range r.events {
		switch e := event.(type) {
		case *fxevent.Provided:
			names = append(names, e.ModuleName+" provided "+e.ConstructorName)
		case *fxevent.Run:
			names = append(names, e.ModuleName+" run "+e.Name)
		case *fxevent.Invoked:
			names = append(names, e.ModuleName+" invoked "+e.FunctionName)
		case *fxevent.OnStartExecuted:
			names = append(names, "started "+e.FunctionName)
		case *fxevent.OnStopExecuted:
			names = append(names, "stopped "+e.FunctionName)
		}
	}
	return names
}

func newMiddleware() workerfx.Middleware {
	return func(next workerfx.RunFunc) workerfx.RunFunc { return next }
}

func TestFxsLogNamesFunctionsThatOneCanFind(t *testing.T) {
	var recorder eventRecorder
	app := fx.New(fx.WithLogger(func() fxevent.Logger { return &recorder }), workerfx.Module,
		fx.Provide(newPoolUser), workerfx.UseWorker[*poolUser](), workerfx.ProvideMiddleware(newMiddleware),
		fx.Module("mail", fx.Provide(func() chan string { return make(chan string, 9) }, fx.Private),
			workerfx.ProvideWorker(newJob), workerfx.ProvideWorker(newFetcher)))
	require.NoError(t, app.Start(t.Context()))
	require.NoError(t, app.Stop(context.Background()))

	names := recorder.names()
	const own, users = `github\.com/workerfx/workerfx\.`, `github\.com/workerfx/workerfx_test\.`
	for _, want := range []string{
		`^worker provided ` + own + `newAppPool\(\)$`,
		`^worker invoked ` + own + `runAppPool\(\)$`,
		`^mail provided fx\.Annotate\(` + users + `newJob\(\), fx\.ResultTags\(\["name:\\"workerfx_test\.newJob #\d+\\""\]\), fx\.As\(\[\[workerfx\.Worker\]\]\)$`,
		`^mail provided fx\.Annotate\(` + own + `ProvideWorker\.func1\(\), fx\.ParamTags\(\["name:\\"workerfx_test\.newJob #\d+\\""\]\), fx\.ResultTags\(\["group:\\"workers\\""\]\)$`,
		`^mail run fx\.Annotate\(` + users + `newFetcher\(\), `,
		`^ provided fx\.Annotate\(` + users + `newMiddleware\(\), `,
		`^ provided ` + users + `newPoolUser\(\)$`,
		`^ provided fx\.Annotated\{Group: "workers", Target: ` + own + `UseWorker\[\.\.\.\]\.func1\(\)\}$`,
		`^started ` + own + `\(\*Pool\)\.startReady-fm\(\)$`,
		`^stopped ` + own + `runAppPool\.func1\(\)$`,
	} {
		found := false
		for _, name := range names {
			found = found || regexp.MustCompile(want).MatchString(name)
			assert.NotContains(t, name, "makeFuncStub")
		}
		assert.True(t, found, "%s is none of\n%q", want, names)
	}
}

func TestFxsGraphShowsTheUsersConstructors(t *testing.T) {
	var graph fx.DotGraph
	app := fx.New(quiet, workerfx.Module, fx.Provide(newService), workerfx.ProvideWorker(newPoolUser), workerfx.ProvideMiddleware(newMiddleware),
		fx.Invoke(func(g fx.DotGraph) { graph = g }))
	require.NoError(t, app.Err())
	for _, want := range []string{`[shape=plaintext label="newPoolUser"]`, `[shape=plaintext label="newMiddleware"]`, `Group: workers`, `Name: workerfx_test.newPoolUser #`} {
		assert.Contains(t, string(graph), want)
	}
	assert.NotContains(t, string(graph), "makeFuncStub")

	for name, bad := range map[string]fx.Option{
		"newWithError":           workerfx.ProvideWorker(newWithError),
		"newGroupWithError":      workerfx.ProvideWorker(newGroupWithError),
		"newWithoutDependency":   workerfx.ProvideWorker(newWithoutDependency),
		"newMiddlewareWithError": workerfx.ProvideMiddleware(newMiddlewareWithError),
	} {
		var picture string
		fx.New(quiet, workerfx.Module, bad, fx.ErrorHook(errorHandler(func(failure error) {
			var err error
			picture, err = fx.VisualizeError(failure)
			require.NoError(t, err)
		})))
		assert.Regexp(t, `\[shape=plaintext label="`+name+`"\]`, picture)
		assert.Regexp(t, `color=(red|orange)`, picture)
	}
}

// errorHandler is an [fx.ErrorHandler].
type errorHandler func(error)

func (h errorHandler) HandleError(err error) { h(err) }

// loggerTo provides a logger that writes to log.
func loggerTo(log *logBuffer) fx.Option { return fx.Supply(log.logger()) }

func TestLoggerAndConfigMayBeReplacedAndDecorated(t *testing.T) {
	var log, replaced logBuffer
	withField := func(l *zerolog.Logger) *zerolog.Logger {
		logger := l.With().Str("app", "post").Logger()
		return &logger
	}
	named := func(c workerfx.Config) workerfx.Config { c.Name = "post"; return c }
	for name, tt := range map[string]struct {
		opts  fx.Option
		log   *logBuffer
		field string
	}{
		"logger decorated":  {fx.Options(loggerTo(&log), fx.Decorate(withField)), &log, "app"},
		"logger replaced":   {fx.Options(loggerTo(&log), fx.Replace(replaced.logger()), fx.Supply(workerfx.Config{Name: "post"})), &replaced, "pool"},
		"logger by value":   {fx.Options(fx.Supply(*log.logger()), fx.Decorate(func(l zerolog.Logger) zerolog.Logger { return *withField(&l) })), &log, "app"},
		"config decorated":  {fx.Options(loggerTo(&log), fx.Supply(workerfx.Config{}), fx.Decorate(named)), &log, "pool"},
		"config replaced":   {fx.Options(loggerTo(&log), fx.Supply(workerfx.Config{}), fx.Replace(workerfx.Config{Name: "post"})), &log, "pool"},
		"config by pointer": {fx.Options(loggerTo(&log), fx.Supply(&workerfx.Config{}), fx.Decorate(func(c *workerfx.Config) *workerfx.Config { d := named(*c); return &d })), &log, "pool"},
		"around the module": {fx.Module("outer", loggerTo(&log), fx.Decorate(withField), workerfx.Module), &log, "app"},
	} {
		t.Run(name, func(t *testing.T) {
			log.reset()
			replaced.reset()
			opts := fx.Options(quiet, tt.opts)
			if name != "around the module" {
				opts = fx.Options(opts, workerfx.Module)
			}
			app := fx.New(opts)
			require.NoError(t, app.Start(t.Context()))
			require.NoError(t, app.Stop(context.Background()))
			assert.Equal(t, "post", tt.log.find(t, "worker pool started")[tt.field])
		})
	}
}

func TestADecorationInAModuleIsForTheConstructorsOfTheModule(t *testing.T) {
	var log logBuffer
	newWorker := func(own *zerolog.Logger) workerfx.Worker {
		return workerfx.NewWorker("mailer", func(ctx context.Context) error {
			own.Info().Msg("from the constructor")
			workerfx.CtxLogger(ctx).Info().Msg("from the run")
			return nil
		}, workerfx.WithEssential())
	}
	app := fx.New(quiet, workerfx.Module, loggerTo(&log), fx.Module("mail",
		fx.Decorate(func(l *zerolog.Logger) *zerolog.Logger {
			logger := l.With().Str("module", "mail").Logger()
			return &logger
		}),
		workerfx.ProvideWorker(newWorker)))
	require.NoError(t, app.Start(t.Context()))
	<-app.Wait()
	require.NoError(t, app.Stop(context.Background()))
	assert.Equal(t, "mail", log.find(t, "from the constructor")["module"])
	assert.NotContains(t, log.find(t, "from the run"), "module")
}

func TestNestedModulesHaveOnePool(t *testing.T) {
	type secret struct{ name string }
	worker := func(s secret) workerfx.Worker { return workerfx.NewWorker(s.name, untilStopped) }
	module := func(name string, more ...fx.Option) fx.Option {
		return fx.Module(name, fx.Provide(func() secret { return secret{name} }, fx.Private), workerfx.ProvideWorker(worker), fx.Options(more...))
	}
	var pool *workerfx.Pool
	app := fx.New(quiet, fx.Populate(&pool), module("a", module("b", module("c", workerfx.Module)), module("d")))
	require.NoError(t, app.Start(t.Context()))
	var names []string
	for _, e := range pool.Executions() {
		names = append(names, e.Worker)
	}
	assert.Equal(t, []string{"a", "b", "c", "d"}, names)
	require.NoError(t, app.Stop(context.Background()))
}

// byHand are ways to put workers into the value group "workers".
var byHand = map[string]fx.Option{
	"fx.ResultTags": fx.Provide(fx.Annotate(func() workerfx.Worker { return workerfx.NewWorker("w", untilStopped) }, fx.ResultTags(`group:"workers"`))),
	"fx.As":         fx.Provide(fx.Annotate(newPoolUser, fx.As(new(workerfx.Worker)), fx.ResultTags(`group:"workers"`))),
	"fx.Annotated": fx.Provide(fx.Annotated{Group: "workers", Target: func() workerfx.Group {
		return groupOf{workerfx.NewWorker("w", untilStopped)}
	}}),
	"fx.Supply": fx.Supply(fx.Annotate(workerfx.NewWorker("w", untilStopped), fx.As(new(workerfx.Worker)), fx.ResultTags(`group:"workers"`))),
	"fx.Out": fx.Provide(func() (out struct {
		fx.Out
		Worker workerfx.Worker `group:"workers"`
		Group  workerfx.Group  `group:"workers"`
	},
	) {
		out.Worker, out.Group = workerfx.NewWorker("w", untilStopped), groupOf{workerfx.NewWorker("x", untilStopped)}
		return out
	}),
	"flatten": fx.Provide(fx.Annotate(func() []workerfx.Worker {
		return []workerfx.Worker{workerfx.NewWorker("a", untilStopped), workerfx.NewWorker("b", untilStopped)}
	}, fx.ResultTags(`group:"workers,flatten"`))),
	"in a module": fx.Module("m", fx.Provide(fx.Annotate(newPoolUser, fx.As(new(workerfx.Worker)), fx.ResultTags(`group:"workers"`)))),
}

func TestValuesMayBePutIntoTheGroupByHand(t *testing.T) {
	for name, option := range byHand {
		t.Run(name, func(t *testing.T) {
			var pool *workerfx.Pool
			wrapped := make(chan string, 9)
			app := fx.New(quiet, workerfx.Module, option, fx.Populate(&pool),
				fx.Provide(fx.Annotate(func() workerfx.Middleware {
					return func(next workerfx.RunFunc) workerfx.RunFunc {
						return func(ctx context.Context) error { wrapped <- workerfx.CtxWorkerName(ctx); return next(ctx) }
					}
				}, fx.ResultTags(`group:"workers"`))))
			require.NoError(t, app.Start(t.Context()))
			var workers, ran []string
			for _, e := range pool.Executions() {
				workers, ran = append(workers, e.Worker), append(ran, <-wrapped)
			}
			assert.NotEmpty(t, workers)
			assert.ElementsMatch(t, workers, ran)
			require.NoError(t, app.Stop(context.Background()))
		})
	}
}

func TestANilInTheGroupIsAnError(t *testing.T) {
	for want, made := range map[string]any{
		"worker is nil":       func() workerfx.Worker { return nil },
		"group is nil":        func() workerfx.Group { return nil },
		"middleware 1 is nil": func() workerfx.Middleware { return nil },
	} {
		app := fx.New(quiet, workerfx.Module, workerfx.ProvideWorker(newPoolUser),
			fx.Provide(fx.Annotate(made, fx.ResultTags(`group:"workers"`))))
		assert.ErrorContains(t, app.Err(), want)
	}
}

func TestTheGroupMayBeDecorated(t *testing.T) {
	var pool *workerfx.Pool
	renamed := func(workers []workerfx.Worker) []workerfx.Worker {
		for i, w := range workers {
			workers[i] = workerfx.With(w, workerfx.WithName("decorated"))
		}
		return workers
	}
	app := fx.New(quiet, workerfx.Module, workerfx.ProvideWorker(newPoolUser), fx.Populate(&pool),
		fx.Decorate(fx.Annotate(renamed, fx.ParamTags(`group:"workers"`), fx.ResultTags(`group:"workers"`))))
	require.NoError(t, app.Err())
	assert.Equal(t, "decorated", pool.Executions()[0].Worker)
}
