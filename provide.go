package workerfx

import (
	"fmt"
	"reflect"
	"runtime"

	"go.uber.org/fx"
)

// workersGroup is the value group of workers, worker groups and middleware.
const workersGroup = `group:"workers"`

// ProvideWorker adds the worker, or the group of workers, that constructor returns to the app's pool,
// with these options. The constructor is any function that fx.Provide takes whose first result is a
// [Worker] or a [Group], as an interface or as its own type, and whose second, if any, is an error. Its
// result stays private to the worker: use [UseWorker] for a worker that the app needs elsewhere too.
func ProvideWorker(constructor any, opts ...Option) fx.Option {
	c, err := inspectWorker("ProvideWorker", constructor)
	if err != nil {
		return fx.Error(err)
	}
	return c.module(constructor, c.registration(opts))
}

// UseWorker adds a worker that the app already provides as a W to the app's pool, with these options.
func UseWorker[W Worker](opts ...Option) fx.Option {
	w := reflect.TypeFor[W]()
	c := constructor{name: fmt.Sprintf("workerfx.UseWorker[%v]", w), result: w}
	return fx.Provide(fx.Annotate(c.registration(opts), fx.ResultTags(workersGroup)))
}

// ProvideMiddleware wraps every worker of the pool in the [Middleware] that constructor returns, which
// takes what it needs from the app. Several wrap each other in no particular order.
func ProvideMiddleware(constructor any) fx.Option {
	c, err := inspect("ProvideMiddleware", constructor)
	if err == nil && !c.result.ConvertibleTo(middlewareType) {
		err = c.complain("%v is not a Middleware", c.result)
	}
	if err != nil {
		return fx.Error(err)
	}
	return c.module(constructor, c.convert(middlewareType, func(made reflect.Value) reflect.Value {
		return made.Convert(middlewareType)
	}))
}

// constructor is a function of the user's that makes a worker, a group or a middleware.
type constructor struct {
	caller string // the function it was given to
	name   string
	result reflect.Type
}

var (
	workerType     = reflect.TypeFor[Worker]()
	groupType      = reflect.TypeFor[Group]()
	middlewareType = reflect.TypeFor[Middleware]()
	errorType      = reflect.TypeFor[error]()
)

// inspect finds out what a constructor makes.
func inspect(caller string, fn any) (constructor, error) {
	v := reflect.ValueOf(fn)
	if isFxAnnotated(v) {
		v = v.FieldByName("Target").Elem()
	}
	if v.Kind() != reflect.Func || v.IsNil() {
		return constructor{}, fmt.Errorf("workerfx.%s: got %T, want a constructor", caller, fn)
	}
	t := v.Type()
	c := constructor{caller: caller, name: runtime.FuncForPC(v.Pointer()).Name()}
	if t.NumOut() == 0 || t.NumOut() > 2 || t.NumOut() == 2 && t.Out(1) != errorType {
		return c, c.complain("%v must return one thing and at most an error beside it", t)
	}
	c.result = t.Out(0)
	return c, nil
}

// inspectWorker is inspect for constructors of workers and groups.
func inspectWorker(caller string, fn any) (constructor, error) {
	c, err := inspect(caller, fn)
	if err != nil {
		return c, err
	}
	isWorker, isGroup := c.result.Implements(workerType), c.result.Implements(groupType)
	switch {
	case isWorker && isGroup:
		return c, c.complain("%v is both a Worker and a Group, want one of them", c.result)
	case isWorker || isGroup:
		return c, nil
	}
	if pointer := reflect.PointerTo(c.result); pointer.Implements(workerType) || pointer.Implements(groupType) {
		return c, c.complain("%v is neither a Worker nor a Group, but %v is: return a pointer", c.result, pointer)
	}
	return c, c.complain("%v is neither a Worker (Run(context.Context) error) nor a Group (Workers() []workerfx.Worker)", c.result)
}

func (c *constructor) complain(format string, args ...any) error {
	return fmt.Errorf("workerfx.%s(%s): %s", c.caller, c.name, fmt.Sprintf(format, args...))
}

// isFxAnnotated tells whether a constructor comes out of fx.Annotate, which may tag its parameters.
func isFxAnnotated(v reflect.Value) bool {
	return v.Kind() == reflect.Struct && v.Type().PkgPath() == "go.uber.org/fx" && v.FieldByName("Target").IsValid()
}

// module provides what the constructor makes to registration alone, so that two constructors of one
// type do not collide, and what registration makes of it to the pool.
func (c *constructor) module(fn, registration any) fx.Option {
	return fx.Module(c.name,
		fx.Provide(fn, fx.Private),
		fx.Provide(fx.Annotate(registration, fx.ResultTags(workersGroup))),
	)
}

// registration returns a function that attaches options to what the constructor made: a
// func(T) (Worker, error) or a func(T) (Group, error).
func (c *constructor) registration(opts []Option) any {
	if c.result.Implements(workerType) {
		return c.convert(workerType, func(made reflect.Value) reflect.Value {
			return reflect.ValueOf(With(made.Interface().(Worker), opts...))
		})
	}
	return c.convert(groupType, func(made reflect.Value) reflect.Value {
		return reflect.ValueOf(&groupWithOptions{Group: made.Interface().(Group), opts: opts})
	})
}

// convert returns a func(T) (out, error) that calls with, unless what the constructor made is nil.
func (c *constructor) convert(out reflect.Type, with func(reflect.Value) reflect.Value) any {
	t := reflect.FuncOf([]reflect.Type{c.result}, []reflect.Type{out, errorType}, false)
	return reflect.MakeFunc(t, func(args []reflect.Value) []reflect.Value {
		if isNil(args[0].Interface()) {
			err := fmt.Errorf("%s: the constructor returned a nil %v", c.name, c.result)
			return []reflect.Value{reflect.Zero(out), reflect.ValueOf(&err).Elem()}
		}
		result := reflect.New(out).Elem()
		result.Set(with(args[0]))
		return []reflect.Value{result, reflect.Zero(errorType)}
	}).Interface()
}
