package queue

import (
	"fmt"
	"reflect"
	"sync/atomic"

	"go.uber.org/fx"

	"github.com/workerfx/workerfx/internal/constructor"
)

// registration is what the app says to the queue: one of its fields is set.
type registration struct {
	handler  *handler
	periodic *periodic
	hooks    *Hooks
}

// registrations is the value group of all that is registered.
const registrations = `group:"queue"`

// ProvideHandler adds the handler of the jobs of kind A that a constructor returns. The constructor is any
// function that fx.Provide takes; its first result is a [Handler] of A, or a [HandlerTx] of A and the
// transactions of the app's database, as an interface or as its own type; its second, if any, is an error.
// Two handlers of one kind are an error.
func ProvideHandler[A Args](fn any, opts ...HandlerOption) fx.Option {
	c, err := constructor.Inspect("queue.ProvideHandler", fn)
	if err == nil && !isHandler[A](c.Result) {
		args := reflect.TypeFor[A]()
		err = fmt.Errorf("queue.ProvideHandler[%v](%s): %v has neither Handle(context.Context, *queue.Job[%v]) error "+
			"nor HandleTx(context.Context, pgx.Tx or *sql.Tx, *queue.Job[%v]) error", args, c.Name, c.Result, args, args)
	}
	if err != nil {
		return fx.Error(err)
	}
	return register("ProvideHandler", fn, c, func(v any) (registration, error) {
		h, err := newHandler[A](c.Name, v, opts)
		if err != nil {
			return registration{}, fmt.Errorf("queue.ProvideHandler(%s): %w", c.Name, err)
		}
		return registration{handler: h}, nil
	})
}

// ProvideHooks adds the [Hooks] that a constructor returns, which takes what it needs from the app.
func ProvideHooks(fn any) fx.Option {
	c, err := constructor.Inspect("queue.ProvideHooks", fn)
	if err == nil && c.Result != reflect.TypeFor[Hooks]() {
		err = c.Errorf("%v is not queue.Hooks", c.Result)
	}
	if err != nil {
		return fx.Error(err)
	}
	return register("ProvideHooks", fn, c, func(v any) (registration, error) {
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
		fx.Provide(fx.Annotated{Group: "queue", Target: func() registration { return registration{periodic: p} }}),
		needModule("Periodic"),
	)
}

// needModule refuses what nobody would hear of in an app without [Module].
func needModule(caller string) fx.Option {
	return fx.Invoke(func(p struct {
		fx.In
		Client *Client `optional:"true"`
	},
	) error {
		if p.Client == nil {
			return fmt.Errorf("queue.%s: the app has no queue: add queue.Module", caller)
		}
		return nil
	})
}

// registered counts the calls of register.
var registered atomic.Int64

// register provides what the constructor makes to the queue, in the form that of gives it. In between it has a name that
// nobody else knows, as with [workerfx.ProvideWorker].
func register(caller string, fn any, c constructor.Constructor, of func(any) (registration, error)) fx.Option {
	name := fmt.Sprintf("name:%q", fmt.Sprintf("%s #%d", c.Name, registered.Add(1)))
	annotations := append(constructor.Annotations[fx.Annotation](fn), fx.As(new(any)), fx.ResultTags(name))
	convert := func(made any) (registration, error) {
		if err := c.CheckMade(made); err != nil {
			return registration{}, err
		}
		return of(made)
	}
	return fx.Options(
		fx.Provide(
			constructor.Locate(fx.Annotate(c.Function, annotations...), c.Function),
			constructor.Locate(fx.Annotate(convert, fx.ParamTags(name), fx.ResultTags(registrations)), convert),
		),
		needModule(caller+"("+c.Name+")"),
	)
}
