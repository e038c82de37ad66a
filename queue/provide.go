package queue

import (
	"fmt"
	"reflect"
	"sync/atomic"

	"go.uber.org/fx"

	"github.com/workerfx/workerfx/internal/constructor"
)

// registration is a part of the app's queue: one of its fields is set.
type registration struct {
	handler  *handler
	periodic *periodic
	hooks    *Hooks
}

// registrations is the value group of all registrations.
const registrations = `group:"queue"`

// ProvideHandler adds the handler of jobs of kind A that a constructor returns. The constructor is any function
// that fx.Provide takes. Its first result is a [Handler] of A, or a [HandlerTx] of A and the transactions of the
// app's database, as an interface or as its own type. Its second result, if there is one, is an error. A type that is
// both is an error, and so are two handlers of one kind.
func ProvideHandler[A Args](fn any, opts ...HandlerOption) fx.Option {
	c, err := constructor.Inspect("queue.ProvideHandler", fn)
	if err == nil {
		err = checkHandler[A](c)
	}
	if err != nil {
		return fx.Error(err)
	}
	return register("ProvideHandler", fn, c, func(v any) (registration, error) {
		h, err := newHandler[A](&c, v, opts)
		if err != nil {
			return registration{}, fmt.Errorf("queue.ProvideHandler(%s): %w", c.Name, err)
		}
		return registration{handler: h}, nil
	})
}

// checkHandler returns an error unless a constructor's result is a handler of A, with a transaction or without.
func checkHandler[A Args](c constructor.Constructor) error {
	args := reflect.TypeFor[A]()
	caller := fmt.Sprintf("queue.ProvideHandler[%v](%s)", args, c.Name)
	plain, inTx := handles[A](c.Result)
	pointerPlain, pointerInTx := handles[A](reflect.PointerTo(c.Result)) // a pointer to a value may have more methods
	switch {
	case !plain && !inTx:
		return fmt.Errorf("%s: %v has neither Handle(context.Context, *queue.Job[%v]) error "+
			"nor HandleTx(context.Context, pgx.Tx or *sql.Tx, *queue.Job[%v]) error", caller, c.Result, args, args)
	case (plain || pointerPlain) && (inTx || pointerInTx):
		return fmt.Errorf("%s: %v has both Handle and HandleTx for %v, want one of them", caller, c.Result, args)
	}
	return nil
}

// ProvideHooks adds the [Hooks] that a constructor returns. The constructor takes what it needs from the app.
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

// Periodic enqueues a job at the ticks of a cron expression: see [workerfx.WithCron]. Examples are "30 4 * * *" and
// "@every 90s". One of the processes that work a queue of the database is the leader, and enqueues. Give the same
// Periodic to all of them. Intervals below a second are an error. Ticks are lost while there is no leader, for up
// to fifteen seconds after a leader died, and while all queues of all processes are paused. An "@every" counts from
// the start of the leader.
func Periodic(cron string, args Args, opts ...EnqueueOption) fx.Option {
	p, err := newPeriodic(cron, args, opts)
	if err != nil {
		return fx.Error(err)
	}
	return fx.Options(
		fx.Provide(fx.Annotated{Group: "queue", Target: func() registration { return registration{periodic: p} }}),
		needModule("Periodic"),
	)
}

// needModule returns an error if the app has no [Module].
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

// register provides the result of a constructor with a name that is used only here, and adds the registration that
// of makes of it. See provide of package workerfx.
func register(caller string, fn any, c constructor.Constructor, of func(any) (registration, error)) fx.Option {
	name := c.Tag(registered.Add(1))
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
