package queue

import (
	"fmt"
	"reflect"
	"runtime"

	"go.uber.org/fx"
)

// registration is what the app says to the queue: one of its fields is set.
type registration struct {
	handler  *handler
	periodic *periodic
	hooks    *Hooks
}

// registrations is the value group of all that is registered.
const registrations = `group:"queue"`

// ProvideHandler adds the handler of the jobs of kind A that constructor returns. The constructor is any
// function that fx.Provide takes; its first result is a [Handler] of A, or a [HandlerTx] of A and the
// transactions of the app's database, as an interface or as its own type; its second, if any, is an error.
// Two handlers of one kind are an error.
func ProvideHandler[A Args](constructor any, opts ...HandlerOption) fx.Option {
	made, name, err := resultOf("ProvideHandler", constructor)
	if err == nil && !isHandler[A](made) {
		args := reflect.TypeFor[A]()
		err = fmt.Errorf("queue.ProvideHandler[%v](%s): %v has neither Handle(context.Context, *queue.Job[%v]) error "+
			"nor HandleTx(context.Context, pgx.Tx or *sql.Tx, *queue.Job[%v]) error", args, name, made, args, args)
	}
	if err != nil {
		return fx.Error(err)
	}
	return register("ProvideHandler", constructor, name, made, func(v any) (registration, error) {
		h, err := newHandler[A](name, v, opts)
		if err != nil {
			return registration{}, fmt.Errorf("queue.ProvideHandler(%s): %w", name, err)
		}
		return registration{handler: h}, nil
	})
}

// ProvideHooks adds the [Hooks] that constructor returns, which takes what it needs from the app.
func ProvideHooks(constructor any) fx.Option {
	made, name, err := resultOf("ProvideHooks", constructor)
	if err == nil && made != reflect.TypeFor[Hooks]() {
		err = fmt.Errorf("queue.ProvideHooks(%s): %v is not queue.Hooks", name, made)
	}
	if err != nil {
		return fx.Error(err)
	}
	return register("ProvideHooks", constructor, name, made, func(v any) (registration, error) {
		hooks, _ := v.(Hooks)
		return registration{hooks: &hooks}, nil
	})
}

// Periodic enqueues a job whenever cron says, an expression as [workerfx.WithCron] takes it, such as "30 4 * * *" or
// "@every 90s". Of all processes that work a queue of the database one is the leader and enqueues: give it
// to all of them alike. Ticks of less than a second are an error. A tick that comes while there is no leader, for
// up to fifteen seconds after one died, is lost; an "@every" counts anew from the leader's start. So are
// those that come while all queues of all processes are paused.
func Periodic(cron string, args Args, opts ...EnqueueOption) fx.Option {
	p, err := newPeriodic(cron, args, opts)
	if err != nil {
		return fx.Error(fmt.Errorf("queue.Periodic: %w", err))
	}
	return fx.Options(
		fx.Provide(fx.Annotate(func() registration { return registration{periodic: p} }, fx.ResultTags(registrations))),
		needModule("Periodic"),
	)
}

// needModule refuses what nobody would hear of in an app without [Module].
func needModule(caller string) fx.Option {
	return fx.Invoke(fx.Annotate(func(c *Client) error {
		if c == nil {
			return fmt.Errorf("queue.%s: the app has no queue: add queue.Module", caller)
		}
		return nil
	}, fx.ParamTags(`optional:"true"`)))
}

// resultOf finds out what a constructor makes.
func resultOf(caller string, constructor any) (made reflect.Type, name string, err error) {
	v := reflect.ValueOf(constructor)
	if v.Kind() == reflect.Struct && v.Type().PkgPath() == "go.uber.org/fx" && v.FieldByName("Target").IsValid() {
		v = v.FieldByName("Target").Elem() // fx.Annotate
	}
	if v.Kind() != reflect.Func || v.IsNil() {
		return nil, "", fmt.Errorf("queue.%s: got %T, want a constructor", caller, constructor)
	}
	t := v.Type()
	name = runtime.FuncForPC(v.Pointer()).Name()
	if t.NumOut() == 0 || t.NumOut() > 2 || t.NumOut() == 2 && t.Out(1) != errorType {
		return nil, name, fmt.Errorf("queue.%s(%s): %v must return one thing and at most an error beside it", caller, name, t)
	}
	return t.Out(0), name, nil
}

var errorType = reflect.TypeFor[error]()

// register provides what the constructor makes to the queue alone, so that two constructors of one type do not
// collide, in the form that of gives it.
func register(caller string, constructor any, name string, made reflect.Type, of func(any) (registration, error)) fx.Option {
	t := reflect.FuncOf([]reflect.Type{made}, []reflect.Type{reflect.TypeFor[registration](), errorType}, false)
	convert := reflect.MakeFunc(t, func(args []reflect.Value) []reflect.Value {
		var r registration
		err := fmt.Errorf("%s: the constructor returned a nil %v", name, made)
		if !isNil(args[0]) {
			r, err = of(args[0].Interface())
		}
		return []reflect.Value{reflect.ValueOf(r), reflect.ValueOf(&err).Elem()}
	}).Interface()
	return fx.Module(name,
		fx.Provide(constructor, fx.Private),
		fx.Provide(fx.Annotate(convert, fx.ResultTags(registrations))),
		needModule(caller+"("+name+")"),
	)
}

func isNil(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Interface:
		return v.IsNil() || isNil(v.Elem())
	case reflect.Pointer, reflect.Func, reflect.Map, reflect.Slice, reflect.Chan:
		return v.IsNil()
	default:
		return false
	}
}
