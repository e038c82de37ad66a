package workerfx

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/workerfx/workerfx/internal/nilcheck"
	"github.com/workerfx/workerfx/internal/safecall"
)

// Worker runs in the background. The pool calls Run in a goroutine of its own, by these rules:
//
//   - Run works until its context ends, and then returns soon. To return the context's error is no failure then.
//   - nil means that the work is done: the worker is not run again. With a schedule it waits for its next tick.
//   - Any other error, a panic and [runtime.Goexit] are a failed attempt. Options decide whether there is another attempt:
//     see [WithMaxAttempts] and [WithBackoff]. By default there is none.
//   - [ErrDoNotRestart] ends the worker, whatever its options are.
//
// The context carries a logger ([CtxLogger]), a tracer ([CtxTracer]), the pool, the worker's name, the run's
// execution ID and its attempt. A pool never makes two runs of one replica at a time.
//
// The name of a worker is set by [WithName], else by its method Name() string if it has one, else by its type
// ("pkg.Type").
type Worker interface {
	Run(ctx context.Context) error
}

// Group configures its own workers. Workers is called once, when the group is added. The workers are named
// "group/worker". The name of a group is set like that of a [Worker]. Options of a group are defaults for its
// workers.
type Group interface {
	Workers() []Worker
}

// RunFunc is a function that is a [Worker].
type RunFunc func(ctx context.Context) error

// Run calls f.
func (f RunFunc) Run(ctx context.Context) error { return f(ctx) }

// NewWorker returns a worker with this name and body. A bad name, a nil run and bad options are errors when the worker is
// added to a pool.
func NewWorker(name string, run RunFunc, opts ...Option) Worker {
	return &namedWorker{name: name, RunFunc: run, opts: opts}
}

// With returns w with options. They win over the options that w has already. Options that are given where w is added win
// over them.
func With(w Worker, opts ...Option) Worker {
	return &workerWithOptions{Worker: w, opts: opts}
}

type namedWorker struct {
	RunFunc

	name string
	opts []Option
}

func (w *namedWorker) Name() string { return w.name }

type workerWithOptions struct {
	Worker

	opts []Option
}

type groupWithOptions struct {
	Group

	opts []Option
}

// unwrapWorker returns the worker inside of all wrappers of [With], and the options of the wrappers. The options of the
// outermost wrapper win, and come last.
func unwrapWorker(w Worker) (body Worker, opts []Option) {
	switch w := w.(type) {
	case *workerWithOptions:
		body, inner := unwrapWorker(w.Worker)
		return body, slices.Concat(inner, w.opts)
	case *namedWorker:
		return w, w.opts
	}
	return w, nil
}

// unwrapGroup returns the group inside of all wrappers, and the options of the wrappers with opts behind them.
func unwrapGroup(g Group, opts []Option) (Group, []Option) {
	for wrapped, ok := g.(*groupWithOptions); ok; wrapped, ok = g.(*groupWithOptions) {
		g, opts = wrapped.Group, slices.Concat(wrapped.opts, opts)
	}
	return g, opts
}

var (
	errNilWorker = errors.New("worker is nil")
	errNilGroup  = errors.New("group is nil")
)

// checkBody returns an error if a worker has nothing to run.
func checkBody(w Worker) error {
	var run RunFunc
	switch w := w.(type) {
	case *namedWorker:
		if w == nil {
			return errNilWorker
		}
		run = w.RunFunc
	case RunFunc:
		run = w
	case *Autoscaler:
		if w != nil {
			return w.validate()
		}
		return errNilWorker
	default:
		if nilcheck.IsNil(w) {
			return errNilWorker
		}
		return nil
	}
	if run == nil {
		return errors.New("run function is nil")
	}
	return buildError(run)
}

// workersOf calls Workers. A panic is an error.
func workersOf(g Group) (workers []Worker, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic in Workers: %s", safecall.ValueText(r))
		}
	}()
	return g.Workers(), nil
}
