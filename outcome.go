package workerfx

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/workerfx/workerfx/internal/lifecycle"
	"github.com/workerfx/workerfx/internal/safecall"
)

// outcome tells how a run ended. The machine decides what follows from it.
type outcome struct {
	kind     lifecycle.Outcome
	panicked bool
	ownError bool // the run was stuck, and ended with an error of its own
	err      error
	text     string // of err, as Error is the user's code
}

// classify returns the outcome of a run that returned err.
func classify(err error, r *run) outcome {
	if err == nil {
		return outcome{kind: lifecycle.Succeeded}.orStuck(r)
	}
	if err == ErrDoNotRestart { //nolint:errorlint // the bare sentinel means success
		return outcome{kind: lifecycle.Finished}
	}
	kind := lifecycle.Failed
	switch {
	case errors.Is(err, ErrDoNotRestart):
		kind = lifecycle.GaveUp
	case r.replica.policy.Scheduled && errors.Is(err, ErrSkip):
		kind = lifecycle.Skipped
	case errors.Is(err, ErrStopping) && r.isDrained():
		kind = lifecycle.Obeyed
	case isEndOf(r, err):
		kind = lifecycle.Obeyed
		if err == r.Err() { //nolint:errorlint // the cause tells more than a bare ctx.Err()
			err = context.Cause(r)
		}
	}
	text, err := safecall.ErrorText(err)
	return outcome{kind: kind, err: err, text: text}.orStuck(r)
}

// panicked is the outcome of a run that panicked with a value. The deferred function that recovered the value must
// call it. A run that ends its goroutine has this outcome, too, but it is not used: see resumeRun.
func panicked(r *run, value any) outcome {
	caught := catchPanic(value, 1)
	o := failure(r, caught, caught.Error())
	o.panicked = true
	return o
}

// failure is the outcome of a run that failed.
func failure(r *run, err error, text string) outcome {
	return outcome{kind: lifecycle.Failed, err: err, text: text}.orStuck(r)
}

// orStuck changes the outcome of a run whose context ended because the run was stuck. However the run ended then,
// the worker has to run again, unless the run returned [ErrDoNotRestart].
func (o outcome) orStuck(r *run) outcome {
	if r.watchdog == nil || o.kind != lifecycle.Succeeded && o.kind != lifecycle.Obeyed && o.kind != lifecycle.Failed {
		return o
	}
	life := r.life.Load()
	if life == nil {
		return o
	}
	cause := context.Cause(life)
	if !safecall.Is(cause, ErrStuck) { // the cause may be the error of a goroutine
		return o
	}
	o.ownError = o.kind == lifecycle.Failed
	o.kind = lifecycle.Stuck
	if o.err == nil || o.err == cause { //nolint:errorlint // errors.Is would call the user's code
		o.err, o.text = cause, cause.Error()
		return o
	}
	o.err = &jointError{cause, o.err, fmt.Sprintf("%v; then it ended with: %s", cause, o.text)}
	o.text = o.err.Error()
	return o
}

// jointError is the error of a run whose context ended because of cause, and that then ended with an error of its own.
type jointError struct {
	cause, err error
	text       string
}

func (e *jointError) Error() string   { return e.text }
func (e *jointError) Unwrap() []error { return []error{e.cause, e.err} }

// withUnhandled adds to an outcome that the run left items for the next attempt. Such a run did not just obey,
// whatever error it returned.
func (o outcome) withUnhandled(items int) outcome {
	if o.err == nil {
		return o
	}
	if o.kind == lifecycle.Obeyed {
		o.kind = lifecycle.Failed
	}
	o.err = &unhandledError{error: o.err, text: fmt.Sprintf("%s (items that wait to be handed over again: %d)", o.text, items)}
	o.text = o.err.Error()
	return o
}

// unhandledError is the error of a run that left items for the next attempt.
type unhandledError struct {
	error

	text string
}

func (e *unhandledError) Error() string { return e.text }
func (e *unhandledError) Unwrap() error { return e.error }

// PanicError is the error of a run that panicked. Get it with [errors.As]: the stack is formatted only then. If the
// value of the panic is an error, errors.Is and errors.As find it.
type PanicError struct {
	// Value is the value of the panic.
	Value any
	// Stack is the stack of the goroutine that panicked, innermost frame first.
	Stack []byte

	text string
}

// Error is "panic: " and the value.
func (e *PanicError) Error() string {
	if e.text == "" {
		return safecall.PanicText(e.Value)
	}
	return e.text
}

// Unwrap returns the panic's value if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// caughtPanic is a panic with frames that are not formatted. That costs a fraction of a formatted stack.
// [errors.As] makes a *PanicError of it.
type caughtPanic struct {
	frames safecall.Frames
	format sync.Once // fills in public.Stack
	public PanicError
}

// catchPanic keeps a recovered value and its frames. The deferred function that recovered the value must call it,
// through as many functions as between says.
func catchPanic(value any, between int) *caughtPanic {
	return &caughtPanic{frames: safecall.PanicFrames(between + 1), public: PanicError{Value: value, text: safecall.PanicText(value)}}
}

func (p *caughtPanic) Error() string { return p.public.Error() }
func (p *caughtPanic) Unwrap() error { return p.public.Unwrap() }

// As makes the public error of the panic, with its stack formatted.
func (p *caughtPanic) As(target any) bool {
	public, ok := target.(**PanicError)
	if !ok {
		return false
	}
	p.format.Do(func() { p.public.Stack = p.frames.Format() })
	*public = &p.public
	return true
}

// stackOf returns the stack of the panic in err's chain, or nil.
func stackOf(err error) []byte {
	if p, ok := errors.AsType[*PanicError](err); ok {
		return p.Stack
	}
	return nil
}
