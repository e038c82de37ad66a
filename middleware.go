package workerfx

import (
	"errors"
	"fmt"
	"slices"

	"github.com/workerfx/workerfx/internal/safecall"
)

// Middleware wraps the body of a worker. It is called once for each worker. The function that it returns is called
// for every run, with the run's context, and may be called from many goroutines.
type Middleware func(next RunFunc) RunFunc

// wrap puts middleware around body. The first middleware is the outermost. A middleware that is nil, panics or
// returns nil is an error.
func wrap(body Worker, ofPool, ofWorker []Middleware) (wrapped Worker, err error) {
	middleware := slices.Concat(ofPool, ofWorker)
	if len(middleware) == 0 {
		return body, nil
	}
	defer func() {
		switch r := recover().(type) {
		case nil:
		case safecall.BadArgument:
			err = r.Err
		default:
			err = fmt.Errorf("middleware panicked: %s", safecall.ValueText(r))
		}
	}()
	run := RunFunc(body.Run)
	for i, mw := range slices.Backward(middleware) {
		if mw == nil {
			return nil, fmt.Errorf("middleware %d is nil", i+1)
		}
		if run = mw(run); run == nil {
			return nil, fmt.Errorf("middleware %d returned nil", i+1)
		}
	}
	return run, nil
}

// useMiddleware puts middleware around all workers, also around workers that are added later. The pool must not
// have started.
func useMiddleware(p *Pool, middleware []Middleware) error {
	p.middleware = slices.Concat(p.middleware, middleware)
	var errs []error
	for _, e := range p.sorted() { // workers that constructors added
		body, err := wrap(e.body, middleware, nil)
		if err != nil {
			errs = append(errs, fmt.Errorf("worker %q: %w", e.name, err))
			continue
		}
		e.body = body
	}
	return errors.Join(errs...)
}
