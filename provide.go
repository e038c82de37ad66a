package workerfx

import (
	"fmt"
	"reflect"
	"sync/atomic"

	"go.uber.org/fx"

	"github.com/workerfx/workerfx/internal/constructor"
)

// workersGroup is the value group of workers, worker groups and middleware.
const workersGroup = `group:"workers"`

// ProvideWorker adds the worker, or the group of workers, that a constructor returns to the app's pool, with these
// options. The constructor is any function that fx.Provide takes. Its first result is a [Worker] or a [Group], as
// an interface or as its own type. Its second result, if there is one, is an error. It may take the app's *[Pool].
// Nothing else in the app gets the result: use [UseWorker] for a worker that the app needs elsewhere, too.
func ProvideWorker(fn any, opts ...Option) fx.Option {
	c, err := inspectWorker("workerfx.ProvideWorker", fn)
	if err != nil {
		return fx.Error(err)
	}
	if c.Result.Implements(workerType) {
		return provide(fn, c, func(w Worker) (Worker, error) { return With(w, opts...), c.CheckMade(w) })
	}
	return provide(fn, c, func(g Group) (Group, error) { return &groupWithOptions{g, opts}, c.CheckMade(g) })
}

// UseWorker adds a worker that the app already provides as a W to the app's pool, with these options.
func UseWorker[W Worker](opts ...Option) fx.Option {
	w := reflect.TypeFor[W]()
	c := constructor.Constructor{Name: fmt.Sprintf("workerfx.UseWorker[%v]", w), Result: w}
	return fx.Provide(fx.Annotated{
		Group:  "workers",
		Target: func(w W) (Worker, error) { return With(w, opts...), c.CheckMade(w) },
	})
}

// ProvideMiddleware wraps every worker of the pool in the [Middleware] that a constructor returns. The constructor
// takes what it needs from the app. The order of several middlewares is not defined.
func ProvideMiddleware(fn any) fx.Option {
	c, err := constructor.Inspect("workerfx.ProvideMiddleware", fn)
	if err == nil && !c.Result.ConvertibleTo(middlewareType) {
		err = c.Errorf("%v is not a Middleware", c.Result)
	}
	if err != nil {
		return fx.Error(err)
	}
	return provide(fn, c, func(made any) (Middleware, error) {
		mw, _ := reflect.TypeAssert[Middleware](reflect.ValueOf(made).Convert(middlewareType))
		return mw, c.CheckMade(made)
	})
}

// provided counts the calls of provide.
var provided atomic.Int64

// provide provides the result of a constructor, as a Made with a name that is used only here, and adds what
// register makes of it to the pool's value group. The name keeps constructors of one type apart. fx.Private would
// do that, too, but dig does not find a cycle through a private result: the app would run out of stack.
func provide[Made, Registered any](fn any, c constructor.Constructor, register func(Made) (Registered, error)) fx.Option {
	name := c.Tag(provided.Add(1))
	annotations := append(constructor.Annotations[fx.Annotation](fn), fx.As(new(Made)), fx.ResultTags(name))
	return fx.Provide(
		constructor.Locate(fx.Annotate(c.Function, annotations...), c.Function),
		constructor.Locate(fx.Annotate(register, fx.ParamTags(name), fx.ResultTags(workersGroup)), register),
	)
}

var (
	workerType     = reflect.TypeFor[Worker]()
	groupType      = reflect.TypeFor[Group]()
	middlewareType = reflect.TypeFor[Middleware]()
)

// inspectWorker looks into a constructor of a worker or a group.
func inspectWorker(caller string, fn any) (constructor.Constructor, error) {
	c, err := constructor.Inspect(caller, fn)
	if err != nil {
		return c, err
	}
	isWorker, isGroup := c.Result.Implements(workerType), c.Result.Implements(groupType)
	switch {
	case isWorker && isGroup:
		return c, c.Errorf("%v is both a Worker and a Group, want one of them", c.Result)
	case isWorker || isGroup:
		return c, nil
	}
	if pointer := reflect.PointerTo(c.Result); pointer.Implements(workerType) || pointer.Implements(groupType) {
		return c, c.Errorf("%v is neither a Worker nor a Group, but %v is: return a pointer", c.Result, pointer)
	}
	return c, c.Errorf("%v is neither a Worker (Run(context.Context) error) nor a Group (Workers() []workerfx.Worker)", c.Result)
}
