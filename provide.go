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
	c, err := inspect("ProvideWorker", constructor)
	if err != nil {
		return fx.Error(err)
	}
	return fx.Module(c.name,
		fx.Provide(constructor, fx.Private),
		fx.Provide(fx.Annotate(c.registration(opts), fx.ResultTags(workersGroup))),
	)
}

// UseWorker adds a worker that the app already provides as a W to the app's pool, with these options.
func UseWorker[W Worker](opts ...Option) fx.Option {
	c := constructor{name: fmt.Sprintf("UseWorker[%v]", reflect.TypeFor[W]()), result: reflect.TypeFor[W]()}
	return fx.Provide(fx.Annotate(c.registration(opts), fx.ResultTags(workersGroup)))
}

// ProvideMiddleware wraps every worker of the pool in the [Middleware] that constructor returns, which
// takes what it needs from the app. With several, their order is not specified.
func ProvideMiddleware(constructor any) fx.Option {
	return fx.Provide(fx.Annotate(constructor, fx.As(new(Middleware)), fx.ResultTags(workersGroup)))
}

// constructor is a function that makes a worker or a group.
type constructor struct {
	name   string
	result reflect.Type
}

var (
	workerType = reflect.TypeFor[Worker]()
	groupType  = reflect.TypeFor[Group]()
	errorType  = reflect.TypeFor[error]()
)

// inspect finds out what a constructor makes. caller is the function it was given to.
func inspect(caller string, fn any) (constructor, error) {
	v := reflect.ValueOf(fn)
	if isFxAnnotated(v) {
		v = v.FieldByName("Target").Elem()
	}
	if v.Kind() != reflect.Func || v.IsNil() {
		return constructor{}, fmt.Errorf("workerfx.%s: got %T, want a constructor", caller, fn)
	}
	t := v.Type()
	c := constructor{name: runtime.FuncForPC(v.Pointer()).Name()}
	complain := func(format string, args ...any) (constructor, error) {
		return constructor{}, fmt.Errorf("workerfx.%s(%s): %s", caller, c.name, fmt.Sprintf(format, args...))
	}
	switch {
	case t.NumOut() == 0:
		return complain("the constructor returns nothing, want a Worker or a Group")
	case t.NumOut() > 2 || t.NumOut() == 2 && t.Out(1) != errorType:
		return complain("the constructor is a %v, want a Worker or a Group and at most an error", t)
	}
	c.result = t.Out(0)
	isWorker, isGroup := c.result.Implements(workerType), c.result.Implements(groupType)
	switch {
	case isWorker && isGroup:
		return complain("%v is both a Worker and a Group, want one of them", c.result)
	case isWorker || isGroup:
		return c, nil
	}
	if pointer := reflect.PointerTo(c.result); pointer.Implements(workerType) || pointer.Implements(groupType) {
		return complain("%v is neither a Worker nor a Group, but %v is: return a pointer", c.result, pointer)
	}
	return complain("%v is neither a Worker (Run(context.Context) error) nor a Group (Workers() []workerfx.Worker)", c.result)
}

// isFxAnnotated tells whether a constructor comes out of fx.Annotate, which names tags of its parameters.
func isFxAnnotated(v reflect.Value) bool {
	return v.Kind() == reflect.Struct && v.Type().PkgPath() == "go.uber.org/fx" && v.FieldByName("Target").IsValid()
}

// registration returns a function that turns what the constructor made into a member of the value
// group: a func(T) (Worker, error) or a func(T) (Group, error).
func (c constructor) registration(opts []Option) any {
	out, attach := workerType, func(v any) any { return With(v.(Worker), opts...) }
	if !c.result.Implements(workerType) {
		out, attach = groupType, func(v any) any { return &groupWithOptions{Group: v.(Group), opts: opts} }
	}
	t := reflect.FuncOf([]reflect.Type{c.result}, []reflect.Type{out, errorType}, false)
	return reflect.MakeFunc(t, func(args []reflect.Value) []reflect.Value {
		made := args[0].Interface()
		if isNil(made) {
			err := fmt.Errorf("%s: the constructor returned a nil %v", c.name, c.result)
			return []reflect.Value{reflect.Zero(out), reflect.ValueOf(&err).Elem()}
		}
		result := reflect.New(out).Elem()
		result.Set(reflect.ValueOf(attach(made)))
		return []reflect.Value{result, reflect.Zero(errorType)}
	}).Interface()
}
