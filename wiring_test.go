package workerfx_test

import (
	"bytes"
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/dig"
	"go.uber.org/fx"
	"go.uber.org/fx/fxevent"

	"github.com/workerfx/workerfx"
)

// service is what an app has beside its workers. It needs the pool.
type service struct{ pool *workerfx.Pool }

func newService(pool *workerfx.Pool) *service { return &service{pool} }

// poolUser is a worker that needs the pool, itself or through a service.
type poolUser struct{ pool *workerfx.Pool }

func (*poolUser) Run(ctx context.Context) error { return untilStopped(ctx) }

func newPoolUser(pool *workerfx.Pool) *poolUser { return &poolUser{pool} }

type poolUsers struct{ user *poolUser }

func (*poolUsers) Name() string                 { return "users" }
func (g *poolUsers) Workers() []workerfx.Worker { return []workerfx.Worker{g.user} }

// quiet keeps Fx from writing to stderr.
var quiet = fx.WithLogger(func() fxevent.Logger { return fxevent.NopLogger })

// shapes are the ways in which what is registered may need the pool.
var shapes = map[string]fx.Option{
	"worker":                 workerfx.ProvideWorker(newPoolUser),
	"worker as an interface": workerfx.ProvideWorker(func(p *workerfx.Pool) (workerfx.Worker, error) { return newPoolUser(p), nil }),
	"worker with a parameter": workerfx.ProvideWorker(func(in struct {
		fx.In
		Service *service
		Missing *bytes.Buffer `optional:"true"`
	},
	) *poolUser {
		return newPoolUser(in.Service.pool)
	}),
	"variadic":              workerfx.ProvideWorker(func(p *workerfx.Pool, _ ...int) *poolUser { return newPoolUser(p) }),
	"through a service":     workerfx.ProvideWorker(func(s *service) *poolUser { return newPoolUser(s.pool) }),
	"group":                 workerfx.ProvideWorker(func(p *workerfx.Pool) *poolUsers { return &poolUsers{newPoolUser(p)} }),
	"group, from a service": workerfx.ProvideWorker(func(s *service) workerfx.Group { return &poolUsers{newPoolUser(s.pool)} }),
	"UseWorker":             fx.Options(fx.Provide(newPoolUser), workerfx.UseWorker[*poolUser]()),
	"annotated":             workerfx.ProvideWorker(fx.Annotate(newPoolUser, fx.ParamTags(`optional:"true"`))),
	"nested module":         fx.Module("outer", fx.Module("inner", fx.Provide(fx.Annotate(newService, fx.ResultTags(`name:"inner"`)), fx.Private), workerfx.ProvideWorker(fx.Annotate(func(s *service) *poolUser { return newPoolUser(s.pool) }, fx.ParamTags(`name:"inner"`))))),
	"middleware": fx.Options(workerfx.ProvideWorker(newPoolUser), workerfx.ProvideMiddleware(func(p *workerfx.Pool, s *service) workerfx.Middleware {
		return func(next workerfx.RunFunc) workerfx.RunFunc { return next }
	})),
	"middleware as a function": fx.Options(workerfx.ProvideWorker(newPoolUser), workerfx.ProvideMiddleware(func(s *service) func(workerfx.RunFunc) workerfx.RunFunc {
		return func(next workerfx.RunFunc) workerfx.RunFunc { return next }
	})),
	"twice": fx.Options(workerfx.ProvideWorker(newPoolUser, workerfx.WithName("a")), workerfx.ProvideWorker(newPoolUser, workerfx.WithName("b"))),
}

func TestAConstructorMayTakeThePool(t *testing.T) {
	for name, shape := range shapes {
		t.Run(name, func(t *testing.T) {
			var pool *workerfx.Pool
			app := fx.New(quiet, shape, fx.Provide(newService), workerfx.Module, fx.Populate(&pool))
			require.NoError(t, app.Start(t.Context()))
			require.NotEmpty(t, pool.Executions())
			require.NoError(t, app.Stop(context.Background()))
			for _, e := range pool.Executions() {
				assert.Contains(t, []workerfx.Status{workerfx.StatusStopped, workerfx.StatusSuccess}, e.Status)
			}
		})
	}
}

func TestAPoolThatTakesWorkersInAConstructorWrapsThemInTheAppsMiddleware(t *testing.T) {
	wrapped := make(chan string, 2)
	middleware := func(next workerfx.RunFunc) workerfx.RunFunc {
		return func(ctx context.Context) error {
			wrapped <- workerfx.CtxWorkerName(ctx)
			return next(ctx)
		}
	}
	app := fx.New(quiet, workerfx.Module,
		workerfx.ProvideMiddleware(func(*service) workerfx.Middleware { return middleware }),
		fx.Provide(func(pool *workerfx.Pool) (*service, error) {
			return newService(pool), pool.Add(workerfx.NewWorker("early", untilStopped))
		}),
		workerfx.ProvideWorker(func(*service) workerfx.Worker { return workerfx.NewWorker("usual", untilStopped) }),
	)
	require.NoError(t, app.Start(t.Context()))
	assert.ElementsMatch(t, []string{"early", "usual"}, []string{<-wrapped, <-wrapped})
	require.NoError(t, app.Stop(context.Background()))
}

// order notes what happens.
type order struct {
	mu    sync.Mutex
	steps []string
}

func (o *order) note(step string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.steps = append(o.steps, step)
}

func (o *order) hook(lc fx.Lifecycle, name string) {
	lc.Append(fx.StartStopHook(func() { o.note("start " + name) }, func() { o.note("stop " + name) }))
}

func TestWhatWorkersNeedStartsBeforeThemAndStopsAfterThem(t *testing.T) {
	var o order
	newWorker := func(*service) workerfx.Worker {
		return workerfx.NewWorker("w", func(ctx context.Context) error {
			o.note("start worker")
			workerfx.Ready(ctx)
			<-ctx.Done()
			o.note("stop worker")
			return nil
		}, workerfx.WithReadiness())
	}
	app := fx.New(quiet, workerfx.Module,
		fx.Provide(func(pool *workerfx.Pool, lc fx.Lifecycle) *service {
			o.hook(lc, "service")
			return newService(pool)
		}),
		workerfx.ProvideWorker(newWorker),
		fx.Invoke(func(_ *workerfx.Pool, lc fx.Lifecycle) { o.hook(lc, "user") }),
	)
	require.NoError(t, app.Start(t.Context()))
	require.NoError(t, app.Stop(context.Background()))
	assert.Equal(t, []string{"start service", "start worker", "start user", "stop user", "stop worker", "stop service"}, o.steps)
}

// allWorkers needs the workers that it is one of.
type allWorkers struct {
	fx.In

	Workers []workerfx.Worker `group:"workers"`
}

func needsAllWorkers(allWorkers) *poolUser { return nil }

// needsAllGroups has the same fault in another way.
func needsAllGroups(in struct {
	fx.In
	Groups []workerfx.Group `group:"workers"`
},
) *poolUsers {
	return &poolUsers{nil}
}

func TestACycleIsAnErrorAndNoCrash(t *testing.T) {
	for name, cycle := range map[string]fx.Option{
		"worker": workerfx.ProvideWorker(needsAllWorkers),
		"group":  workerfx.ProvideWorker(needsAllGroups),
		"through a service": fx.Options(fx.Provide(func(allWorkers) *service { return nil }),
			workerfx.ProvideWorker(func(*service) *poolUser { return nil })),
		"UseWorker": fx.Options(fx.Provide(needsAllWorkers), workerfx.UseWorker[*poolUser]()),
		"middleware": workerfx.ProvideMiddleware(func(in struct {
			fx.In
			All []workerfx.Middleware `group:"workers"`
		},
		) workerfx.Middleware {
			return nil
		}),
		"configuration": fx.Provide(func(*workerfx.Pool) workerfx.Config { return workerfx.Config{} }),
		"in a module":   fx.Module("m", fx.Provide(func(allWorkers) *service { return nil }), workerfx.ProvideWorker(func(*service) *poolUser { return nil })),
	} {
		t.Run(name, func(t *testing.T) {
			err := fx.New(quiet, workerfx.Module, cycle).Err()
			require.ErrorContains(t, err, "cycle detected in dependency graph")
		})
	}
	require.ErrorContains(t, workerfx.ProvideDig(dig.New(), needsAllWorkers), "this function introduces a cycle")
}

func newWithoutDependency(*bytes.Buffer) *poolUser { return nil }

func newWithError() (*poolUser, error) { return nil, errBoom }

func newGroupWithError() (*poolUsers, error) { return nil, errBoom }

func newMiddlewareWithError() (workerfx.Middleware, error) { return nil, errBoom }

func TestErrorsAndLogOfTheAppNameTheUsersConstructor(t *testing.T) {
	for name, bad := range map[string]fx.Option{
		"newWithoutDependency":   workerfx.ProvideWorker(newWithoutDependency),
		"newWithError":           workerfx.ProvideWorker(newWithError),
		"newGroupWithError":      workerfx.ProvideWorker(newGroupWithError),
		"newMiddlewareWithError": workerfx.ProvideMiddleware(newMiddlewareWithError),
		"newNilJob":              workerfx.ProvideWorker(newNilJob),
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			err := fx.New(fx.WithLogger(func() fxevent.Logger { return &fxevent.ConsoleLogger{W: &log} }), workerfx.Module, bad).Err()
			require.ErrorContains(t, err, name)
			for _, text := range []string{err.Error(), log.String()} {
				assert.Contains(t, text, name)
				assert.NotContains(t, text, "reflect.makeFuncStub")
				assert.NotContains(t, text, `"reflect".makeFuncStub`)
			}
		})
	}
	c := dig.New()
	require.NoError(t, workerfx.ProvideDig(c, newWithError))
	err := workerfx.RunDig(t.Context(), c)
	require.ErrorIs(t, err, errBoom)
	require.ErrorContains(t, err, "newWithError")
	assert.NotContains(t, err.Error(), "makeFuncStub")
}

func TestCtxPoolIsThePoolOfTheRun(t *testing.T) {
	assert.Nil(t, workerfx.CtxPool(t.Context()))
	found := make(chan *workerfx.Pool, 1)
	pool := startPool(t, workerfx.NewWorker("w", func(ctx context.Context) error {
		found <- workerfx.CtxPool(ctx)
		return nil
	}))
	assert.Same(t, pool, <-found)
}
